# SPDX-License-Identifier: MIT
"""What every cluster manager can do, and the capabilities only some have: small protocols, found by isinstance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.managers.state import ClusterState
from pytest_harehearse.remote.base import Script

#: Manager → the names of its ways of switching over, the default first.
SWITCHOVER_WAYS: Final[dict[str, tuple[str, ...]]] = {
    "patroni": ("rest",),
    "sentinel": ("coordinated", "classic"),
    "pacemaker": ("move",),
}


@runtime_checkable
class Manager(Protocol):
    """Reads a cluster's state; never changes anything."""

    #: The manager's name in the inventory, as "patroni".
    name: str

    def state(self, deadline: float = 3.0) -> ClusterState:
        """Return what the manager and the witnesses say, within about ``deadline`` seconds.

        A node that does not answer is ``unreachable`` in the result, never left out and never an exception.
        """
        ...

    def roles(self, deadline: float = 1.0) -> dict[str, str]:
        """Return each node's role by the manager alone: cheap, for drawing a timeline, not for decisions."""
        ...


@runtime_checkable
class Switchover(Protocol):
    """A manager that can move the service on purpose."""

    def switchover_limitation(self, state: ClusterState, to: str | None) -> str | None:
        """Return why a switchover cannot be made now; None when it can."""
        ...

    def choose_target(self, state: ClusterState) -> str | None:
        """Return the standby that a switchover would go to by itself."""
        ...

    def switchover(self, state: ClusterState, to: str, deadline: float) -> str:
        """Ask for the switchover and return what the manager answered.

        Raises:
            Refused: the manager said no; nothing changed.
            Unreachable: the request was not sent.
            Indeterminate: it was sent and not answered; it may happen.
        """
        ...

    def describe_switchover(self, leader: str, to: str) -> str:
        """Return the request that would be made, for a plan."""
        ...


@runtime_checkable
class SwitchoverWays(Protocol):
    """A manager that can move the service in more ways than one, or whose one way has a name."""

    #: Their names, the default first.
    switchover_ways: tuple[str, ...]

    def by(self, way: str) -> Switchover:
        """Return the manager's switchover in this way."""
        ...


@runtime_checkable
class ChoosesItself(Protocol):
    """A manager whose switchover takes no target."""

    def candidates(self, state: ClusterState) -> tuple[str, ...]:
        """Return the standbys among which it would choose by itself; one: then the choice is certain."""
        ...


@runtime_checkable
class Claims(Protocol):
    """A manager whose nodes can be asked, each for itself, whether they are the active one."""

    def claims(self) -> tuple[Service, ...]:
        """Return one service a node, named like it, of mode ``claim``: by it the meter asks the node itself."""
        ...


@runtime_checkable
class ClaimsByCommand(Protocol):
    """A manager whose nodes tell by a command whether they are the active one."""

    def claim_commands(self) -> dict[str, Script]:
        """Return node → the script that exits with 0 for "yes" and 1 for "no" there; none when that cannot be asked."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """Something the cluster recorded by itself: when (monotonic seconds of the runner, true within ± ``error``) and what."""

    node: str
    #: detected, fencing, fenced, starting, started, vip: see ``history.phases``.
    what: str
    at: float
    error: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Clock:
    """A node's wall clock against the runner's: node − runner, in seconds, true within ± ``error``."""

    node: str
    offset: float
    error: float


@dataclass(frozen=True, slots=True)
class Recordings:
    """All that the nodes recorded in a stretch; ``problems`` says what could not be read, and why."""

    records: tuple[Record, ...] = ()
    clocks: tuple[Clock, ...] = ()
    problems: tuple[str, ...] = ()


@runtime_checkable
class Records(Protocol):
    """A manager whose nodes record what they did and when."""

    def records(self, since: float, deadline: float = 20.0) -> Recordings:
        """Return what was recorded since an instant (monotonic seconds of the runner)."""
        ...
