# SPDX-License-Identifier: MIT
"""Signals that end a run: the first lets everything be undone, the second ends it, and whoever had them gets them back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from pytest_harehearse.rehearsal.signals import Stopped, Stops


@pytest.fixture
def stops():
    """Installed; what was there before is there after."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    found = Stops()
    found.install()
    yield found
    found.restore()
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_a_stop_with_its_name(stops, number):
    """pytest takes it for Ctrl-C, and the report says what it was."""
    with pytest.raises(Stopped, match=f"^stopped by {number.name}$"):
        send(number)
    assert stops.reason == f"stopped by {number.name}"
    assert issubclass(Stopped, KeyboardInterrupt)


def test_ctrl_c_stays_what_it_is(stops):
    """It needs no other reason than the user."""
    with pytest.raises(KeyboardInterrupt) as raised:
        send(signal.SIGINT)
    assert not isinstance(raised.value, Stopped)
    assert stops.reason is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_being_undone_is_undone_first(stops, number, caplog):
    """The stop comes at the end of the outermost block, and that it was heard is said at once."""
    done = []

    def undo():
        with stops.undoing():
            assert stops.is_undoing
            with stops.undoing():
                send(number)
                done.append("inner")
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        undo()
    assert done == ["inner", "outer"]
    assert not stops.is_undoing
    assert [record.getMessage() for record in caplog.records] == [
        f"{number.name}: what is being undone is undone first; a second one ends it at once"
    ]


def test_at_the_very_end_there_is_nothing_to_stop(stops):
    """The run ends anyway; only its reason is kept."""
    with stops.undoing(last=True):
        send(signal.SIGTERM)
    assert stops.reason == "stopped by SIGTERM"


def test_the_same_signal_twice_within_a_second_is_one(stops):
    """``timeout`` sends it to the process and to its group."""
    with pytest.raises(Stopped):
        send(signal.SIGTERM)
    send(signal.SIGTERM)
    assert stops.reason == "stopped by SIGTERM"


def test_a_second_ctrl_c_is_not_put_off(stops):
    """Whoever presses it twice means it."""
    passed = []

    def undo():
        with stops.undoing():
            send(signal.SIGINT)
            passed.append("the first")
            send(signal.SIGINT)
            passed.append("the second")

    with pytest.raises(KeyboardInterrupt):
        undo()
    assert passed == ["the first"]


SECOND = """
import os, signal, time
from pytest_harehearse.rehearsal.signals import Stops
stops = Stops()
stops.install()
with stops.undoing():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(1.2)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
"""


def test_a_second_later_it_ends_at_once():
    """By the signal's own action, as whoever sent it expects."""
    done = subprocess.run([sys.executable, "-c", SECOND], capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGTERM, done.stderr


def test_what_others_set_is_left_alone(stops):
    """A handler of somebody else's, and what nohup ignores; all of it is as it was afterwards."""
    stops.restore()
    theirs = [lambda *_: None, signal.SIG_IGN]
    signal.signal(signal.SIGTERM, theirs[0])
    signal.signal(signal.SIGHUP, theirs[1])
    again = Stops()
    again.install()
    assert [signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)] == theirs
    again.restore()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_a_thread_nothing_is_taken():
    """Only a main thread may: a run elsewhere goes without."""
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=Stops().install)
    thread.start()
    thread.join(10)
    assert signal.getsignal(signal.SIGTERM) is before
