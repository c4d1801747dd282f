# SPDX-License-Identifier: MIT
"""The roles on the timeline: changes only, each with the poll before it."""

from __future__ import annotations

import threading

import pytest

from pytest_harehearse.rehearsal import role_watch
from pytest_harehearse.rehearsal.role_watch import RoleWatch


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr(role_watch, "INTERVAL_S", 0.005)


def watched(manager, recorder, polls: int) -> RoleWatch:
    """A watch that has asked so often."""
    watch = RoleWatch(manager, recorder)
    enough = threading.Event()
    plain = manager.roles

    def roles(deadline=1.0):
        if manager.asked + 1 >= polls:
            enough.set()
        return plain(deadline)

    manager.roles = roles
    watch.start()
    assert enough.wait(5)
    return watch


def test_only_changes_are_kept(manager, recorder, events, healthy_state):
    """Each with the time of the last poll that saw the old role."""
    manager.script = [healthy_state("n1")] * 3 + [healthy_state(None)] * 2 + [healthy_state("n2")]
    watched(manager, recorder, 8).stop()
    assert [(event.node, event.role) for event in events] == [
        ("n1", "primary"), ("n2", "replica"), ("n1", "replica"), ("n2", "primary"),
    ]  # fmt: skip
    assert all(event.after <= event.t for event in events)
    assert events[0].after <= events[2].after


def test_the_end_is_seen_too(manager, recorder, events, healthy_state, monkeypatch):
    """A change after the last poll is not missed: one more is made."""
    monkeypatch.setattr(role_watch, "INTERVAL_S", 60.0)
    watch = watched(manager, recorder, 1)
    while len(events) < 2:
        pass
    manager.script = [healthy_state("n2")]
    watch.stop()
    assert [(event.node, event.role) for event in events[2:]] == [("n1", "replica"), ("n2", "primary")]


def test_what_goes_wrong_in_the_thread_is_raised_at_the_end(manager, recorder):
    """Nothing may be swallowed."""

    def roles(deadline=1.0):
        raise RuntimeError("torn")

    manager.roles = roles
    watch = RoleWatch(manager, recorder)
    watch.start()
    with pytest.raises(RuntimeError, match="torn"):
        watch.stop()


def test_a_watch_that_was_not_started_can_be_stopped(manager, recorder, events):
    """The cluster was not healthy, so it never began."""
    RoleWatch(manager, recorder).stop()
    assert events == []
