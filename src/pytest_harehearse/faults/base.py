# SPDX-License-Identifier: MIT
"""What a fault is: it owns its strike, the proof of its effect, its undo and the proof of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pytest_harehearse.faults.dead_man import About, DeadMan, Place
from pytest_harehearse.inventory.model import Cluster
from pytest_harehearse.remote.base import Channel


class Expected(StrEnum):
    """What a cluster should make of a fault."""

    #: Another node serves, within the cluster's own time to notice.
    ON_PEER = "recovers_on_peer"
    #: The service is restarted where it was, and does not move.
    IN_PLACE = "recovers_in_place"
    #: The node is fenced, and another one serves.
    FENCED = "fenced"
    #: The cluster says no, and nothing changes.
    REFUSES = "refuses"
    #: Users feel nothing and nothing moves.
    NO_EFFECT = "no_effect"
    #: Served on, slower or with errors.
    DEGRADED = "degraded_but_serving"
    #: Not served until the undo, and that is right: anything else could be two active nodes.
    STAYS_DOWN = "stays_down_safely"


class Fault(Protocol):
    """One fault on one target. Nothing may be touched before :meth:`arm`."""

    #: As in reports and in the catalogue: "stack_kill".
    name: str
    #: The node it strikes.
    target: str
    #: The strike and the undo, in words a person can follow by hand.
    strike_text: str
    undo_text: str
    expected: Expected
    #: The test itself asked for ``expected``: another outcome fails the rehearsal.
    asserted: bool

    @property
    def dead_man(self) -> float | None:
        """Seconds after which it is undone when we are gone; None: nothing of it stays that would have to be."""
        ...

    @property
    def ended_early(self) -> str | None:
        """Why it was over before it was undone; None: it was not."""
        ...

    def limitation(self) -> str | None:
        """Return why it cannot be done here; None when it can. Asked before anything is touched."""
        ...

    def arm(self, about: About) -> None:
        """Lay its undo where it outlives us, with a timer that is seen to run.

        Raises:
            HarehearseError: it is not armed, so it may not be struck.
        """
        ...

    def strike(self) -> str:
        """Do it; return what was done."""
        ...

    def effect(self) -> str | None:
        """Return why the effect is not proved; None when it is."""
        ...

    def undo(self) -> None:
        """Take it back; harmless when there is nothing left to take back."""
        ...

    def undone(self) -> str | None:
        """Return what is still not undone; None when all is."""
        ...

    def disarm(self) -> None:
        """Remove what :meth:`arm` laid down, after it was undone for certain."""
        ...


class Armed:
    """What is the same for every fault: the timer that undoes it without us, if it needs one."""

    expected = Expected.ON_PEER
    asserted = False
    #: None: nothing of it stays.
    _timer: DeadMan | None = None

    @property
    def dead_man(self) -> float | None:
        """Seconds after which it is undone when we are gone; None: nothing of it stays that would have to be."""
        return None if self._timer is None else self._timer.seconds

    @property
    def ended_early(self) -> str | None:
        """Why it was over before it was undone; None: it was not."""
        return None if self._timer is None else self._timer.fired

    def arm(self, about: About) -> None:
        """Lay its undo where it outlives us, with a timer that is seen to run.

        Raises:
            HarehearseError: it is not armed, so it may not be struck.
        """
        if self._timer is not None:
            self._timer.arm(about)

    def disarm(self) -> None:
        """Remove what :meth:`arm` laid down.

        Raises:
            HarehearseError: something of it stays.
        """
        if self._timer is not None:
            self._timer.disarm()


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault may work with. In a plan there are no channels and no lab, and nothing may be asked."""

    cluster: Cluster
    manager: object
    channels: Mapping[str, Channel] = field(default_factory=dict)
    lab: object = None
    #: How long a fault outlives a runner that was killed (seconds).
    dead_man: float = 60.0
    #: Where undos of faults lie that no node can carry: on this machine, in the lab's home; None: it has none.
    here: Place | None = None
    planned: bool = False

    @property
    def nodes(self) -> tuple[str, ...]:
        """The cluster's nodes."""
        return tuple(node.name for node in self.cluster.nodes)
