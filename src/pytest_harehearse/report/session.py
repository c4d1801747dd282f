# SPDX-License-Identifier: MIT
"""The end of a pytest session: give everything back, compute the summary, write the reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pytest_harehearse.history.build import build
from pytest_harehearse.history.rundir import write_json
from pytest_harehearse.history.summary import RunSummary
from pytest_harehearse.rehearsal.session import Session
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
    run = session.started
    if run is None:
        return finished
    try:
        summary = report(run.directory)
    except (OSError, ValueError) as error:
        finished.problems.append(f"The report of {run.id} could not be written: {error}")
    else:
        finished.written.append((summary, run.directory))
    return finished


def report(directory: Path) -> RunSummary:
    """Compute a run's summary from its events and attempts, and write ``run.json``, ``report.html``, ``report.md``.

    Raises:
        ValueError: the run's files are damaged.
        OSError: they cannot be read, or the reports not written.
    """
    summary = build(directory)
    write_json(summary, directory)
    write(summary, directory)
    return summary
