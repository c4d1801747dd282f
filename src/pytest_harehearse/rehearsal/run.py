# SPDX-License-Identifier: MIT
"""A run's directory and its stream of events; a run whose tests are distributed has one more stream for each worker."""

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
from pytest_harehearse.events import Event, RunFinished, RunStarted, WorkerFinished, WorkerStarted, decode
from pytest_harehearse.safety.journal import Journal
from pytest_harehearse.streams import STREAM, EventLog


@dataclass(frozen=True, slots=True)
class Run:
    """One pytest session that rehearses; made only when there is something to rehearse."""

    id: str
    directory: Path
    store: Path
    anchor: Anchor
    log: EventLog
    journal: Journal
    #: Of xdist, as gw0; empty: the whole run is in this process, or this one conducts the workers.
    worker: str = ""

    @property
    def attempts(self) -> Path:
        """The folder of the attempts files."""
        return self.directory / "attempts"

    def finish(self, exit_status: int) -> None:
        """Write the last event and close the stream."""
        last: Event = RunFinished(exit_status=exit_status)
        if self.worker:
            last = WorkerFinished(worker=self.worker, exit_status=exit_status)
        self.log.write(last)
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


def start(store: Path, argv: list[str], clean: Callable[[str], str] | None = None, testrun: str = "") -> Run:
    """Make the directory of a new run below ``store`` and write its first event.

    Args:
        store: where runs are kept.
        argv: of pytest.
        clean: takes what is secret out of every text that is written down.
        testrun: by which xdist's workers will find it.

    Raises:
        ConfigError: when nothing can be written there; names the option that chooses another place.
    """
    runs = store / "runs"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        directory = _next_directory(runs)
        (directory / "attempts").mkdir()
        log = EventLog(directory / STREAM, clean)
    except OSError as error:
        raise unwritable(store, error.strerror) from error
    clocks = anchor()
    log.write(
        RunStarted(
            t=clocks.mono, run=directory.name, version=version("pytest-harehearse"), wall=clocks.wall, argv=argv,
            python=platform.python_version(), host=host(), store=str(store), testrun=testrun,
        )
    )  # fmt: skip
    return Run(directory.name, directory, store, clocks, log, Journal(store))


def join(store: Path, testrun: str, worker: str, clean: Callable[[str], str] | None = None) -> Run:
    """Take part in the run that another process started, with a stream of one's own.

    Args:
        store: where runs are kept.
        testrun: by which the run is known.
        worker: who takes part, as gw0.
        clean: takes what is secret out of every text that is written down.

    Raises:
        ConfigError: there is no such run, or nothing can be written there.
    """
    try:
        # The youngest first: it is nearly always that one.
        folders = sorted((store / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        directory = next((path for path in folders if _testrun(path) == testrun), None)
        if directory is None:
            raise ConfigError(
                f"Worker {worker} finds no run {testrun} in {store}, so nothing was started there: pytest's own process and "
                "its workers must see the same store. Name one that both see: --harehearse-store DIR"
            )
        log = EventLog(directory / f"events-{worker}.jsonl", clean)
    except OSError as error:
        raise unwritable(store, error.strerror) from error
    clocks = anchor()
    log.write(WorkerStarted(t=clocks.mono, worker=worker, pid=os.getpid(), wall=clocks.wall, host=host()))
    return Run(directory.name, directory, store, clocks, log, Journal(store), worker)


def _testrun(directory: Path) -> str | None:
    """Return by what workers know the run of a directory; None: it is none."""
    try:
        with (directory / STREAM).open(encoding="utf-8", errors="replace") as lines:
            first = decode(next(lines, ""))
    except (OSError, ValueError):
        return None
    return first.testrun if isinstance(first, RunStarted) else None


def host() -> str:
    """Return this machine in words: name, kind, processors."""
    return f"{socket.gethostname()} ({platform.system()} {platform.machine()}, {os.cpu_count()} cores)"
