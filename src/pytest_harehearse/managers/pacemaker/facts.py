# SPDX-License-Identifier: MIT
"""What is known of a Pacemaker cluster beyond the state that all managers share."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_harehearse.managers.pacemaker.cib import Leftover
from pytest_harehearse.managers.pacemaker.crm_mon import Failure
from pytest_harehearse.managers.pacemaker.fence_event import FenceEvent
from pytest_harehearse.managers.state import ClusterState


@dataclass(frozen=True, slots=True)
class Facts:
    """Taken from the view of the node that is believed most (``by``)."""

    group: str
    by: str | None = None
    #: Node in the inventory → in the cluster.
    names: dict[str, str] = field(default_factory=dict)
    promotable: bool = False
    version: str = ""
    #: Why fencing would not work: for the cluster ("") or for a node.
    fencing: dict[str, str] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    fenced: tuple[FenceEvent, ...] = ()
    unmanaged: tuple[str, ...] = ()

    def unfenced(self, node: str | None) -> str | None:
        """Return why a node could not be fenced; None when it could."""
        return self.fencing.get("") or (self.fencing.get(node) if node else None)


@dataclass(frozen=True, slots=True)
class PacemakerState(ClusterState):
    """The state, and the facts that it was judged by."""

    facts: Facts = field(default_factory=lambda: Facts(""))
