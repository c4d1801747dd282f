# SPDX-License-Identifier: MIT
"""The end of a pytest session: give everything back, compute the summary, write the reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.history.build import build
from pytest_harehearse.history.rundir import write_json
from pytest_harehearse.history.summary import RunSummary
from pytest_harehearse.inventory.model import Inventory
from pytest_harehearse.rehearsal.run import Run
from pytest_harehearse.rehearsal.session import Session
from pytest_harehearse.report.beside import gather
from pytest_harehearse.report.write import write


@dataclass(frozen=True, slots=True)
class Finished:
    """What the last screen is made of."""

    #: The summary and the run's directory; empty when nothing was rehearsed or it could not be read.
    written: list[tuple[RunSummary, Path]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def finish(session: Session | None, exit_status: int) -> Finished:
    """Close the session and write ``run.json`` and the reports; what goes wrong is said, never raised."""
    if session is None:
        return Finished()
    finished = Finished(problems=session.close(exit_status))
    if session.started is not None:
        write_reports(session.started, session.inventory, finished)
    return finished


def write_reports(run: Run, inventory: Inventory, finished: Finished) -> None:
    """Write the reports of a run that is closed; what goes wrong is one of the problems."""
    try:
        summary = report(run.directory, inventory, finished.problems)
    except (OSError, ValueError) as error:
        finished.problems.append(f"The report of {run.id} could not be written: {error}")
    else:
        finished.written.append((summary, run.directory))


def remember(directory: Path, store: Path, history: str | None) -> str | None:
    """Put a run into the history; return why it could not be, and what to do. The run's own files are not touched.

    Args:
        directory: of the run, with its ``run.json``.
        store: where this machine's runs lie.
        history: the URL of the database; None: SQLite in the store.
    """
    from pytest_harehearse.history.index.history import History

    try:
        with History(store, history) as known:
            known.put(directory)
    except (HarehearseError, OSError, ValueError) as error:
        return f"{directory.name} is not in the history yet: {error} Nothing of it is lost: harehearse history rebuild"
    return None


def report(directory: Path, inventory: Inventory | None = None, problems: list[str] | None = None) -> RunSummary:
    """Compute a run's summary from its events and attempts; write ``run.json``, ``report.html``, ``report.md``; remember it.

    Args:
        directory: of the run.
        inventory: says where the history is, and what beside the run is shown; None: a history in the store is kept up to
            date, and the page shows the run alone.
        problems: takes what went wrong and concerns only the history.

    Raises:
        ValueError: the run's files are damaged.
        OSError: they cannot be read, or the reports not written.
    """
    from pytest_harehearse.history.index.history import FILE

    summary = build(directory)
    write_json(summary, directory)
    store, beside = directory.parent.parent, None
    if inventory is not None or (directory.parent.name == "runs" and (store / FILE).is_file()):
        problem = remember(directory, store, inventory.history if inventory is not None else None)
        if problem is not None and problems is not None:
            problems.append(problem)
    if inventory is not None:
        beside = gather(summary, inventory, store)
    write(summary, directory, beside)
    return summary
