# SPDX-License-Identifier: MIT
"""What is struck is undone: the undo is on disk before the strike, and an entry closes only when the undo was verified."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import HarehearseError, Indeterminate, Unsupported
from pytest_harehearse.faults.base import Armed
from pytest_harehearse.rehearsal.recorder import Recorder
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.safety.journal import Journal


class Scripted(Armed):
    """A fault that does as it is told, and keeps what was asked of it."""

    strike_text = "break it"
    undo_text = "mend it"

    def __init__(self, name="stack_kill", target="n1", *, calls=None, look=lambda: None):
        self.name, self.target = name, target
        self.calls = [] if calls is None else calls
        self._look = look
        self.limits = self.unproved = self.left = None
        self.strike_error = self.effect_error = self.undo_error = None

    def _asked(self, what, error=None):
        self.calls.append((what, self.name, self.target, self._look()))
        if error is not None:
            raise error

    def limitation(self):
        self._asked("limitation")
        return self.limits

    def strike(self):
        self._asked("strike", self.strike_error)
        return "broken"

    def effect(self):
        self._asked("effect", self.effect_error)
        return self.unproved

    def undo(self):
        self._asked("undo", self.undo_error)

    def undone(self):
        self._asked("undone")
        return self.left


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "store")


@pytest.fixture
def striker(journal, recorder):
    return Striker("lab/web", "run-1", journal, recorder)


def told(events):
    """The actions of the stream, each with its outcome."""
    begun = {event.action: event for event in events if type(event).__name__ == "ActionStarted"}
    return [
        (begun[event.action].name, begun[event.action].target, event.outcome)
        for event in events
        if type(event).__name__ == "ActionFinished"
    ]


def asked(fault):
    return [call[0] for call in fault.calls]


def test_the_undo_is_on_disk_before_the_strike(striker, journal, events, monkeypatch):
    """Synced, and read back by another journal of the same store; closed only once the undo was verified."""
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(str(Path(f"/proc/self/fd/{fd}").readlink())), real(fd)))

    def look():
        return [entry.undo for entry in Journal(journal.path.parent).still_open("lab/web")], str(journal.path) in synced

    fault = Scripted(look=look)
    with striker.struck(fault):
        (entry,) = journal.still_open()
        assert (entry.run, entry.cluster, entry.fault, entry.target, entry.pid) == (
            "run-1", "lab/web", "stack_kill", "n1", os.getpid(),
        )  # fmt: skip
    there = (["mend it"], True)
    assert [(call[0], call[3]) for call in fault.calls] == [
        ("limitation", ([], False)), ("strike", there), ("effect", there), ("undo", there), ("undone", there),
    ]  # fmt: skip
    assert journal.still_open() == []
    assert json.loads(journal.path.read_text().splitlines()[-1])["how"] == "undone and verified"
    assert told(events) == [("fault stack_kill", "n1", "done"), ("undo stack_kill", "n1", "done")]
    assert [getattr(event, "step", event.detail) for event in events] == [
        "break it", "struck", "proved", "broken", "mend it", "undone", "verified", "",
    ]  # fmt: skip


def test_the_names_in_reports(striker, events):
    """A drain is called a drain, and its undo an undrain."""
    with striker.struck(Scripted("drain"), action="drain", undo="undrain"):
        pass
    assert told(events) == [("drain", "n1", "done"), ("undrain", "n1", "done")]


def test_what_cannot_be_done_is_not_begun(striker, journal, events):
    """Nothing is touched, nothing written, nothing undone."""
    fault = Scripted()
    fault.limits = "there is no power to take"
    with pytest.raises(Unsupported) as caught, striker.struck(fault):
        raise AssertionError
    assert str(caught.value) == ("lab/web cannot do stack_kill, so nothing was touched: there is no power to take.")
    assert asked(fault) == ["limitation"]
    assert not journal.path.exists()
    assert events == []


def test_a_journal_that_cannot_be_written(striker, journal, events):
    """Without an undo on disk there is no strike."""
    journal.path.parent.write_text("a file where the folder should be")
    fault = Scripted()
    with pytest.raises(OSError, match="store"):
        striker.strike(fault)
    assert asked(fault) == ["limitation"]
    assert striker.undo("stack_kill", "n1") is False
    assert events == []


def test_an_effect_that_is_not_proved(striker, journal, events):
    """Unknown, and still to be undone."""
    fault = Scripted()
    fault.unproved = "n1 is on"
    with pytest.raises(Indeterminate) as caught:
        striker.strike(fault)
    assert str(caught.value) == "stack_kill on n1 did not take effect for certain: n1 is on."
    assert told(events) == [("fault stack_kill", "n1", "unknown")]
    assert len(journal.still_open()) == 1
    striker.undo_all()
    assert journal.still_open() == []
    assert asked(fault) == ["limitation", "strike", "effect", "undo", "undone"]


@pytest.mark.parametrize("when", ["strike_error", "effect_error"])
def test_a_strike_that_breaks_off_is_undone_all_the_same(striker, journal, events, when):
    """It may have been done in part."""
    fault = Scripted()
    setattr(fault, when, RuntimeError("torn"))
    with pytest.raises(RuntimeError, match="torn"), striker.struck(fault):
        raise AssertionError
    assert asked(fault)[-2:] == ["undo", "undone"]
    assert journal.still_open() == []
    assert told(events) == [("fault stack_kill", "n1", "failed"), ("undo stack_kill", "n1", "done")]


def test_the_undo_comes_when_the_test_fails(striker, journal):
    """And the test's own error goes on."""
    with pytest.raises(AssertionError, match="too long"), striker.struck(Scripted()):
        raise AssertionError("too long")
    assert journal.still_open() == []


