# SPDX-License-Identifier: MIT
"""Loaded into the weekly run's pytest as a plugin: hands over which rehearsals were carried out, and how they came out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_harehearse.history.summary import RunSummary

#: Names the file that gets one JSON object a run.
TO: Final = "HAREHEARSE_WEEKLY_TO"


def pytest_harehearse_run_finished(summary: RunSummary, directory: Path) -> None:
    """Append a finished run (a hook of ours, by its name)."""
    if TO not in os.environ:
        return
    line = {
        "directory": str(directory.resolve()),
        "rehearsals": [
            {"cluster": one.cluster, "verdict": one.verdict, "name": one.name} for one in summary.rehearsals
        ],
        "verdict": summary.verdict,
    }
    with Path(os.environ[TO]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def environ(to: Path) -> dict[str, str]:
    """Return what pytest's environment needs so that it loads this module and writes to ``to``.

    Not by ``-p``: that would stand in the commands by which reports say how a run is repeated.
    """
    plugins = [*filter(None, os.environ.get("PYTEST_PLUGINS", "").split(",")), __name__]
    return {TO: str(to), "PYTEST_PLUGINS": ",".join(plugins)}
