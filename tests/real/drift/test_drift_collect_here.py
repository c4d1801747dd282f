# SPDX-License-Identifier: MIT
"""This machine is read by the real script: what it is made of comes back, in time."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from pytest_harehearse.drift.areas import AREAS
from pytest_harehearse.drift.collect import collect
from pytest_harehearse.remote.local import LocalChannel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="reading a host is root's")


def test_this_machine_is_read(tmp_path):
    """Kernel, settings, mounts and users are what the machine itself says; a named file is told by its digest and mode."""
    named = tmp_path / "named file"
    named.write_text("hunter2-planted")
    named.chmod(0o640)
    (found,) = collect("lab/here", {"here": LocalChannel("here")}, [str(named), str(tmp_path / "none")])
    assert found.facts["kernel/release"] == os.uname().release
    assert found.facts["user/root"].startswith("0:0 ")
    assert found.facts[f"file/{named}"].split()[1] == "640"
    assert found.facts[f"file/{tmp_path / 'none'}"] == "absent"
    assert "mount//" in found.facts
    assert {"kernel", "mount", "user", "group"}.isdisjoint(found.problems)
    assert set(found.problems) < set(AREAS)
    assert "hunter2-planted" not in repr(found)
    assert found.own[os.uname().nodename] == "<node>"


def test_the_deadline_is_kept_and_all_is_unknown():
    """A node that is not done in time has a reason for every area, and no facts."""
    begun = time.monotonic()
    (found,) = collect("lab/here", {"here": LocalChannel("here")}, within=0.01)
    assert time.monotonic() - begun < 10
    assert not found.facts
    assert set(found.problems) == set(AREAS) - {"own"}
    assert all("did not answer" in why for why in found.problems.values())


@pytest.mark.parametrize(
    ("area", "tool"), [("corosync", "corosync-cmapctl"), ("port", "ss"), ("enabled", "systemctl"), ("cib", "cibadmin")]
)
def test_a_tool_that_fails_is_not_an_empty_answer(tmp_path, area, tool):
    """What failed before a pipe is not known, and not a host that has none."""
    failing = tmp_path / tool
    failing.write_text("#!/bin/sh\nexit 4\n")
    failing.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["/bin/sh", "-c", AREAS[area]], env={"PATH": path}, capture_output=True, timeout=20, check=False
    )
    assert ended.returncode not in {0, 3}
