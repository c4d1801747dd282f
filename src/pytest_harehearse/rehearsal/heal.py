# SPDX-License-Identifier: MIT
"""Heal a cluster by its name in the inventory, whether its lab still is there or not."""

from __future__ import annotations

from pathlib import Path

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.inventory.model import Cluster, Inventory
from pytest_harehearse.rehearsal import reach, recovery
from pytest_harehearse.rehearsal.recovery import Finding, Recovery
from pytest_harehearse.safety.journal import Journal, Unread


def heal(found: Inventory, cluster: Cluster, store: Path, *, dry_run: bool = False) -> Recovery:
    """Look for what was left on a cluster and undo it; whatever keeps it from being known is told, never raised.

    Args:
        found: the inventory that names the cluster.
        cluster: to be healed.
        store: where runs and their undo journal are kept.
        dry_run: only look.
    """
    journal = Journal(store)
    try:
        untold = journal.strange()
    except HarehearseError as error:
        # The nodes are healed all the same, for what lies there does not need it.
        journal, untold = Unread(store), [str(error)]
    try:
        result = _healed(found, cluster, journal, dry_run=dry_run)
    except HarehearseError as error:
        result = Recovery(cluster.id, cluster.kind, unknown=[str(error)])
    except OSError as error:
        why = (
            f"{error.filename or journal.path}: {error.strerror or error}; what was undone by then is not in the journal. "
            "Make it writable, or name another store, and do it again"
        )
        result = Recovery(cluster.id, cluster.kind, unknown=[why])
    result.unknown += untold
    return result


def _healed(found: Inventory, cluster: Cluster, journal: Journal, *, dry_run: bool) -> Recovery:
    with reach.scene(found, cluster) as scene:
        if scene is not None:
            return recovery.recover(scene, journal, dry_run=dry_run)
    gone = Recovery(cluster.id, cluster.kind)
    for entry in journal.still_open(cluster.id):
        what = f"{entry.fault} {entry.target}, run {entry.run}, in this store's journal"
        if dry_run:
            gone.findings.append(
                Finding(what, entry.undo, None, "the lab it was struck in is gone; not closed: dry run")
            )
            continue
        journal.close(entry, "the lab it was struck in is gone")
        gone.findings.append(Finding(what, entry.undo, done=True, detail="closed: the lab it was struck in is gone"))
    return gone
