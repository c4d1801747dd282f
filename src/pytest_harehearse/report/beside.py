# SPDX-License-Identifier: MIT
"""What a run's report shows beside the run: the rehearsals before it, what they and it decide, its twin, and drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.history.compare import Comparison, compare
from pytest_harehearse.history.gate.decision import Decision
from pytest_harehearse.history.index.project import scenario
from pytest_harehearse.history.series import Series, by_scenario
from pytest_harehearse.history.summary import RunSummary
from pytest_harehearse.inventory.model import Cluster, Inventory
from pytest_harehearse.report.drift_beside import ClusterDrift, drift_of

if TYPE_CHECKING:
    from pytest_harehearse.history.index.history import History


@dataclass(frozen=True, slots=True)
class Beside:
    """What the history says of the scenarios and clusters of one run."""

    #: (cluster, scenario) → its rehearsals up to this run.
    series: Mapping[tuple[str, str], Series] = field(default_factory=dict)
    #: What the rehearsals alone decide, one for each cluster; the clusters themselves were not read.
    decisions: tuple[Decision, ...] = ()
    #: Where a cluster has a twin: both side by side, and what is said of the settings that explain it.
    comparisons: tuple[tuple[Comparison, str], ...] = ()
    #: What is not alike, by snapshots that were kept.
    drift: tuple[ClusterDrift, ...] = ()
    #: Why something is missing here.
    problems: tuple[str, ...] = ()

    def of(self, cluster: str, nodeid: str, repeat: int = 0, repeats: int = 0) -> Series | None:
        """Return the rehearsals of a test on a cluster; None: the history has none."""
        return self.series.get((cluster, scenario(nodeid, cluster, repeat, repeats)))


def gather(summary: RunSummary, inventory: Inventory, store: Path) -> Beside:
    """Return what the history knows; what it cannot tell is told.

    Args:
        summary: of the run.
        inventory: with the clusters' gates and twins.
        store: where this machine's runs lie.
    """
    # Loaded here: a page of one run alone needs no database.
    from pytest_harehearse.history.index.history import History

    began = datetime.fromisoformat(summary.started_at).astimezone(UTC)
    drift = drift_of(summary, inventory, store)
    try:
        with History(store, inventory.history) as history:
            found = [one for cluster in summary.clusters for one in history.rehearsals(cluster=cluster.id)]
            upto = [one for one in found if one.run == summary.run or one.at < began]
            decisions = tuple(
                _decision(inventory, cluster.id, history)
                for cluster in summary.clusters
                if cluster.id in inventory.clusters
            )
            comparisons = tuple(
                _comparison(inventory, inventory.clusters[cluster.id], history, store)
                for cluster in summary.clusters
                if cluster.id in inventory.clusters and inventory.clusters[cluster.id].twin
            )
    except HarehearseError as error:
        return Beside(drift=drift, problems=(f"The rehearsals before this run cannot be shown: {error}",))
    return Beside({(one.cluster, one.scenario): one for one in by_scenario(upto)}, decisions, comparisons, drift)


def _comparison(inventory: Inventory, described: Cluster, history: History, store: Path) -> tuple[Comparison, str]:
    from pytest_harehearse.history.explained import explained

    twin = described.twin or ""
    rows, note = explained(inventory, store, twin, described.id)
    mine, theirs = history.rehearsals(cluster=described.id), history.rehearsals(cluster=twin)
    return compare(theirs, mine, (twin, described.id), rows), note[:1].upper() + note[1:]


def _decision(inventory: Inventory, cluster: str, history: History) -> Decision:
    from pytest_harehearse.history.gate import decide

    described = inventory.clusters[cluster]
    now = datetime.now(UTC)
    asked = decide.Asked(
        inventory, described, now, "", None, f"pytest scenarios --harehearse-cluster {described.twin or cluster}"
    )
    return decide.by_rehearsals(asked, decide.known(asked, history, files=False))
