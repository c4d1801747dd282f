# SPDX-License-Identifier: MIT
"""What a run's page shows of drift: by the snapshots that were kept in it, or before it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pytest_harehearse.drift import kept
from pytest_harehearse.drift.compare import between_clusters, between_nodes
from pytest_harehearse.drift.kept import Kept
from pytest_harehearse.history.summary import RunSummary
from pytest_harehearse.inventory.model import Cluster, Inventory
from pytest_harehearse.report.drift import Part, sign, summary

#: So many differences are shown unfolded, all parts together.
SHORT: Final = 12


@dataclass(frozen=True, slots=True)
class ClusterDrift:
    """Of one cluster."""

    cluster: str
    kind: str
    #: When it was read, to the minute, UTC; empty: never, as far as this machine knows.
    at: str
    #: It was read in this very run.
    of_run: bool = False
    parts: tuple[Part, ...] = ()
    #: Why something is missing here.
    problems: tuple[str, ...] = ()

    @property
    def sign(self) -> str:
        """The worst of its parts; ? when there is none."""
        signs = [sign(part.drift) for part in self.parts] + ["?" for _ in self.problems]
        return next((one for one in "✗!?" if one in signs), "✓" if signs else "?")

    @property
    def told(self) -> str:
        """Return it in one line."""
        if not self.parts:
            return "not known, " + ("it cannot be read" if self.problems else "its nodes were never read")
        return "; against its twin ".join(summary(part.drift) for part in self.parts)

    @property
    def short(self) -> bool:
        """Whether it can be shown without hiding everything else."""
        return sum(len(part.drift.findings) for part in self.parts) <= SHORT


def drift_of(run: RunSummary, inventory: Inventory, store: Path) -> tuple[ClusterDrift, ...]:
    """Return each cluster's drift as it was when the run ended; nothing of one that is neither read nor ever compared."""
    ended = datetime.fromisoformat(run.finished_at or run.started_at).astimezone(UTC)
    described = [inventory.clusters[one.id] for one in run.clusters if one.id in inventory.clusters]
    found = [_of(one, run.run, ended, store) for one in described]
    return tuple(one for one, cluster in zip(found, described, strict=True) if one.at or one.problems or cluster.twin)


def _of(cluster: Cluster, run: str, ended: datetime, store: Path) -> ClusterDrift:
    problems: list[str] = []
    mine = _kept(store, cluster.id, run, ended, problems)
    if mine is None:
        return ClusterDrift(cluster.id, cluster.kind, "", problems=tuple(problems))
    parts = [Part(f"{cluster.id}: node to node", between_nodes(mine.nodes, cluster.drift))]
    if cluster.twin:
        twin = _kept(store, cluster.twin, run, ended, problems)
        if twin is not None:
            title = f"{cluster.id} and {cluster.twin} (read {twin.at[:16].replace('T', ' ')} UTC)"
            parts.append(Part(title, between_clusters(twin.nodes, mine.nodes, cluster.drift)))
        elif not problems:
            problems.append(f"{cluster.twin} was never read: harehearse drift {cluster.id}")
    at = mine.at[:16].replace("T", " ")
    return ClusterDrift(cluster.id, cluster.kind, at, mine.run == run, tuple(parts), tuple(problems))


def _kept(store: Path, cluster: str, run: str, ended: datetime, problems: list[str]) -> Kept | None:
    try:
        return kept.as_of(store, cluster, run, ended)
    except kept.Damaged as error:
        problems.append(str(error))
        return None
