# SPDX-License-Identifier: MIT
"""On the command's screens a production is never taken for a lab."""

from __future__ import annotations

import pytest

from pytest_harehearse.cli import common, doctor
from pytest_harehearse.inventory.model import Cluster


@pytest.mark.parametrize(
    ("kind", "provider", "said"), [("production", None, "PRODUCTION"), ("lab", "lxd", "lab by lxd")]
)
def test_what_a_cluster_stands_in(kind, provider, said):
    """As ``status`` heads its table."""
    assert common.place(Cluster("e", "web", kind, "pacemaker", (), provider=provider)) == said


def test_the_doctor_says_what_it_looked_at():
    """Beside each cluster and node; this machine's own checks are of neither kind."""
    checks = [
        doctor.Check("disk", ok=True, said="enough"),
        doctor.Check("prod/web n1", ok=True, said="reached", kind="production"),
        doctor.Check("stage/web n1", ok=True, said="reached", kind="lab"),
    ]
    assert doctor.lines(checks)[:3] == [
        "✓ disk                      enough",
        "✓ prod/web n1 (PRODUCTION)  reached",
        "✓ stage/web n1 (lab)        reached",
    ]
    assert [check["kind"] for check in doctor.document(checks)["checks"]] == ["", "production", "lab"]
