# SPDX-License-Identifier: MIT
"""The history of rehearsals: asked, kept up to date with the run directories, made anew, cut back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Self

import sqlalchemy as sa

from pytest_harehearse.history.index import codec
from pytest_harehearse.history.index import runs as run_files
from pytest_harehearse.history.index.database import Database
from pytest_harehearse.history.index.evidence import damaged
from pytest_harehearse.history.index.measured import Measured
from pytest_harehearse.history.index.runs import Synced
from pytest_harehearse.history.index.tables import rehearsals, runs
from pytest_harehearse.inventory.model import Inventory
from pytest_harehearse.streams import streams

FILE: Final = "history.sqlite"


class History:
    """An open history. It is a context manager, and gives its connections back at the end.

    Args:
        store: where this machine's runs lie.
        url: ``postgresql://…``; None: SQLite in the store.

    Raises:
        ConfigError: the URL is none, or of a database that is not supported.
        HistoryError: it cannot be opened, is damaged, or was made by a newer version.
    """

    def __init__(self, store: Path, url: str | None = None) -> None:
        self.store = store
        self._url = url
        self.database = Database(url, store / FILE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give its connections back."""
        self.database.close()

    @property
    def where(self) -> str:
        """Where it is kept, without a password."""
        return self.database.where

    def sync(self) -> Synced:
        """Put in the runs of the store that are not in it; return which, and which could not be.

        Raises:
            HistoryError: it cannot be used.
        """
        return run_files.sync(self.database, self.store)

    def put(self, directory: Path) -> None:
        """Put a run in, in place of what was known of it.

        Raises:
            OSError: its ``run.json`` cannot be read.
            ValueError: it is damaged, or of another schema.
            HistoryError: the history cannot be written.
        """
        run_files.put(self.database, directory)

    def rehearsals(
        self,
        *,
        cluster: str | None = None,
        since: datetime | None = None,
        scenario: str | None = None,
        run: str | None = None,
        last: int | None = None,
    ) -> list[Measured]:
        """Return rehearsals, the oldest first.

        Args:
            cluster: of this one only, as ENVIRONMENT/CLUSTER.
            since: begun then or later; aware.
            scenario: the node id without the cluster's id.
            run: of the run of this name.
            last: no more than so many, the latest ones.

        Raises:
            HistoryError: it cannot be read, or holds what is no rehearsal.
        """
        asked = sa.select(rehearsals.c.document).order_by(rehearsals.c.at.desc(), rehearsals.c.rehearsal.desc())
        if cluster is not None:
            asked = asked.where(rehearsals.c.cluster == cluster)
        if since is not None:
            asked = asked.where(rehearsals.c.at >= codec.instant(since))
        if scenario is not None:
            asked = asked.where(rehearsals.c.scenario == scenario)
        if run is not None:
            asked = asked.join(runs, runs.c.key == rehearsals.c.key).where(runs.c.run == run)
        if last is not None:
            asked = asked.limit(last)
        with self.database.reading() as connection:
            texts = list(connection.execute(asked).scalars())
        return [self._decoded(text) for text in reversed(texts)]

    def _decoded(self, text: str) -> Measured:
        from pytest_harehearse.history.index.errors import HistoryError

        try:
            return codec.decode(text)
        except ValueError as error:
            raise HistoryError(f"The history {self.where} holds what it did not write: {error}") from error

    def clusters(self) -> list[str]:
        """Return the clusters it knows, sorted.

        Raises:
            HistoryError: it cannot be read.
        """
        with self.database.reading() as connection:
            return sorted(connection.execute(sa.select(rehearsals.c.cluster).distinct()).scalars())

    def damaged(self, keys: Sequence[str], *, files: bool = True) -> dict[str, str]:
        """Return which of these runs are not as they were written, and why; see ``evidence.damaged``.

        Raises:
            HistoryError: it cannot be read.
        """
        return damaged(self.database, self.store, keys, files=files)

    def damaged_since(self, since: datetime, clusters: Sequence[str], *, files: bool = True) -> dict[str, str]:
        """Return which runs begun then or later prove nothing, and why: changed, damaged, or not in the history at all.

        Args:
            since: aware. A run that could not be put in has the age of its events.
            clusters: those that it is about. A run of which nobody can tell what it was about counts, too.
            files: False: read no run's directory; what that would tell is left out.

        Raises:
            HistoryError: it cannot be read.
        """
        any_of = sa.exists().where(rehearsals.c.key == runs.c.key)
        mine = any_of.where(rehearsals.c.cluster.in_(clusters))
        asked = sa.select(runs.c.key).where(runs.c.at >= codec.instant(since), mine | ~any_of)
        with self.database.reading() as connection:
            keys = list(connection.execute(asked).scalars())
        found = self.damaged(keys, files=files)
        if not files:
            return found
        for name, why in self.sync().problems.items():
            directory = self.store / "runs" / name
            young = max(path.stat().st_mtime for path in streams(directory)) >= since.timestamp()
            if young and run_files.may_be_about(directory, clusters):
                found[name] = why
        return found

    def prune(self, before: datetime, keep: int) -> list[str]:
        """Remove the runs begun earlier, directories and rows; return their names, the oldest first.

        Args:
            before: aware.
            keep: of each scenario on each cluster, so many of the latest rehearsals stay whatever their age.

        Raises:
            HistoryError: the history cannot be used.
            OSError: a directory cannot be removed.
        """
        with self.database.reading() as connection:
            rank = sa.func.row_number().over(
                partition_by=(rehearsals.c.cluster, rehearsals.c.scenario), order_by=rehearsals.c.at.desc()
            )
            ranked = sa.select(rehearsals.c.key, rank.label("rank")).subquery()
            kept = sa.select(ranked.c.key).where(ranked.c.rank <= keep)
            old = connection.execute(
                sa.select(runs.c.key, runs.c.run)
                .where(runs.c.at < codec.instant(before), runs.c.store == run_files.place(self.store))
                .where(runs.c.key.not_in(kept))
                .order_by(runs.c.at)
            ).all()
        for row in old:
            # First what is the truth, then its index: a run without its directory is told, one without a row is put in.
            directory = self.store / "runs" / row.run
            if directory.is_dir():
                shutil.rmtree(directory)
            with self.database.writing() as connection:
                run_files.take_out(connection, row.key)
        return [row.run for row in old]


@contextmanager
def open_history(inventory: Inventory, store: Path) -> Iterator[History]:
    """Yield the history of an inventory, with every finished run of the store in it.

    Raises:
        ConfigError: ``history`` of the inventory is no URL of a database that is supported.
        HistoryError: it cannot be opened, is damaged, or was made by a newer version.
    """
    with History(store, inventory.history) as history:
        history.sync()
        yield history


def rebuild(store: Path, url: str | None) -> Synced:
    """Make the history anew from the run directories.

    SQLite is made beside the old one and then takes its place. In PostgreSQL, which other machines write to, the
    runs of this store are put in again, and nothing is removed.

    Raises:
        HistoryError: it cannot be written.
        OSError: the old one cannot be replaced.
    """
    if url is not None:
        with History(store, url) as history:
            return run_files.sync(history.database, store, anew=True)
    file, fresh = store / FILE, store / f"{FILE}.new"
    for path in _with_its_logs(fresh):
        path.unlink(missing_ok=True)
    database = Database(None, fresh)
    try:
        found = run_files.sync(database, store, anew=True)
    finally:
        database.close()
    for path in _with_its_logs(file):
        path.unlink(missing_ok=True)
    fresh.rename(file)
    return found


def _with_its_logs(file: Path) -> list[Path]:
    return [file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")]
