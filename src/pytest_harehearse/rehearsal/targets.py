# SPDX-License-Identifier: MIT
"""Target words of fault plans: which nodes "majority" means is decided when it is struck, by what the cluster says then."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from pytest_harehearse.errors import Indeterminate
from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.managers.state import UNREACHABLE, ClusterState

#: A node that is called like one is meant by its name.
WORDS: Final = ("one", "minority", "majority", "active", "standby", "all")


def majority(nodes: int) -> int:
    """Return how many of so many nodes are a majority."""
    return nodes // 2 + 1


def meant(word: str, nodes: int) -> int:
    """Return how many of so many nodes a word means, or a node's name: one; 0: there are none."""
    several = {
        "minority": nodes - majority(nodes),
        "majority": majority(nodes),
        "all": nodes,
        "standby": min(1, nodes - 1),
    }
    return several.get(word, 1)


def limitation(word: str, nodes: int) -> str | None:
    """Return why a word can mean nothing in a cluster of so many nodes; None: it can."""
    if meant(word, nodes) > 0:
        return None
    return f"a cluster of {nodes} has no {word}; say {'active' if nodes == 1 else 'one'!r}"


def chosen(
    word: str, state: ClusterState, taken: Collection[str] = (), lots: random.Random | None = None
) -> tuple[str, ...] | str:
    """Return the nodes that a word means now, or why it means none. Pure.

    Args:
        word: of :data:`WORDS`.
        state: of the cluster now.
        taken: nodes that are lost to a fault of ours, or about to be: only "active" and "all" may mean one of them.
        lots: choose among those that are there; None: the first.
    """
    if word == "all":
        return state.names
    if word == "active":
        return (state.active,) if state.active is not None else f"no node was active: {state.describe()}"
    if word == "standby":
        ready = [name for name in state.standbys if name not in taken]
        return (ready[0],) if ready else f"no standby was ready: {state.describe()}"
    there = [one.name for one in state.members if one.role != UNREACHABLE and one.name not in taken]
    wanted = meant(word, len(state.members))
    if len(there) < wanted:
        left = f"only {', '.join(there)}" if there else "none"
        return f"{word} means {wanted} of {len(state.members)} nodes, and {left} could be struck"
    if lots is None:
        return tuple(there[:wanted])
    picked = lots.sample(there, wanted)
    return tuple(name for name in there if name in picked)


class Aim:
    """Finds the nodes of a word; threads of one plan that ask at the same time do not get the same ones.

    Args:
        state: asks the cluster.
        struck: what is struck now, as (fault, target).
    """

    def __init__(self, state: Callable[[], ClusterState], struck: Callable[[], Sequence[tuple[str, str]]]) -> None:
        self._state = state
        self._struck = struck
        self._lock = threading.Lock()
        self._aimed: list[str] = []

    @contextmanager
    def at(self, word: str, what: str, lots: random.Random | None = None) -> Iterator[tuple[str, ...]]:
        """Return the nodes of a word; they are taken for others as long as the block lasts.

        Raises:
            Indeterminate: it means none now, so nothing was struck.
        """
        with self._lock:
            lost = [target for fault, target in self._struck() if fault in CATALOGUE and CATALOGUE[fault].loses]
            found = chosen(word, self._state(), [*self._aimed, *lost], lots)
            if isinstance(found, str):
                raise Indeterminate(
                    f"The fault plan did not strike {what}, for when it was to, {found}. So nothing is known of what it "
                    "would have done."
                )
            self._aimed += found
        try:
            yield found
        finally:
            with self._lock:
                for name in found:
                    self._aimed.remove(name)
