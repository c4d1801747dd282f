# SPDX-License-Identifier: MIT
"""What a kind of cluster tells the embedded lab: the places it wants, and how its servers are started and asked."""

from __future__ import annotations

import signal
from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from pytest_harehearse.inventory.model import Cluster, Service
from pytest_harehearse.labs.base import Reached, Say
from pytest_harehearse.labs.home import LabState
from pytest_harehearse.labs.processes import Found

#: Manager → class; loaded when used, for each needs wheels of its own.
STACKS: Final = {
    "patroni": "pytest_harehearse.labs.embedded.patroni.stack:PatroniStack",
    "sentinel": "pytest_harehearse.labs.embedded.sentinel.stack:SentinelStack",
}


class Stack(Protocol):
    """All clusters of one kind in one lab."""

    #: What its password is called among the lab's secrets.
    key: ClassVar[str]

    @property
    def clusters(self) -> tuple[str, ...]:
        """Names of the clusters."""
        ...

    def __init__(self, home: Path, clusters: tuple[Cluster, ...]) -> None: ...

    def missing(self) -> list[str]:
        """Return the wheels that it needs and that are not installed."""
        ...

    def helpers(self) -> tuple[dict[str, int], ...]:
        """Return the ports of every server that belongs to no node, one place each."""
        ...

    def node(self) -> dict[str, int]:
        """Return the ports that every node wants."""
        ...

    def placed(self, helpers: tuple[str, ...], nodes: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
        """Return what the lab is to remember of the places: fields of ``LabState``.

        Args:
            helpers: addresses, in the order of :meth:`helpers`.
            nodes: cluster → addresses of its nodes.
        """
        ...

    def prepare(self) -> str | None:
        """Find out how the servers can run here; return what the user should know about it.

        Raises:
            LabError: they cannot.
        """
        ...

    def start(self, state: LabState, say: Say, until: float) -> None:
        """Start every server, for the first time.

        Raises:
            TimeoutError: what others wait for did not come before ``until`` (monotonic); says what.
        """
        ...

    def absent(self, state: LabState, cluster: str, node: str) -> tuple[str, ...]:
        """Return what of a node should run and does not, in words; empty: all of it runs."""
        ...

    def start_node(self, state: LabState, cluster: str, node: str) -> None:
        """Start what was killed on a node and leave alone what runs, so that it joins its cluster again.

        Raises:
            LabError: it would do harm now.
        """
        ...

    def reach(self, state: LabState, cluster: Cluster) -> Reached:
        """Return a cluster with its services and its manager."""
        ...

    def usable(self, state: LabState, folders: Collection[Path]) -> bool:
        """Return whether enough of it lives; ``folders``: where the lab's living processes work."""
        ...

    def dcs(self, cluster: str) -> tuple[Path, ...]:
        """Return where the members work of what the cluster keeps its truth in: those beside its nodes first, in order."""
        ...

    @staticmethod
    def in_dcs(process: Found) -> bool:
        """Return whether a process that works there is such a member."""
        ...

    @staticmethod
    def manages(process: Found, folder: Path) -> bool:
        """Return whether a process of a node, which works in ``folder``, is its manager; all others serve users."""
        ...

    @staticmethod
    def serves(process: Found) -> bool:
        """Return whether a process serves users, and is restarted by the node's own manager when it dies."""
        ...

    #: The signal by which what serves ends at once and in order.
    stop: ClassVar[signal.Signals]

    @staticmethod
    def services(cluster: Cluster) -> tuple[Service, ...]:
        """Return what a cluster's users will reach, before its places are known."""
        ...

    @staticmethod
    def end_first(home: Path) -> None:
        """End what would leave traces outside the lab's home if it were killed, or would start others again."""
        ...

    @staticmethod
    def sweep(home: Path) -> None:
        """Remove the traces outside the home of what was killed."""
        ...


def kinds() -> list[type[Stack]]:
    """Return every kind."""
    return [stack_class(manager) for manager in STACKS]


def stack_class(manager: str) -> type[Stack]:
    """Return the kind of a manager's clusters."""
    module, _, name = STACKS[manager].partition(":")
    found: type[Stack] = getattr(import_module(module), name)
    return found


def node_folder(home: Path, cluster: str, node: str) -> Path:
    """Where a node's servers work."""
    return home / cluster / node


def log_of(home: Path, cluster: str, node: str) -> Path:
    """The log of all of a node's servers."""
    return home / "log" / f"{cluster}-{node}.log"


def beside_own(cluster: Cluster, known: tuple[Service, ...]) -> tuple[Service, ...]:
    """Return the services that a cluster has by itself, but for those the inventory names, and the inventory's own."""
    named = {service.name for service in cluster.services}
    return (*(service for service in known if service.name not in named), *cluster.services)
