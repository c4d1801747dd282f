# SPDX-License-Identifier: MIT
"""The fixture ``drift``: what is not alike, asked for by a test, kept with its run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest_harehearse.drift import kept
from pytest_harehearse.drift.compare import Drift, between_clusters, between_nodes
from pytest_harehearse.drift.of_cluster import snapshots
from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.errors import Indeterminate
from pytest_harehearse.faults.base import Scene


class Drifting:
    """Reads the nodes once a rehearsal, and holds them against each other or against another cluster's.

    Args:
        scene: the cluster.
        store: where snapshots are kept.
        run: that the snapshot is kept with.
        note: puts what was found on the timeline.
    """

    def __init__(self, scene: Scene, store: Path, run: str, note: Callable[[str], None]) -> None:
        self._scene, self._store, self._run, self._note = scene, store, run, note
        self._nodes: list[Snapshot] | None = None

    def _read(self) -> list[Snapshot]:
        if self._nodes is None:
            cluster = self._scene.cluster
            self._nodes = snapshots(cluster, self._scene.manager, self._scene.channels)
            kept.write(self._store, cluster.id, self._nodes, run=self._run)
        return self._nodes

    def between_nodes(self) -> Drift:
        """Return what is not alike between the cluster's nodes: ``assert not drift.between_nodes().forbidden``.

        An area that could not be read on a node is in ``unknown``, and in no finding.
        """
        found = between_nodes(self._read(), self._scene.cluster.drift)
        self._note(f"drift between the nodes: {found.told()}")
        return found

    def against(self, other: str) -> Drift:
        """Return what is not alike with another cluster, by the last snapshot that was kept of it.

        Args:
            other: ENVIRONMENT/CLUSTER.

        Raises:
            Indeterminate: none was kept, or it cannot be read.
        """
        taken = kept.latest(self._store, other)
        if taken is None or not taken.nodes:
            raise Indeterminate(
                f"No snapshot of {other} was ever kept, so drift against it is not known. Take one: harehearse drift {other}"
            )
        found = between_clusters(taken.nodes, self._read(), self._scene.cluster.drift)
        self._note(f"drift against {other} (as of {taken.at[:16]}): {found.told()}")
        return found


class PlannedDrifting:
    """Tells what would be read; a plan judges nothing."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def between_nodes(self) -> Drift:
        """Tell it."""
        self._tell("drift      the nodes would be read and held against each other; nothing is changed there")
        return Drift((), 0, 0, {}, ("planned", "only"))

    def against(self, other: str) -> Drift:
        """Tell it."""
        self._tell(f"drift      the nodes would be read and held against the last snapshot of {other}")
        return Drift((), 0, 0, {}, ("planned", "only"))
