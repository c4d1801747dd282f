# SPDX-License-Identifier: MIT
"""Whether what the history says of runs is what they wrote: a row or a file that was changed by hand proves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import sqlalchemy as sa

from pytest_harehearse.history.build import build
from pytest_harehearse.history.index import codec
from pytest_harehearse.history.index.database import Database
from pytest_harehearse.history.index.project import project
from pytest_harehearse.history.index.runs import directories, place, projected, read, together
from pytest_harehearse.history.index.tables import rehearsals, runs
from pytest_harehearse.history.rundir import as_json


def damaged(database: Database, store: Path, keys: Sequence[str], *, files: bool = True) -> dict[str, str]:
    """Return which of these runs are not as they were written: run → why.

    Each row must have the digest it was written with, and a run neither more nor fewer of them. Where the run's
    directory is on this machine, ``run.json`` must be the one that was put in; and where this version wrote it, what
    is computed again from the events and attempts must be the same. A run of another machine is held against its
    rows only. Whoever changes rows together with their digests is not found; signed runs are for that.

    Args:
        database: the history.
        store: where this machine's runs lie.
        keys: of the runs.
        files: False: hold rows against each other only, which reads no run's directory.

    Raises:
        HistoryError: the history cannot be read.
    """
    with database.reading() as connection:
        known = connection.execute(sa.select(runs).where(runs.c.key.in_(keys))).all()
        rows: dict[str, list[tuple[str, str]]] = {}
        for row in connection.execute(
            sa.select(rehearsals.c.key, rehearsals.c.document, rehearsals.c.sha256).where(rehearsals.c.key.in_(keys))
        ):
            rows.setdefault(row.key, []).append((row.document, row.sha256))
    found: dict[str, str] = {}
    for run in known:
        why = _rows(run, rows.get(run.key, [])) or (_files(run, store) if files and run.store == place(store) else None)
        if why is not None:
            found[run.run] = why
    return found


def _rows(run: sa.Row[tuple[object, ...]], rows: Sequence[tuple[str, str]]) -> str | None:
    if any(codec.digest(document) != digest for document, digest in rows):
        return "a row of it in the history was changed after it was written"
    if together(digest for _, digest in rows) != run.rehearsals_sha256:
        return "rows of it in the history were removed or added after it was written"
    return None


def _directory(run: sa.Row[tuple[object, ...]], store: Path) -> Path:
    """Return where a run lies: under its name, unless that is taken by the run of another runner."""
    usual = store / "runs" / str(run.run)
    if _key(usual) == run.key:
        return usual
    return next((path for path in directories(store).values() if _key(path) == run.key), usual)


def _key(directory: Path) -> str | None:
    """Return the key of the run that lies there; None: none that can be told, which whoever reads it will say."""
    try:
        return projected(read(directory).text).key
    except (OSError, ValueError):
        return None


def _files(run: sa.Row[tuple[object, ...]], store: Path) -> str | None:
    directory = _directory(run, store)
    try:
        if read(directory).sha256 != run.sha256:
            return "its run.json was changed after it was written"
        if run.version != version("pytest-harehearse"):
            return None
        again = project(as_json(build(directory)))
    except FileNotFoundError as error:
        return f"{Path(error.filename or '').name or 'its directory'} is gone"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    except ValueError as error:
        return f"it cannot be computed again: {error}"
    digests = [codec.digest(codec.encode(one)) for one in again.rehearsals]
    if together(digests) != run.rehearsals_sha256:
        return "what its events and attempts come to is not what its run.json says: one of them was changed"
    return None
