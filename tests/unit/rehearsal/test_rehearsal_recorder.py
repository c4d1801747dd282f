# SPDX-License-Identifier: MIT
"""The recorder's events: every beginning has its end, whatever happens in between."""

from __future__ import annotations

import contextlib
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import Indeterminate, LimitExceeded, Refused
from pytest_harehearse.events import ActionFinished, ActionStarted, WaitFinished, WaitStarted
from pytest_harehearse.rehearsal.recorder import Recorder

ERRORS = {None: "done", Refused: "failed", LimitExceeded: "failed", KeyError: "failed", Indeterminate: "unknown",
          KeyboardInterrupt: "failed", GeneratorExit: "failed"}  # fmt: skip


def carried_out(block, error) -> None:
    with contextlib.suppress(*(kind for kind in ERRORS if kind is not None)), block as outcome:
        outcome.detail = "" if error else "so it went"
        if error is not None:
            raise error("trouble")


@pytest.mark.parametrize(("error", "outcome"), ERRORS.items())
def test_an_action_ends_as_it_went(recorder, events, error, outcome):
    """Unknown for what could not be established, failed for everything else; the error goes on."""
    raised = contextlib.nullcontext() if error is None else pytest.raises(error)
    with raised, recorder.action("switchover", "n1 → n2", "as asked") as said:
        said.detail = "" if error else "so it went"
        if error is not None:
            raise error("trouble")
    started, finished = events
    assert isinstance(started, ActionStarted)
    assert isinstance(finished, ActionFinished)
    assert (started.rehearsal, started.name, started.target, started.detail) == (
        "r", "switchover", "n1 → n2", "as asked",
    )  # fmt: skip
    assert started.action == finished.action == "r#1"
    assert finished.outcome == outcome
    assert ("so it went" if error is None else "trouble") in finished.detail
    assert started.t <= finished.t


@pytest.mark.parametrize(("error", "outcome"), ERRORS.items())
def test_a_wait_ends_as_it_went(recorder, events, error, outcome):
    """With the state seen last."""
    raised = contextlib.nullcontext() if error is None else pytest.raises(error)
    with raised, recorder.waiting("it is so", 5.0) as seen:
        seen.detail = "n1 primary"
        if error is not None:
            raise error("trouble")
    started, finished = events
    assert isinstance(started, WaitStarted)
    assert isinstance(finished, WaitFinished)
    assert (started.what, started.within, finished.last_seen) == ("it is so", 5.0, "n1 primary")
    assert (started.wait, finished.outcome) == (finished.wait, outcome)


def test_the_first_and_the_last_action(recorder, events):
    """From the first one on, time is counted; each one ends redundancy."""
    assert (recorder.first_action, recorder.last_action) == (None, None)
    with recorder.action("a", "x"):
        pass
    recorder.redundant_at = 1.0
    with recorder.action("b", "y"):
        pass
    assert (recorder.first_action, recorder.last_action) == (events[0].t, events[2].t)
    assert recorder.redundant_at is None


def test_what_is_told_live(recorder, caplog):
    """With the time since the first action."""
    caplog.set_level(logging.INFO, "harehearse")
    recorder.note("before")
    with recorder.action("switchover", "n1 → n2") as said:
        said.detail = "agreed"
    with recorder.waiting("it is so", 1.0):
        pass
    texts = [record.getMessage() for record in caplog.records]
    assert texts[0] == "before"
    assert [text.partition(" ")[0][:2] for text in texts[1:]] == ["T+"] * 3
    assert [text.partition(" ")[2] for text in texts[1:]] == [
        "switchover n1 → n2", "switchover n1 → n2 done: agreed", "it is so",
    ]  # fmt: skip


def test_a_plan_tells_nothing_live(events, caplog):
    """Its lines are printed at the end."""
    caplog.set_level(logging.INFO, "harehearse")
    Recorder(events.append, "plan", live=False).note("quietly")
    assert caplog.records == []
    assert [event.text for event in events] == ["quietly"]


@given(st.lists(st.tuples(st.sampled_from(["action", "wait"]), st.sampled_from(list(ERRORS))), max_size=8))
def test_every_beginning_has_its_end(steps):
    """Identities are unique, and times never go back."""
    events = []
    recorder = Recorder(events.append, "r")
    for kind, error in steps:
        carried_out(recorder.action("a", "x") if kind == "action" else recorder.waiting("w", 1.0), error)
    begun = [e.action if isinstance(e, ActionStarted) else e.wait for e in events[::2]]
    ended = [e.action if isinstance(e, ActionFinished) else e.wait for e in events[1::2]]
    assert begun == ended == [f"r#{number + 1}" for number in range(len(steps))]
    assert [e.outcome for e in events[1::2]] == [ERRORS[error] for _, error in steps]
    assert [e.t for e in events] == sorted(e.t for e in events)
