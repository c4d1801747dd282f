# SPDX-License-Identifier: MIT
"""What a lab is to the rest: something that can be up, that knows its clusters, and that can be removed whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Final, Literal, Protocol, runtime_checkable

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.events import Event
from pytest_harehearse.inventory.model import Cluster, Environment, Inventory, Service
from pytest_harehearse.managers.base import Manager
from pytest_harehearse.remote.base import Channel

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Reached:
    """A cluster that can be talked to: the inventory's, with the lab's own services, and its manager."""

    cluster: Cluster
    manager: Manager
    #: Node → the way to run things there; none in an embedded lab, whose nodes are no hosts.
    channels: Mapping[str, Channel] = field(default_factory=dict)


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
    #: What of it is there, in words; empty: its processes.
    holds: str = ""


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
class Hosts(Protocol):
    """A lab whose nodes are hosts, reached by channels."""

    def record_to(self, write: Callable[[Event], None]) -> None:
        """Let every command on a node be an event from now on; asked before :meth:`Lab.reach`."""
        ...

    def close(self) -> None:
        """Give the connections back."""
        ...


@runtime_checkable
class Resets(Protocol):
    """A lab that goes back to how it was when it was made, faster than being made anew."""

    def reset(self, say: Say, within: float = 90.0) -> None:
        """Go back and wait until every cluster is healthy."""
        ...


@runtime_checkable
class Shells(Protocol):
    """A lab whose nodes a person can log in to."""

    def ssh(self, node: str) -> list[str]:
        """Return the command that opens a shell on a node.

        Raises:
            LabError: the lab is not up, or has no such node.
        """
        ...


@runtime_checkable
class PowerControl(Protocol):
    """A lab whose nodes are hosts that it can power off and on, and freeze."""

    def power_state(self, node: str) -> str:
        """Return ``on``, ``off``, ``frozen`` or ``missing``."""
        ...

    def power_off(self, node: str, deadline: float = 30.0) -> None:
        """Take the power away: no shutdown, no goodbye."""
        ...

    def power_on(self, node: str, deadline: float = 30.0) -> None:
        """Give the power back; does nothing while it is on."""
        ...

    def freeze(self, node: str, deadline: float = 30.0) -> None:
        """Stop every process of the node where it is."""
        ...

    def thaw(self, node: str, deadline: float = 30.0) -> None:
        """Let them go on; does nothing while they run."""
        ...


@runtime_checkable
class CarriesUndos(Protocol):
    """A lab with a folder on this machine, where undos lie that no node can carry: a node without power, say."""

    @property
    def undo_folder(self) -> Path:
        """The folder; it goes with the lab."""
        ...


@runtime_checkable
class ServiceControl(Protocol):
    """A lab that can kill the process that serves users, which the node's cluster manager then restarts."""

    def service_processes(self, cluster: str, node: str) -> list[int]:
        """Return the pids of the processes that serve users on a node; none: nothing there would restart them."""
        ...

    def kill_service(self, cluster: str, node: str) -> list[int]:
        """SIGKILL them; return the pids that were."""
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


@runtime_checkable
class StackLimits(Protocol):
    """A lab that can tell whether all of a node runs: killed in the middle of a kill or a start, a part of it may."""

    def stack_limitation(self, cluster: str, node: str) -> str | None:
        """Return what does not run, in words; None when all does."""
        ...


#: What of a node of a lab can be stopped where it is: what serves users there, its manager, all of it, or its member of
#: what the cluster keeps its truth in (etcd, sentinels); "dcs-majority": so many of those that no majority is left.
Part = Literal["server", "manager", "node", "dcs", "dcs-majority"]


@runtime_checkable
class HangControl(Protocol):
    """A lab that can stop processes of its nodes where they are (SIGSTOP), and let them go on."""

    def hang_limitation(self, cluster: str, node: str, part: Part) -> str | None:
        """Return why there is nothing of the kind on a node; None when there is."""
        ...

    def hang(self, cluster: str, node: str, part: Part) -> list[int]:
        """Stop them; return their pids."""
        ...

    def go_on(self, cluster: str, node: str, part: Part) -> None:
        """Let them go on; does nothing while they run."""
        ...

    def hung(self, cluster: str, node: str, part: Part) -> list[int]:
        """Return the pids of those that are stopped now."""
        ...


@runtime_checkable
class RestartControl(StackControl, Protocol):
    """A lab whose nodes are processes here: what a reboot is elsewhere, is a restart of all of a node's processes."""

    def end_stack(self, cluster: str, node: str, deadline: float) -> str:
        """End every process of the node in an orderly way; return how it went.

        Raises:
            TimeoutError: something did not end.
        """
        ...


#: provider → class, loaded when used.
PROVIDERS: Final = {
    "embedded": "pytest_harehearse.labs.embedded.lab:EmbeddedLab",
    "lxd": "pytest_harehearse.labs.lxd.lab:LxdLab",
    "hosts": "pytest_harehearse.labs.hosts:HostsLab",
}


def planned_services(cluster: Cluster) -> tuple[Service, ...]:
    """Return what a cluster's users will reach, without its lab being up."""
    if cluster.provider != "embedded":
        return cluster.services
    from pytest_harehearse.labs.embedded.stack import stack_class

    return stack_class(cluster.manager).services(cluster)


def lab_of(inventory: Inventory, environment: Environment, *, armed: bool = False) -> Lab:
    """Return the lab of an environment, up or not; of a production that is ``armed``: its hosts, as they are there.

    Raises:
        ConfigError: when it is no lab, or its provider is not in this version.
    """
    if environment.kind == "production" and armed:
        from pytest_harehearse.labs.hosts import HostsLab

        return HostsLab(inventory, environment)
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
