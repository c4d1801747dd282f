# SPDX-License-Identifier: MIT
"""What a lab is to the rest: something that can be up, that knows its clusters, and that can be removed whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Protocol, runtime_checkable

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Cluster, Environment, Inventory, Service
from pytest_harehearse.managers.base import Manager

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Reached:
    """A cluster that can be talked to: the inventory's, with the lab's own services, and its manager."""

    cluster: Cluster
    manager: Manager


@dataclass(frozen=True, slots=True)
class LabReport:
    """What a lab is now. ``up``: made and its processes alive; health is the manager's word."""

    environment: str
    exists: bool
    up: bool
    home: str
    processes: int
    created_at: str | None = None
    keep: bool = False
    up_s: float | None = None
    notes: tuple[str, ...] = ()


class Lab(Protocol):
    """A lab of one environment."""

    def up(self, say: Say, *, keep: bool, within: float = 90.0) -> bool:
        """Create the lab, wait until every cluster is healthy; return False when it already was up."""
        ...

    def down(self, say: Say) -> bool:
        """Remove every process and file of it; return False when there was nothing."""
        ...

    def report(self) -> LabReport:
        """Return what it is now."""
        ...

    def reach(self, cluster: str) -> Reached:
        """Return one of its clusters, to be talked to."""
        ...


@runtime_checkable
class StackControl(Protocol):
    """A lab that can kill and start what makes a node a member of its cluster."""

    def kill_stack(self, cluster: str, node: str) -> list[int]:
        """SIGKILL the node's manager, its servers and their children at once; return the pids."""
        ...

    def stack_processes(self, cluster: str, node: str) -> list[int]:
        """Return the pids of the node's living processes."""
        ...

    def start_stack(self, cluster: str, node: str) -> None:
        """Start the node's manager again; does nothing while it runs."""
        ...


#: provider → class, loaded when used.
PROVIDERS: Final = {"embedded": "pytest_harehearse.labs.embedded.lab:EmbeddedLab"}


def planned_services(cluster: Cluster) -> tuple[Service, ...]:
    """Return what a cluster's users will reach, without its lab being up."""
    if cluster.provider != "embedded":
        return cluster.services
    from pytest_harehearse.labs.embedded.stack import stack_class

    return stack_class(cluster.manager).services(cluster)


def lab_of(inventory: Inventory, environment: Environment) -> Lab:
    """Return the lab of an environment, up or not.

    Raises:
        ConfigError: when it is no lab, or its provider is not in this version.
    """
    if environment.kind != "lab" or environment.provider is None:
        raise ConfigError(
            f"{environment.name} is {environment.kind}, not a lab: harehearse neither creates nor removes it."
        )
    dotted = PROVIDERS.get(environment.provider)
    if dotted is None:
        raise ConfigError(
            f"{inventory.path.name}: environments.{environment.name}.provider is {environment.provider!r}, which this "
            f"version cannot create yet; it can: {', '.join(PROVIDERS)}."
        )
    module, _, name = dotted.partition(":")
    lab: Lab = getattr(import_module(module), name)(inventory, environment)
    return lab
