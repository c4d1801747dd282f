# SPDX-License-Identifier: MIT
"""How long rehearsals took lately, so that the longest can be begun first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pytest_harehearse.history.index.history import open_history
from pytest_harehearse.inventory.model import Inventory

#: So many of a cluster's latest rehearsals are looked at.
_LATEST: Final = 50


def expected(inventory: Inventory, store: Path, wanted: Mapping[str, Sequence[str]]) -> dict[str, float | None]:
    """Return for each cluster the seconds that its tests took when they ran last; None: one of them never ran.

    Args:
        inventory: says where the history is.
        store: where runs are kept.
        wanted: cluster → node ids.

    Raises:
        HistoryError: the history cannot be read.
    """
    with open_history(inventory, store) as history:
        found: dict[str, float | None] = {}
        for cluster, nodeids in wanted.items():
            took = {_short(one.nodeid): one.duration for one in history.rehearsals(cluster=cluster, last=_LATEST)}
            lengths = [took.get(_short(nodeid)) for nodeid in nodeids]
            found[cluster] = None if None in lengths else sum(one for one in lengths if one is not None)
        return found


def _short(nodeid: str) -> str:
    """Return a node id without its folders: a run may have been started elsewhere in the project."""
    file, colons, test = nodeid.partition("::")
    return file.rpartition("/")[2] + colons + test
