# SPDX-License-Identifier: MIT
"""What only some cluster managers can do, as small protocols, found by isinstance.

All of them say what was done, check that it had its effect, may be called again when it has been done already, and raise
``Refused`` (the cluster said no), ``Unreachable`` (it was not sent), ``Indeterminate`` (sent and not answered: unknown) or
``DeadlineExceeded`` (sent and agreed to, but the effect was not seen in time).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from pytest_harehearse.remote.base import Script


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the manager's own scheduler expects: who runs where after it, and by which actions."""

    #: Resource (or group, clone) → the nodes where it would run, sorted; where it promotes: be promoted.
    resources: dict[str, tuple[str, ...]]
    actions: tuple[str, ...] = ()


@runtime_checkable
class Drain(Protocol):
    """Nodes can be emptied for work on them."""

    def drain(self, node: str, deadline: float = 120.0) -> str:
        """Move everything but fencing off a node, and keep it off until :meth:`undrain`."""
        ...

    def undrain(self, node: str, deadline: float = 120.0) -> str:
        """Let the node take things over again."""
        ...


@runtime_checkable
class Maintenance(Protocol):
    """The manager can be told to leave everything as it is."""

    def maintenance(self, on: bool, deadline: float = 60.0) -> str:
        """Switch maintenance of the whole cluster on or off."""
        ...


@runtime_checkable
class StartsInMaintenance(Protocol):
    """In maintenance the manager leaves what serves on a node stopped after its reboot, until it is told to start it."""

    def start_in_maintenance(self, node: str, deadline: float = 60.0) -> str:
        """Start it; return what the manager said.

        Raises:
            Refused: it could not.
            Indeterminate: it did not answer in time.
        """
        ...


@runtime_checkable
class UndoScripts(Protocol):
    """What a drain and a maintenance are undone by on any node of the cluster, without us."""

    def drain_undo(self, node: str) -> tuple[Script, Script]:
        """Return the script that undrains a node, and the one that proves it; both may be run twice."""
        ...

    def maintenance_undo(self) -> tuple[Script, Script]:
        """Return the script that ends the maintenance, and the one that proves it; both may be run twice."""
        ...


@runtime_checkable
class Event(Protocol):
    """One try to fence a node."""

    @property
    def node(self) -> str:
        """Whom."""
        ...

    @property
    def action(self) -> str:
        """How."""
        ...

    @property
    def status(self) -> str:
        """success, failed or pending."""
        ...

    @property
    def completed(self) -> datetime | None:
        """When it was over (aware); None: it goes on, or is not known."""
        ...


@runtime_checkable
class Fence(Protocol):
    """Nodes can be fenced by the cluster itself, and it remembers."""

    def fence(self, node: str, action: str = "reboot", deadline: float = 120.0) -> str:
        """Fence a node; ``action``: reboot or off."""
        ...

    def fencing_history(self, deadline: float = 10.0) -> Sequence[Event]:
        """Return every fencing that the cluster remembers, the newest first."""
        ...


@runtime_checkable
class FencingLimits(Protocol):
    """The manager can tell whether a node could be fenced now."""

    def fencing_limitation(self, node: str) -> str | None:
        """Return why it could not; None when it could."""
        ...


@runtime_checkable
class Cleanup(Protocol):
    """Failed actions can be forgotten, so that what they keep off a node may run there again."""

    def cleanup(self, resource: str | None = None, deadline: float = 60.0) -> str:
        """Forget the failures of a resource; None: of all."""
        ...


@runtime_checkable
class Predict(Protocol):
    """The manager can tell beforehand what it would do."""

    def predict_switchover(self, to: str, deadline: float = 10.0) -> Prediction:
        """Return where everything would run after a switchover."""
        ...

    def predict_node_fail(self, node: str, deadline: float = 10.0) -> Prediction:
        """Return where everything would run after a node failed."""
        ...


@runtime_checkable
class Leftovers(Protocol):
    """A killed switchover can leave something behind."""

    def leftovers(self, deadline: float = 5.0) -> tuple[str, ...]:
        """Return what is there now, by its names."""
        ...

    def remove_leftovers(self, deadline: float = 20.0) -> str:
        """Remove it, and say what was removed."""
        ...


@runtime_checkable
class ManagesUnits(Protocol):
    """What serves users are systemd units that the manager starts, stops and restarts."""

    def units(self) -> tuple[str, ...]:
        """Return their names."""
        ...


@runtime_checkable
class OwnsAddresses(Protocol):
    """Addresses by which users reach the service move with it."""

    def addresses(self) -> tuple[str, ...]:
        """Return them."""
        ...