def test_an_undo_that_is_not_verified(striker, journal, events):
    """It stays open, with the way to do it by hand; a later try may close it."""
    fault = Scripted()
    striker.strike(fault)
    fault.left = "nothing runs on n1"
    with pytest.raises(HarehearseError) as caught:
        striker.undo("stack_kill", "n1")
    assert str(caught.value) == (
        f"stack_kill on n1 could not be undone: nothing runs on n1. It stays in the journal ({journal.path}). "
        "By hand: mend it."
    )
    assert [entry.undo for entry in journal.still_open()] == ["mend it"]
    assert told(events)[-1] == ("undo stack_kill", "n1", "failed")
    fault.left = None
    assert striker.undo("stack_kill", "n1") is True
    assert journal.still_open() == []


def test_an_undo_that_raises(striker, journal):
    """Is open too; whether it had its effect was not asked."""
    fault = Scripted()
    striker.strike(fault)
    fault.undo_error = RuntimeError("no route")
    with pytest.raises(RuntimeError, match="no route"):
        striker.undo("stack_kill", "n1")
    assert asked(fault)[-1] == "undo"
    assert len(journal.still_open()) == 1


def test_what_is_not_open_is_not_undone(striker, events):
    """Neither another's name, nor another's target, nor twice."""
    fault = Scripted()
    striker.strike(fault)
    assert striker.undo("stack_kill", "n2") is False
    assert striker.undo("drain", "n1") is False
    assert striker.undo("stack_kill", "n1") is True
    assert striker.undo("stack_kill", "n1") is False
    assert asked(fault).count("undo") == 1
    assert len(told(events)) == 2


def test_undo_all_tries_every_one(striker, journal):
    """The last first; the first error is raised once all were tried."""
    calls = []
    faults = [Scripted(target=f"n{number}", calls=calls) for number in range(1, 5)]
    for fault in faults:
        striker.strike(fault)
    faults[1].left, faults[3].undo_error = "still down", RuntimeError("first")
    with pytest.raises(RuntimeError, match="first"):
        striker.undo_all()
    assert [call[2] for call in calls if call[0] == "undo"] == ["n4", "n3", "n2", "n1"]
    assert [entry.target for entry in journal.still_open()] == ["n2", "n4"]


def test_undo_all_with_nothing_open(striker, events):
    """Does nothing."""
    striker.undo_all()
    assert events == []


