# SPDX-License-Identifier: MIT
"""A run that is stopped, or whose test fails, has undone everything when it ends: no timer is needed for that."""

from __future__ import annotations

import os
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


def test_a_worker_that_is_killed_with_a_fault_on(watched, ground):
    """Whoever conducts it heals the cluster, and counts what was to follow there."""
    run = watched(HOLDS + "\n\ndef test_two(cluster):\n    pass\n", "-n", "1")
    run.until("held", 0.3)
    worker = next(event.pid for event in run.events if type(event).__name__ == "WorkerStarted")
    os.kill(worker, signal.SIGKILL)
    assert run.ended() == 1, run.said
    reasons = [event.reason for event in run.events if type(event).__name__ == "RehearsalFinished"]
    [died] = [reason for reason in reasons if reason.startswith("worker gw0 died in it; valkey/carts was healed: ")]
    reasons.remove(died)
    assert reasons == ["not run: valkey/carts is not settled, for worker gw0 died in test_one[valkey/carts] there"]
    assert "2 unknown" in run.said
    assert run.still_open == []
    assert run.left() == []
    assert ground.until_redundant(60) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("to", ["who conducts", "the group"])
def test_a_stop_reaches_the_workers_which_undo_everything(watched, ground, number, to):
    """Ctrl-C at a terminal reaches every process of it at once; CI often stops only the first."""
    run = watched(HOLDS, "-n", "1")
    run.until("held", 0.3)
    if to == "the group":
        os.killpg(run.process.pid, number)
    else:
        run.process.send_signal(number)
    assert run.ended() == 2, run.said
    assert run.rehearsal.outcome == "unknown"
    assert run.still_open == []
    assert run.left() == []
    assert ground.until_redundant(60) is None
