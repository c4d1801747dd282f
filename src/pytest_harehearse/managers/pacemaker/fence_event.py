# SPDX-License-Identifier: MIT
"""Fencing that happened, as ``stonith_admin --history`` and ``crm_mon`` write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_harehearse.managers.pacemaker.xml import instant

if TYPE_CHECKING:
    from datetime import datetime
    from xml.etree.ElementTree import Element


@dataclass(frozen=True, slots=True)
class FenceEvent:
    """One try to fence a node."""

    node: str
    #: reboot, off or on.
    action: str
    #: success, failed or pending.
    status: str
    #: The node that asked for it, and the process there.
    origin: str = ""
    client: str = ""
    #: The node that carried it out.
    delegate: str = ""
    reason: str = ""
    #: UTC by the clock of the nodes; None: it goes on, or the time could not be read. Whole seconds before Pacemaker 2.1.6.
    completed: datetime | None = None

    def __str__(self) -> str:
        """One clause for messages."""
        when = f" at {self.completed.isoformat(timespec='milliseconds')}" if self.completed else ""
        by = f" by {self.delegate}" if self.delegate else ""
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.action} of {self.node}{by}, asked for by {self.client or 'unknown'} on {self.origin or 'unknown'}: {self.status}{when}{why}"


def fence_events(root: Element) -> tuple[FenceEvent, ...]:
    """Return every event below an element, in the order in which it stands there (the newest first)."""
    return tuple(
        FenceEvent(
            node=one.get("target", ""),
            action=one.get("action", ""),
            # Pacemaker 2.0 called it state.
            status=one.get("status") or one.get("state") or "unknown",
            origin=one.get("origin", ""),
            client=one.get("client", ""),
            delegate=one.get("delegate", ""),
            reason=one.get("exit-reason") or one.get("extended-status") or "",
            completed=instant(one.get("completed")),
        )
        for one in root.iter("fence_event")
    )


def latest(events: tuple[FenceEvent, ...]) -> dict[str, FenceEvent]:
    """Return the last event of each node."""
    found: dict[str, FenceEvent] = {}
    for event in events:
        known = found.get(event.node)
        if known is None or (known.completed and event.completed and event.completed > known.completed):
            found[event.node] = event
    return found
