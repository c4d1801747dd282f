# SPDX-License-Identifier: MIT
"""A run's directory and its stream of events."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pytest_harehearse.clock import Anchor, anchor
from pytest_harehearse.errors import ConfigError
from pytest_harehearse.events import EventLog, RunFinished, RunStarted
from pytest_harehearse.safety.journal import Journal


@dataclass(frozen=True, slots=True)
class Run:
    """One pytest session that rehearses; made only when there is something to rehearse."""

    id: str
    directory: Path
    store: Path
    anchor: Anchor
    log: EventLog
    journal: Journal

    @property
    def attempts(self) -> Path:
        """The folder of the attempts files."""
        return self.directory / "attempts"

    def finish(self, exit_status: int) -> None:
        """Write the last event and close the stream."""
        self.log.write(RunFinished(exit_status=exit_status))
        self.log.close()


def _next_directory(runs: Path) -> Path:
    """Make and return the next free ``r-YEARwWEEK-NN``; the making itself is the reservation."""
    year, week, _ = datetime.now(UTC).isocalendar()
    number = 1
    while True:
        candidate = runs / f"r-{year}w{week:02d}-{number:02d}"
        try:
            candidate.mkdir()
        except FileExistsError:
            number += 1
        else:
            return candidate


def unwritable(store: Path, why: str | None) -> ConfigError:
    """Return the error for a store that cannot be written."""
    return ConfigError(
        f"The store {store} cannot be written ({why}), so nothing was started: what happens in a rehearsal must be kept. "
        "Choose another place: --harehearse-store DIR"
    )


def start(store: Path, argv: list[str], clean: Callable[[str], str] | None = None) -> Run:
    """Make the directory of a new run below ``store`` and write its first event.

    Args:
        store: where runs are kept.
        argv: of pytest.
        clean: takes what is secret out of every text that is written down.

    Raises:
        ConfigError: when nothing can be written there; names the option that chooses another place.
    """
    runs = store / "runs"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        directory = _next_directory(runs)
        (directory / "attempts").mkdir()
        log = EventLog(directory / "events.jsonl", clean)
    except OSError as error:
        raise unwritable(store, error.strerror) from error
    clocks = anchor()
    log.write(
        RunStarted(
            t=clocks.mono, run=directory.name, version=version("pytest-harehearse"), wall=clocks.wall, argv=argv,
            python=platform.python_version(), host=f"{socket.gethostname()} ({platform.system()} "
            f"{platform.machine()}, {os.cpu_count()} cores)", store=str(store),
        )
    )  # fmt: skip
    return Run(directory.name, directory, store, clocks, log, Journal(store))
