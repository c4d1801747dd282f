# SPDX-License-Identifier: MIT
"""What each fault is struck with; one that is not named here is struck as its defaults say."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.faults.base import Scene
from pytest_harehearse.faults.catalogue import CATALOGUE, Kind

#: Short, so that a round is short; every fault outlives a killed runner by this much and no more.
DEAD_MAN_S: Final = 4.0


@dataclass(frozen=True, slots=True)
class Struck:
    """How a fault is struck: ``role`` is active or standby, or either by chance."""

    role: str = "either"
    options: dict[str, Any] = field(default_factory=dict)


_TABLE: Final = {
    "net_partition": Struck(role="standby"),
    # Those who have the service's address, and those who have it not.
    "net_isolate_from_clients": Struck(role="active"),
    "arp_stale": Struck(role="standby"),
    "net_nic_down": Struck(options={"cut_me_off": True}),
    "net_degrade": Struck(role="standby", options={"loss": "10%"}),
    # Not the default of four fifths of what is free: several nodes share one machine here.
    "memory_pressure": Struck(options={"size": "64MiB"}),
    # Small file systems in memory that every Debian has, and that no node shares with another.
    "disk_full": Struck(options={"path": "/run/lock"}),
    "disk_read_only": Struck(options={"path": "/run/lock"}),
    "disk_freeze": Struck(options={"path": "/run/lock"}),
}


def how(name: str) -> Struck:
    """Return how a fault is struck."""
    kind = CATALOGUE[name]
    known = _TABLE.get(name, Struck())
    timed = {"dead_man": f"{DEAD_MAN_S:.0f}s"} if "dead_man" in inspect.signature(kind.builder).parameters else {}
    return Struck(known.role, {**timed, **known.options})


def possible(scene: Scene, only: Collection[str] = ()) -> tuple[list[str], dict[str, str]]:
    """Return the faults (``only`` some) that can be struck there, and for the others the reason; nothing is touched."""
    state = scene.manager.state()  # type: ignore[attr-defined]  # every manager tells it
    able: list[str] = []
    left: dict[str, str] = {}
    for name, kind in CATALOGUE.items():
        if only and name not in only:
            continue
        node = state.standbys[0] if how(name).role == "standby" else state.active
        reason = _limitation(scene, kind, node)
        if reason is None:
            able.append(name)
        else:
            left[name] = reason
    return able, left


def _limitation(scene: Scene, kind: Kind, node: str) -> str | None:
    if kind.managers and scene.cluster.manager not in kind.managers:
        return f"only for {', '.join(sorted(kind.managers))}"
    try:
        return kind.builder(scene, node, **how(kind.name).options).limitation()
    except (HarehearseError, TypeError) as error:
        return str(error)
