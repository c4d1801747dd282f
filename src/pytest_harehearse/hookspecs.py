# SPDX-License-Identifier: MIT
"""Hooks of this plugin, for a project's conftest.py or for other plugins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_harehearse.history.summary import RunSummary


def pytest_harehearse_run_finished(summary: RunSummary, directory: Path) -> None:
    """Called once the reports of a run are written.

    Example::

        def pytest_harehearse_run_finished(summary, directory):
            upload(directory / "report.html", title=f"{summary.run}: {summary.verdict}")
    """
