# SPDX-License-Identifier: MIT
"""What meets a stop condition, by attempts and roles alone; and where nothing can be interrupted."""

from __future__ import annotations

import signal
import threading

import pytest

from pytest_harehearse import events as e
from pytest_harehearse.errors import NotSettled
from pytest_harehearse.probes.attempts import Attempt, Outcome
from pytest_harehearse.rehearsal.stop_watch import Down, StopCondition, StopWatch, second_lost
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.safety.journal import Journal

T = 100.0


def asks(*outcomes, first=0):
    return tuple(
        Attempt(first + n, T + first + n, T + first + n, T + first + n + 0.1, outcome)
        for n, outcome in enumerate(outcomes)
    )


OK, NO, NOTHING = Outcome.OK, Outcome.REFUSED, Outcome.NOT_SENT


def test_how_long_it_was_interrupted_so_far():
    """From the first failure that was back to the last one sent; in pieces, added up; what was seen counts once."""
    down = Down()
    assert down.take(asks(OK, OK)) == 0
    assert down.take(asks(OK, OK, NO)) == 0
    assert down.take(asks(OK, OK, NO, NO, NOTHING, NO)) == pytest.approx(2.9)
    assert down.take(asks(NO, NO, OK, first=4)) == pytest.approx(2.9)
    assert down.take(asks(NO, NO, NO, first=7)) == pytest.approx(4.8)


def lost(*nodes, at=T, role="unreachable"):
    return {node: e.RoleSeen(t=at, rehearsal="r", node=node, role=role, after=at) for node in nodes}


@pytest.mark.parametrize(
    ("roles", "touched", "struck", "stops"),
    [
        (lost("n1", "n2"), {"n1"}, {"n1": "recovers_on_peer"}, True),
        (lost("n1"), {"n1"}, {"n1": "recovers_on_peer"}, False),
        (lost("n1", "n2"), {"n1", "n2"}, {}, False),
        (lost("n2"), set(), {}, False),
        (lost("n2"), {"n1"}, {"n1": "recovers_on_peer"}, True),
        (lost("n2"), {"n1"}, {"n1": "fenced"}, False),
        (lost("n1", "n2"), {"n1"}, {"n1": "fenced"}, True),
        (lost("n1", "n2", at=T + 8), {"n1"}, {"n1": "recovers_on_peer"}, False),
        (lost("n1", "n2", role="starting"), {"n1"}, {"n1": "recovers_on_peer"}, False),
    ],
    ids=["two", "its own", "both its own", "the first", "beside a strike", "either may be fenced", "fenced and one more",
         "for a moment", "only starting"],
)  # fmt: skip
def test_a_second_node_is_lost(roles, touched, struck, stops):
    """One that was struck and another one, for long enough; but of two that are cut apart either may be fenced."""
    reason = second_lost(roles, touched, struck, T + 10, T - 5)
    assert (reason is not None) is stops
    if reason is not None:
        assert reason == ("a second node is lost: n2 (unreachable), which this rehearsal did nothing to, beside n1")


@pytest.fixture
def watch(tmp_path, recorder):
    return StopWatch(Striker("lab/web", "run-1", Journal(tmp_path), recorder), recorder, tmp_path / "STOP")


def stopped(watch, at_last):
    """A body that is stopped while it waits, and does something in the end."""
    with watch.watching():
        watch.stop_file.touch()
        try:
            threading.Event().wait(20)
        finally:
            at_last()


def test_nothing_begins_while_the_stop_file_is_there(watch):
    """It says which file, and whose it is to remove it."""
    watch.refuse()
    watch.stop_file.touch()
    with pytest.raises(NotSettled, match=r"stop file .*/STOP is there, which ends every rehearsal. Remove it when"):
        watch.refuse()


def test_in_a_thread_nothing_is_interrupted(watch, events):
    """No signal is taken; the reason is told when the body is over, and everything was undone from the watch."""
    told = []

    def body():
        try:
            with watch.watching():
                watch.stop_file.touch()
                told.append(signal.getsignal(signal.SIGUSR2))
                while watch.reason is None:
                    threading.Event().wait(0.05)
        except StopCondition as error:
            told.append(str(error))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(20)
    assert told == [signal.SIG_DFL, watch.text()]
    assert [type(event).__name__ for event in events] == ["RehearsalStopped"]


def test_a_signal_that_somebody_uses_is_left_alone(watch):
    """His handler stays, and another signal is taken."""
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        his = signal.getsignal(signal.SIGUSR2)
        with pytest.raises(StopCondition, match="stop file"):
            stopped(watch, lambda: None)
        assert signal.getsignal(signal.SIGUSR2) is his
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_an_error_after_the_stop_is_not_lost(watch):
    """The test's own error is the cause of what is told."""

    def on_the_way_out():
        raise ValueError("on the way out")

    with pytest.raises(StopCondition) as caught:
        stopped(watch, on_the_way_out)
    assert str(caught.value.__cause__) == "on the way out"