def test_the_same_struck_twice(striker, journal):
    """Two entries, each undone for itself; one that fails does not hide the other."""
    calls = []
    first, second = Scripted(calls=calls), Scripted(calls=calls)
    striker.strike(first)
    striker.strike(second)
    assert len({entry.id for entry in journal.still_open()}) == 2
    second.undo_error = RuntimeError("torn")
    with pytest.raises(RuntimeError, match="torn"):
        striker.undo_all()
    assert [call[0] for call in calls].count("undone") == 1
    assert len(journal.still_open()) == 1
    second.undo_error = None
    striker.undo_all()
    assert journal.still_open() == []


def test_a_block_undoes_its_own_strike_only(striker, journal):
    """One within another of the same name and node leaves the outer one as it is, also when it could not begin."""
    outer, inner = Scripted(), Scripted()
    inner.limits = "it is dead already"
    with striker.struck(outer):
        with pytest.raises(Unsupported, match="it is dead already"), striker.struck(inner):
            raise AssertionError
        assert "undo" not in asked(outer)
        inner.limits = None
        with striker.struck(inner):
            pass
        assert "undo" in asked(inner)
        assert "undo" not in asked(outer)
        assert len(journal.still_open()) == 1
    assert journal.still_open() == []


def test_the_same_object_within_its_own_block(striker, journal):
    """The inner block undoes once, the outer once."""
    fault = Scripted()
    with striker.struck(fault):
        with striker.struck(fault):
            assert len(journal.still_open()) == 2
        assert len(journal.still_open()) == 1
    assert journal.still_open() == []
    assert asked(fault).count("undo") == 2


def test_what_the_test_undid_itself(striker, journal):
    """Is not undone again at the end of the block."""
    fault = Scripted()
    with striker.struck(fault):
        striker.undo("stack_kill", "n1")
    assert asked(fault).count("undo") == 1
    assert journal.still_open() == []


NAMES = st.tuples(st.sampled_from(["drain", "stack_kill"]), st.sampled_from(["n1", "n2"]))
STRIKES = st.tuples(st.just("strike"), NAMES, st.sampled_from(["fine", "limited", "raises", "unproved"]))
UNDOES = st.tuples(st.just("undo"), NAMES, st.sampled_from(["fine", "raises", "left"]))
ALL = st.tuples(st.just("all"), NAMES, st.sampled_from(["fine", "raises", "left"]))


@given(st.lists(STRIKES | UNDOES | ALL, max_size=12))
def test_open_is_exactly_what_was_not_verified_undone(steps):
    """Whatever was struck, undone, and went wrong on the way."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        striker = Striker("lab/web", "run-1", journal, Recorder(lambda event: None, "r", live=False))
        #: Each fault that was struck, and not verified undone, in order.
        expected: list[Scripted] = []
        for what, (name, target), how in steps:
            if what == "strike":
                fault = Scripted(name, target)
                fault.limits = "no" if how == "limited" else None
                fault.strike_error = RuntimeError("torn") if how == "raises" else None
                fault.unproved = "not seen" if how == "unproved" else None
                ends = {"fine": None, "limited": Unsupported, "raises": RuntimeError, "unproved": Indeterminate}[how]
                assert_raises(ends, lambda one=fault: striker.strike(one))
                expected += [] if how == "limited" else [fault]
            else:
                mine = [one for one in expected if what == "all" or (one.name, one.target) == (name, target)]
                mine = mine if what == "all" else mine[-1:]
                for one in mine:
                    one.undo_error = RuntimeError("torn") if how == "raises" else None
                    one.left = "still so" if how == "left" else None
                ends = {"fine": None, "raises": RuntimeError, "left": HarehearseError}[how] if mine else None
                act = striker.undo_all if what == "all" else lambda n=name, t=target: striker.undo(n, t)
                assert_raises(ends, act)
                if how == "fine":
                    expected = [one for one in expected if one not in mine]
            found = [(entry.fault, entry.target) for entry in Journal(Path(folder)).still_open("lab/web")]
            assert found == [(one.name, one.target) for one in expected]


def assert_raises(kind, act):
    if kind is None:
        act()
        return
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
