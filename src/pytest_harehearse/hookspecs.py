# SPDX-License-Identifier: MIT
"""Hooks of this plugin, for a project's conftest.py or for other plugins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_harehearse.history.gate.decision import Gate
    from pytest_harehearse.history.index.measured import Measured
    from pytest_harehearse.history.summary import RunSummary
    from pytest_harehearse.inventory.model import Cluster


def pytest_harehearse_run_finished(summary: RunSummary, directory: Path) -> None:
    """Called once the reports of a run are written.

    Example::

        def pytest_harehearse_run_finished(summary, directory):
            upload(directory / "report.html", title=f"{summary.run}: {summary.verdict}")
    """


def pytest_harehearse_gate(cluster: Cluster, rehearsals: Sequence[Measured]) -> Gate | Sequence[Gate] | None:
    """Called by ``harehearse gate`` for a cluster; return gates of your own, which count like the others.

    An exception, or anything else than gates, makes the decision UNKNOWN. ``rehearsals`` are those on the cluster and its
    twin, the oldest first. Nothing may be changed here, and it must end by itself within a minute.

    Example::

        from pytest_harehearse import Answer, Gate

        def pytest_harehearse_gate(cluster, rehearsals):
            incidents = open_incidents(cluster.name)
            answer = Answer.NO_GO if incidents else Answer.GO
            return Gate("no open incident", answer, str(len(incidents)), "0", ", ".join(incidents), "read now")
    """
