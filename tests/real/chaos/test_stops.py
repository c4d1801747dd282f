# SPDX-License-Identifier: MIT
"""A run that is stopped, or whose test fails, has undone everything when it ends: no timer is needed for that."""

from __future__ import annotations

import signal

import pytest

HOLDS = """
import time

def test_one(cluster, faults):
    with faults.stack_kill(cluster.standbys[0]):
        time.sleep(90)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_stop_undoes_everything(watched, ground, number):
    """What CI, a closed terminal and Ctrl-C send: undone, verified, recorded, and closed in the journal."""
    run = watched(HOLDS)
    run.until("held", 0.3)
    run.process.send_signal(number)
    assert run.ended() == 2, run.said
    reason = "stopped by the user" if number == signal.SIGINT else f"stopped by {number.name}"
    assert (run.rehearsal.outcome, run.rehearsal.reason) == ("unknown", reason)
    assert [event.outcome for event in run.events if type(event).__name__ == "ActionFinished"] == ["done", "done"]
    assert run.still_open == []
    assert run.left() == []
    assert ground.until_redundant(60) is None


def test_sent_twice_at_once_it_is_one_stop(watched):
    """As ``timeout`` sends it, to the process and to its group."""
    run = watched(HOLDS)
    run.until("held", 0.3)
    run.process.send_signal(signal.SIGTERM)
    run.process.send_signal(signal.SIGTERM)
    assert run.ended() == 2, run.said
    assert run.rehearsal.reason == "stopped by SIGTERM"
    assert run.still_open == []


def test_a_second_stop_ends_it_at_once(watched, ground):
    """Whoever asks twice means it: what is open then stands in the journal, and is the timers' task."""
    run = watched("""
import time

def test_one(cluster, faults):
    try:
        with faults.stack_kill(cluster.standbys[0]):
            time.sleep(90)
    finally:
        print("undone", flush=True)
        try:
            time.sleep(90)
        finally:
            time.sleep(90)
""")
    run.until("held")
    run.process.send_signal(signal.SIGTERM)
    run.until("closed", 1.5)
    run.process.send_signal(signal.SIGTERM)
    assert run.ended(30) == -signal.SIGTERM, run.said
    assert run.still_open == []
    assert ground.until_redundant(60) is None


def test_an_exception_in_the_body(watched, ground):
    """The rehearsal fails by the test's own error, and the fault is undone all the same."""
    run = watched("""
def test_one(cluster, faults):
    with faults.stack_kill(cluster.standbys[0]):
        raise ValueError("the test's own mistake")
""")
    assert run.ended() == 1, run.said
    assert (run.rehearsal.outcome, run.rehearsal.reason) == ("failed", "ValueError: the test's own mistake")
    assert run.still_open == []
    assert run.left() == []
    assert ground.until_redundant(60) is None


def test_no_worker_can_crash_with_a_fault_on(watched, ground):
    """A rehearsal is not given to xdist's workers, where a crash would lose who undoes: it is refused, nothing is begun."""
    run = watched(HOLDS, "-n", "2")
    assert run.ended() == 4, run.said
    assert "Rehearsals cannot be distributed over xdist workers yet; run without -n." in run.said
    assert not (run.folder / "store").exists()
    assert ground.until_redundant(5) is None
