# SPDX-License-Identifier: MIT
"""A stop condition interrupts the test wherever it is, everything is undone, and the rehearsal fails with the reason."""

from __future__ import annotations

import signal

import pytest

TEST = """
import threading, time
import pytest
from static_lab import world
from pathlib import Path

STOP = Path(".harehearse/STOP")

def soon(what, after=0.5):
    threading.Timer(after, what).start()
"""


def ran(static, body):
    static.makepyfile(test_it=TEST + body)
    result = static.runpytest_inprocess("-v")
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL
    return result


@pytest.mark.parametrize(
    "long",
    ["time.sleep(60)", "cluster.until('never', lambda c: False, within='60s')", "threading.Event().wait(60)",
     "exec('''while True:\\n    try:\\n        time.sleep(60)\\n    except Exception:\\n        pass''')"],
    ids=["sleep", "wait", "lock", "swallowing"],
)  # fmt: skip
def test_the_stop_file(static, summary, long):
    """Wherever the test is: asleep, in a wait of ours, in a lock, in code that swallows errors; the fault is undone."""
    body = f"""
def test_it(cluster, faults):
    with faults.stack_kill("n1"):
        soon(lambda: STOP.touch())
        {long}

def test_next(cluster):
    pass
"""
    result = ran(static, body)
    result.stdout.fnmatch_lines(
        ["*The rehearsal was stopped and everything undone, because the stop file *STOP is there*"]
    )
    first, second = summary()["rehearsals"]
    assert (first["verdict"], second["verdict"]) == ("failed", "unknown")
    assert first["duration"] < 30 if "duration" in first else first["end"] - first["start"] < 30
    assert (first["faults"][0]["undone"], first["stopped"][:13]) == ("done", "the stop file")
    assert "Nothing was started, because the stop file" in second["reason"]


def test_an_interruption_that_lasts(static, summary):
    """abort_after counts the interruption so far, while it goes on."""
    inventory = static.path / "harehearse.toml"
    inventory.write_text(
        inventory.read_text().replace('nodes = ["n1", "n2"]', 'nodes = ["n1", "n2"]\nabort_after = "1s"')
    )
    body = """
def test_it(cluster, probes):
    with probes.watch(settle="1s"):
        world.door.shut()
        try:
            time.sleep(60)
        finally:
            world.door.open()
"""
    result = ran(static, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*because door was interrupted for at least 1.* s so far, and abort_after is 1.00 s*"])
    (one,) = summary()["rehearsals"]
    assert one["services"][0]["valid"]


def test_a_second_node_is_lost(static, summary, monkeypatch):
    """One was struck, another one goes by itself."""
    from pytest_harehearse.rehearsal import stop_watch

    monkeypatch.setattr(stop_watch, "LOST_S", 0.5)
    body = """
def test_it(cluster, faults):
    with faults.stack_kill("n1"):
        soon(lambda: cluster.manager.killed.add("n2"))
        try:
            time.sleep(60)
        finally:
            cluster.manager.killed.discard("n2")
"""
    result = ran(static, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*because a second node is lost: n2 (unreachable), which this rehearsal did nothing to*"]
    )


def test_what_is_being_undone_is_not_broken_off(static, summary):
    """The stop comes while the block's undo runs: that comes to its end, and the reason is told."""
    body = """
def test_it(cluster, faults):
    lab = faults._scene.lab
    start = lab.start_stack
    def slowly(*a):
        STOP.touch()
        time.sleep(2)
        start(*a)
    lab.start_stack = slowly
    with faults.stack_kill("n1"):
        pass
    time.sleep(60)
"""
    result = ran(static, body)
    result.assert_outcomes(failed=1)
    (one,) = summary()["rehearsals"]
    assert one["faults"][0]["undone"] == "done"
    assert sum(span["kind"] == "undo" for span in one["actions"]) == 1
