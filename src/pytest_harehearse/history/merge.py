# SPDX-License-Identifier: MIT
"""Put runs of several runners into one directory, from which one report is made: what ``harehearse report --merge`` does."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from pytest_harehearse.clock import anchor
from pytest_harehearse.errors import ConfigError
from pytest_harehearse.events import PartMissing, RunFinished, RunStarted
from pytest_harehearse.history.build import build
from pytest_harehearse.history.parts import FOLDER
from pytest_harehearse.rehearsal.run import host
from pytest_harehearse.streams import STREAM, EventLog, read_events, streams

ATTEMPTS = "attempts"


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of each run."""

    #: Names of the parts, in the order of the runs.
    parts: list[str] = field(default_factory=list)
    #: Runs that were given more than once, or are parts of another: taken once.
    twice: list[Path] = field(default_factory=list)
    #: Parts that were copied and of which nothing can be told, each with the reason.
    damaged: list[str] = field(default_factory=list)


def merge(runs: Sequence[Path], target: Path, missing: Mapping[str, str] | None = None) -> Merged:
    """Copy what runs wrote into a new directory that is a run itself.

    Args:
        runs: directories of runs; one that is merged already brings its parts.
        target: the directory, which must not be there, or be empty.
        missing: runs that were meant as well and are not there, each with the reason: kept, so that they stay told.

    Raises:
        ConfigError: the target holds something, or a run has no beginning that could be read.
        OSError: something cannot be read or written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} is there and not empty; name a folder for --merge that is not there yet.")
    if target.resolve().parent.name == "runs":
        raise ConfigError(f"{target} would lie among the runs of a store, and be one of them; name a folder elsewhere.")
    found = Merged()
    problems: list[str] = []
    known: set[tuple[str, str, float]] = set()
    chosen: list[tuple[str, Path]] = []
    for run in [part for one in runs for part in _whole(one)]:
        try:
            begun = _beginning(run)
        except (OSError, ValueError) as error:
            problems.append(f"The run {run} cannot be merged: {error}")
            continue
        key = (begun.run, begun.host, begun.wall)
        if key in known:
            found.twice.append(run)
            continue
        known.add(key)
        name = _free(begun.run, {name for name, _ in chosen})
        chosen.append((name, run))
    if problems:
        raise ConfigError(problems)
    for name, run in chosen:
        _copy(run, target / FOLDER / name)
        found.parts.append(name)
        try:
            build(target / FOLDER / name)
        except ValueError as error:
            found.damaged.append(f"The run {run} is damaged, so there is nothing of it in the report: {error}")
    _begin(target, [str(run) for run in runs], missing or {})
    return found


def _whole(run: Path) -> list[Path]:
    """Return a run, or the parts of one that was merged and has nothing of its own."""
    inside = sorted(path.parent for path in run.glob(f"{FOLDER}/*/{STREAM}"))
    return inside if inside and not (run / ATTEMPTS).is_dir() else [run]


def _beginning(run: Path) -> RunStarted:
    first = next(iter(read_events(run / STREAM)), None)
    if not isinstance(first, RunStarted):
        raise ValueError(f"{run / STREAM} does not begin with RunStarted")  # noqa: TRY004 - the file's value is wrong
    return first


def _free(name: str, taken: set[str]) -> str:
    """Return a name for a part: the run's own, numbered where two machines count alike."""
    number, found = 2, name
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found


def _copy(run: Path, part: Path) -> None:
    part.mkdir(parents=True)
    for stream in streams(run):
        shutil.copy2(stream, part)
    for folder in (ATTEMPTS, FOLDER):
        if (run / folder).is_dir():
            shutil.copytree(run / folder, part / folder)


def _begin(target: Path, runs: list[str], missing: Mapping[str, str]) -> None:
    """Write the stream of a run that began and ended now, with nothing of its own."""
    log = EventLog(target / STREAM)
    clocks = anchor()
    log.write(
        RunStarted(
            t=clocks.mono, run=target.resolve().name, version=version("pytest-harehearse"), wall=clocks.wall, argv=runs,
            python=platform.python_version(), host=host(), store=str(target.parent),
        )
    )  # fmt: skip
    for part, why in missing.items():
        log.write(PartMissing(part=part, why=why))
    log.write(RunFinished(exit_status=0))
    log.close()
