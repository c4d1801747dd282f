# SPDX-License-Identifier: MIT
"""Find run directories, and write their ``run.json``."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.history.summary import RunSummary


def find(store: Path, name: str) -> Path:
    """Return the directory of a run, given its id, a path, or ``latest``.

    Raises:
        ConfigError: there is no such run; names those there are.
    """
    as_path = Path(name)
    if (as_path / "events.jsonl").is_file():
        return as_path
    runs = store / "runs"
    known = sorted(
        (p for p in runs.iterdir() if (p / "events.jsonl").is_file()), key=lambda p: p.stat().st_mtime_ns
    ) if runs.is_dir() else []  # fmt: skip
    if name == "latest" and known:
        return known[-1]
    found = next((path for path in known if path.name == name), None)
    if found is None:
        there = ", ".join(path.name for path in known[-8:]) or "none"
        raise ConfigError(f"There is no run {name!r} in {runs}. Runs there: {there}. Choose another place: --store DIR")
    return found


def as_json(summary: RunSummary) -> dict[str, Any]:
    """Return the summary as plain JSON values."""
    return dataclasses.asdict(summary)


def write_json(summary: RunSummary, directory: Path) -> Path:
    """Write ``run.json`` in one step; return its path."""
    target = directory / "run.json"
    temporary = directory / "run.json.new"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(as_json(summary), file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    return target
