# SPDX-License-Identifier: MIT
"""Which settings differ between two clusters, by the last snapshots kept of both: what may explain that one is slower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_harehearse.drift import kept
from pytest_harehearse.drift.compare import between_clusters
from pytest_harehearse.history.compare import DriftRow
from pytest_harehearse.inventory.model import Inventory


def explained(found: Inventory, store: Path, one: str, other: str) -> tuple[Sequence[DriftRow], str]:
    """Return the differences of settings between two clusters, and what is to be said of them; nothing of runs.

    Args:
        found: the inventory.
        store: where snapshots are kept.
        one: ENVIRONMENT/CLUSTER.
        other: the same; it is told how it differs from the first.
    """
    if one not in found.clusters or other not in found.clusters or one == other:
        return (), ""
    hint = f"harehearse drift {other} --against {one}"
    try:
        left, right = (kept.latest(store, name) for name in (one, other))
    except kept.Damaged as error:
        return (), f"what explains it is not known: {error}"
    if left is None or right is None:
        return (), f"what explains it is not known: no snapshot of both was kept yet; {hint}"
    drift = between_clusters(left.nodes, right.nodes, found.clusters[other].drift)
    unread = f"; {len(drift.unknown)} areas of them could not be read" if drift.unknown else ""
    return drift.findings, f"settings as of {left.at[:16]} and {right.at[:16]}{unread}; anew: {hint}"
