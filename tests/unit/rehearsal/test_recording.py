# SPDX-License-Identifier: MIT
"""What the cluster recorded comes onto the stream; what could not be read is said, and fails nothing."""

from __future__ import annotations

import pytest

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.events import ClockMeasured, ClusterRecorded, Noted
from pytest_harehearse.managers.base import Clock, Record, Recordings
from pytest_harehearse.rehearsal.recorder import Recorder
from pytest_harehearse.rehearsal.recording import collect


class Recording:
    """A manager whose nodes keep records."""

    def __init__(self, found):
        self.found, self.asked = found, []

    def records(self, since, deadline=20.0):
        self.asked.append((since, deadline))
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.fixture
def written():
    """The events of a rehearsal, and its pen."""
    events = []
    return events, Recorder(events.append, "r-1", live=False)


def test_records_and_clocks_are_written(written):
    """Each with its error, on the rehearsal."""
    events, recorder = written
    found = Recordings(
        (Record("web2", "fenced", 1004.7, 0.003, "reboot of web1 by web2"),), (Clock("web2", -0.02, 0.001),)
    )
    manager = Recording(found)
    collect(manager, recorder, 1000.0, 5.0)
    clock, record = events
    assert manager.asked == [(1000.0, 5.0)]
    assert (type(clock), clock.rehearsal, clock.node, clock.offset, clock.error) == (
        ClockMeasured,
        "r-1",
        "web2",
        -0.02,
        0.001,
    )
    assert (type(record), record.node, record.what, record.at, record.error, record.text) == (
        ClusterRecorded,
        "web2",
        "fenced",
        1004.7,
        0.003,
        "reboot of web1 by web2",
    )


def test_what_is_missing_is_noted(written):
    """A node that could not be asked stands in the report."""
    events, recorder = written
    collect(Recording(Recordings(problems=("the journal of web1 could not be read: cut off",))), recorder, 0.0)
    assert [type(event) for event in events] == [Noted]
    assert events[0].text == (
        "Of what the cluster recorded, something is missing: the journal of web1 could not be read: cut off"
    )


def test_records_that_cannot_be_had_do_not_fail_a_rehearsal(written):
    """The interruption is measured without them."""
    events, recorder = written
    collect(Recording(HarehearseError("no channel to any node")), recorder, 0.0)
    assert [event.text for event in events] == [
        "What the cluster recorded could not be read, so the phases are not known: no channel to any node"
    ]


def test_a_manager_without_records_is_left_alone(written):
    """Nothing is written, nothing noted."""
    events, recorder = written
    collect(object(), recorder, 0.0)
    assert events == []
