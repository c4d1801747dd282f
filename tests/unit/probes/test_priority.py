# SPDX-License-Identifier: MIT
"""The meter asks to run soon; what is not granted is no error."""

from __future__ import annotations

import os
import subprocess
import sys

TELL = """
from pytest_harehearse.probes import priority
import os, subprocess, sys
granted = priority.prefer()
child = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"]
print("real-time" in granted, "priority" in granted, os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK,
      os.getpriority(0, 0), subprocess.run(child, capture_output=True, text=True).stdout.strip())
"""


def test_what_is_granted_is_what_is_set_and_children_stay_ordinary():
    """Real time, else a better priority, else nothing; it says which, and a program of the user's gets neither."""
    done = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True)
    real_time, priority, policy, nice, child = done.stdout.split()
    assert (real_time == "True") == (int(policy) == os.SCHED_RR)
    assert (priority == "True") == (int(nice) == -10)
    assert int(child) == os.SCHED_OTHER


def test_without_the_right_to_real_time_the_ordinary_ways_are_taken(monkeypatch):
    """A refusal is no error: the next best is asked for."""
    from pytest_harehearse.probes import priority

    def refuse(*asked):
        raise PermissionError

    def grant(*asked):
        return None

    monkeypatch.setattr(priority.os, "sched_setscheduler", refuse)
    monkeypatch.setattr(priority.os, "setpriority", grant)
    monkeypatch.setattr(priority, "_short_slice", lambda: True)
    assert priority.prefer() == ("priority", "short slice")
    monkeypatch.setattr(priority.os, "setpriority", refuse)
    monkeypatch.setattr(priority, "_short_slice", lambda: False)
    assert priority.prefer() == ()


def test_a_machine_whose_call_is_not_known_is_left_alone(monkeypatch):
    """No system call is made by a number that may mean something else there."""
    from pytest_harehearse.probes import priority

    monkeypatch.setattr(priority.platform, "machine", lambda: "s390x")
    assert priority._short_slice() is False
