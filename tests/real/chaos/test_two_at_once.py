# SPDX-License-Identifier: MIT
"""Two runs want the same cluster: exactly one strikes. Ten tries by ``tox -e chaos``, fewer here."""

from __future__ import annotations

import pytest
from tests.chaos.both import both_at_once

from pytest_harehearse.rehearsal.scene import lease_places
from pytest_harehearse.safety.lease import Holder


@pytest.mark.parametrize("attempt", [1, 2])
def test_exactly_one_of_two_strikes(ground, attempt):
    """Begun at the same instant, with different stores; the other says who holds it."""
    assert both_at_once(ground) == []
    assert ground.until_redundant(60) is None


def test_a_run_of_another_machine_is_told_with_its_times(watched, ground):
    """No file lock reaches it, the lease does: who, since when, until when, and nothing is started."""
    holder = Holder(lease_places(ground.scene()), cluster=ground.identity, run="r-2026w48-01", owner="ann@far, pid 7")
    holder.take()
    try:
        run = watched("def test_one(cluster, faults):\n    raise AssertionError('begun')\n")
        assert run.ended() == 1, run.said
        said = " ".join(run.said.split())
        assert f"{ground.identity} is being rehearsed on by run r-2026w48-01 of ann@far, pid 7, since 2" in said
        assert ", until 2" in said
        assert "AssertionError" not in said
    finally:
        assert holder.give_back() == []
