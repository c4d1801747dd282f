# SPDX-License-Identifier: MIT
"""Brings what the cluster itself recorded of a rehearsal onto the stream, with the clocks it was mapped by."""

from __future__ import annotations

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.events import ClockMeasured, ClusterRecorded
from pytest_harehearse.managers.base import Manager, Records
from pytest_harehearse.rehearsal.recorder import Recorder

#: For all nodes together; a node that is down must not hold up the end of a rehearsal.
DEADLINE_S = 20.0


def collect(manager: Manager, recorder: Recorder, since: float, deadline: float = DEADLINE_S) -> None:
    """Write what the nodes recorded since an instant (monotonic seconds); what could not be read is noted.

    Nothing for a manager whose nodes keep no records. Never fails a rehearsal: without its records the phases of an
    interruption are not known, and the interruption itself is.
    """
    if not isinstance(manager, Records):
        return
    try:
        found = manager.records(since, deadline)
    except HarehearseError as error:
        recorder.note(f"What the cluster recorded could not be read, so the phases are not known: {error}")
        return
    rehearsal = recorder.rehearsal
    for clock in found.clocks:
        recorder.write(ClockMeasured(rehearsal=rehearsal, node=clock.node, offset=clock.offset, error=clock.error))
    for record in found.records:
        recorder.write(
            ClusterRecorded(
                rehearsal=rehearsal, node=record.node, what=record.what, at=record.at, error=record.error,
                text=record.text,
            )
        )  # fmt: skip
    for problem in found.problems:
        recorder.note(f"Of what the cluster recorded, something is missing: {problem}")
