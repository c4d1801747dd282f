# SPDX-License-Identifier: MIT
"""Every fault by its name: what it is called in reports, where it can be done, and what builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Literal

from pytest_harehearse.faults.base import Fault

Family = Literal["process", "stack", "node", "fence", "network", "dcs", "disk", "pressure", "clock"]
#: What a lab or a production gives of its nodes: hosts, hosts whose power it controls, or processes on this machine.
Where = Literal["hosts", "power", "embedded"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One entry. ``build`` is ``module:function`` below this package; it takes a scene, a node, and options."""

    name: str
    family: Family
    label: str
    build: str
    where: frozenset[Where]
    #: Managers of which alone it makes sense; empty: of all.
    managers: frozenset[str] = frozenset()
    #: Strikes a node that is out of the cluster from then on, as a plan's model should know.
    loses: bool = True

    @property
    def builder(self) -> Callable[..., Fault]:
        """Return the function that builds it."""
        module, _, function = self.build.partition(":")
        found: Callable[..., Fault] = getattr(import_module(f"pytest_harehearse.faults.{module}"), function)
        return found


#: Family → its colour in reports.
COLOURS: Final[dict[str, str]] = {
    "process": "#b45309", "stack": "#c2410c", "node": "#b91c1c", "fence": "#9d174d", "network": "#6d28d9",
    "dcs": "#4338ca", "disk": "#0e7490", "pressure": "#4d7c0f", "clock": "#57534e",
}  # fmt: skip


def _kind(
    name: str, family: Family, label: str, build: str, where: str, managers: str = "", *, loses: bool = True
) -> Kind:
    places: frozenset[Where] = frozenset(where.split())  # type: ignore[arg-type]  # checked by a test
    return Kind(name, family, label, build, places, frozenset(managers.split()), loses)


_ALL: Final = (
    _kind("service_kill", "process", "service killed", "process:service_kill", "hosts power embedded", loses=False),
    _kind("stack_kill", "stack", "cluster manager killed", "stack:stack_kill", "hosts power embedded"),
    _kind("stack_hang", "stack", "cluster manager stopped", "stacks:stack_hang", "hosts power", "pacemaker"),
    _kind(
        "process_hang", "process", "service stopped where it is", "process_hang:process_hang", "hosts power embedded"
    ),
    _kind("process_stop", "process", "service stopped", "units:process_stop", "hosts power", loses=False),
    _kind("process_crash_loop", "process", "service killed again and again", "units:process_crash_loop", "hosts power"),
    _kind(
        "resource_fail", "process", "resource failed", "resource:resource_fail", "hosts power", "pacemaker", loses=False
    ),
    _kind("node_reset", "node", "reset", "reset:node_reset", "hosts power"),
    _kind("node_panic", "node", "kernel panic", "reset:node_panic", "hosts power"),
    _kind("fence_request", "fence", "fenced on request", "reset:fence_request", "hosts power", "pacemaker"),
    _kind("node_power_off", "node", "power off", "power:node_power_off", "power"),
    _kind("node_freeze", "node", "frozen", "power:node_freeze", "power embedded"),
    _kind("net_partition", "network", "cut off from its peers", "partition:net_partition", "hosts power"),
    _kind(
        "net_isolate_from_clients",
        "network",
        "cut off from users",
        "isolate:net_isolate_from_clients",
        "hosts power",
        loses=False,
    ),
    _kind("net_ring_down", "network", "ring down", "ring:net_ring_down", "hosts power", "pacemaker"),
    _kind("net_nic_down", "network", "interface down", "interface:net_nic_down", "hosts power"),
    _kind("net_degrade", "network", "bad network", "degrade:net_degrade", "hosts power", loses=False),
    _kind(
        "fence_fail",
        "fence",
        "fence device unreachable",
        "fence_path:fence_fail",
        "hosts power",
        "pacemaker",
        loses=False,
    ),
    _kind("dcs_loss", "dcs", "DCS lost", "embedded_hang:dcs_loss", "embedded", loses=False),
    _kind("disk_full", "disk", "disk full", "disk_full:disk_full", "hosts power"),
    _kind("disk_read_only", "disk", "disk read-only", "disk_read_only:disk_read_only", "hosts power"),
    _kind("disk_freeze", "disk", "disk frozen", "disk_freeze:disk_freeze", "hosts power"),
    _kind("memory_pressure", "pressure", "memory taken", "pressure:memory_pressure", "hosts power", loses=False),
    _kind("cpu_pressure", "pressure", "processors busy", "pressure:cpu_pressure", "hosts power", loses=False),
    _kind("clock_jump", "clock", "clock stepped", "clock_jump:clock_jump", "hosts power", loses=False),
    _kind("arp_stale", "network", "old MAC kept", "arp:arp_stale", "hosts power", loses=False),
)

CATALOGUE: Final[dict[str, Kind]] = {kind.name: kind for kind in _ALL}


def colour(name: str) -> str:
    """Return the colour of a fault in reports; grey for one that this version does not know."""
    kind = CATALOGUE.get(name)
    return COLOURS[kind.family] if kind is not None else "#6b7280"


def label(name: str) -> str:
    """Return what a fault is called in reports."""
    kind = CATALOGUE.get(name)
    return kind.label if kind is not None else name.replace("_", " ")
