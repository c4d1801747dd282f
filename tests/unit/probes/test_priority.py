# SPDX-License-Identifier: MIT
"""The meter asks to run soon; what is not granted is no error."""

from __future__ import annotations

import os
import subprocess
import sys

TELL = "from pytest_harehearse.probes import priority; import os; print(priority.prefer(), os.getpriority(0, 0))"


def test_the_priority_is_raised_where_the_user_may():
    """As root it is; as anybody else nothing breaks, and the answer says so."""
    done = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True)
    granted = done.stdout.startswith("(True,")
    assert granted == (int(done.stdout.split()[-1]) == -10)
    assert granted or os.geteuid() != 0


def test_a_machine_whose_call_is_not_known_is_left_alone(monkeypatch):
    """No system call is made by a number that may mean something else there."""
    from pytest_harehearse.probes import priority

    monkeypatch.setattr(priority.platform, "machine", lambda: "s390x")
    assert priority._short_slice() is False
