# SPDX-License-Identifier: MIT
"""Read what the gates need of a cluster as it is now; nothing of it is changed, and what does not answer is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from pytest_harehearse.errors import HarehearseError, Unsupported
from pytest_harehearse.faults.base import Scene
from pytest_harehearse.history.gate.room import Room, read_room
from pytest_harehearse.managers.base import Manager
from pytest_harehearse.managers.capabilities import Fence, FencingLimits
from pytest_harehearse.managers.state import ClusterState
from pytest_harehearse.rehearsal.recovery import Recovery, recover
from pytest_harehearse.safety.journal import Journal

_T = TypeVar("_T")
#: How long all nodes together may take to answer, in seconds.
WITHIN_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Fencing:
    """Whether nodes can be fenced, and when that was last seen."""

    #: Node → why it could not be fenced now; None: it could.
    limitations: Mapping[str, str | None]
    #: Node → when it was last fenced with success (aware).
    done: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Now:
    """A cluster as it was read; ``problems`` tells what of it could not be, by gate."""

    nodes: tuple[str, ...]
    state: ClusterState | None = None
    left: Recovery | None = None
    #: None: its manager does not fence.
    fencing: Fencing | None = None
    #: Node → its room; none where nodes are no hosts.
    rooms: Mapping[str, Room] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def read(scene: Scene, journal: Journal) -> Now:
    """Ask the manager and the nodes.

    Args:
        scene: the cluster, reached.
        journal: of this store; says what is open.
    """
    problems: dict[str, str] = {}
    names = tuple(node.name for node in scene.cluster.nodes)
    channels = scene.channels
    with ThreadPoolExecutor(max_workers=min(32, len(channels) + 1)) as pool:
        asked = {name: pool.submit(read_room, channel, WITHIN_S) for name, channel in channels.items()}
        state = _asked(problems, "whole", lambda: _state(scene))
        left = _asked(problems, "left", lambda: recover(scene, journal, dry_run=True))
        fencing = _asked(problems, "fencing", lambda: _fencing(scene, names))
        rooms = {name: future.result() for name, future in asked.items()}
    return Now(names, state, left, fencing, rooms, problems)


def _asked(problems: dict[str, str], what: str, ask: Callable[[], _T]) -> _T | None:
    try:
        return ask()
    except (HarehearseError, OSError) as error:
        problems[what] = str(error)
        return None


def _state(scene: Scene) -> ClusterState:
    manager = scene.manager
    if not isinstance(manager, Manager):
        raise Unsupported(f"{scene.cluster.id}: its manager tells no state")
    return manager.state(WITHIN_S)


def _fencing(scene: Scene, names: tuple[str, ...]) -> Fencing | None:
    manager = scene.manager
    if not isinstance(manager, Fence):
        return None
    limitations = (
        {name: manager.fencing_limitation(name) for name in names} if isinstance(manager, FencingLimits) else {}
    )
    done: dict[str, datetime] = {}
    for event in manager.fencing_history(WITHIN_S):
        if event.status == "success" and event.action in {"reboot", "off"} and event.completed is not None:
            done[event.node] = max(event.completed, done.get(event.node, event.completed))
    return Fencing(limitations, done)
