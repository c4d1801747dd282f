# SPDX-License-Identifier: MIT
"""Put runs into the history, take them out, and find those that are not in it yet."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pytest_harehearse.events import RehearsalStarted
from pytest_harehearse.history.index import codec
from pytest_harehearse.history.index.database import Database
from pytest_harehearse.history.index.project import Indexed, project
from pytest_harehearse.history.index.tables import rehearsals, runs
from pytest_harehearse.streams import read_run


@dataclass(frozen=True, slots=True)
class Synced:
    """What was put into the history, and which run directories could not be."""

    added: tuple[str, ...] = ()
    #: Run → why it is not in the history.
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A ``run.json`` as it lies there."""

    text: str
    size: int
    mtime_ns: int

    @property
    def sha256(self) -> str:
        """Its digest."""
        return codec.digest(self.text)


def read(directory: Path) -> OnDisk:
    """Return a run's ``run.json``.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no text.
    """
    path = directory / "run.json"
    stat = path.stat()
    return OnDisk(path.read_text(encoding="utf-8"), stat.st_size, stat.st_mtime_ns)


def projected(text: str) -> Indexed:
    """Return what the history keeps of a ``run.json``.

    Raises:
        ValueError: it is cut off, none, or of another schema.
    """
    try:
        run: Any = json.loads(text)
    except ValueError as error:
        raise ValueError(f"its run.json is damaged: {error}") from error
    return project(run)


def put(database: Database, directory: Path) -> Indexed:
    """Put a run into the history, in place of what the history knew of it.

    Raises:
        OSError: its ``run.json`` cannot be read.
        ValueError: it is damaged, or of another schema.
        HistoryError: the history cannot be written.
    """
    found = read(directory)
    indexed = projected(found.text)
    documents = [(one, codec.encode(one)) for one in indexed.rehearsals]
    rows = [
        {
            "key": indexed.key,
            "rehearsal": one.rehearsal,
            "cluster": one.cluster,
            "scenario": one.scenario,
            "at": codec.instant(one.at),
            "verdict": one.verdict,
            "interruption": one.interruption,
            "document": text,
            "sha256": codec.digest(text),
        }
        for one, text in documents
    ]
    run = {
        "key": indexed.key,
        "run": indexed.run,
        "at": codec.instant(indexed.at),
        "host": indexed.host,
        "version": indexed.version,
        "verdict": indexed.verdict,
        "store": place(directory.parent.parent),
        "rehearsals_sha256": together(str(row["sha256"]) for row in rows),
        "sha256": found.sha256,
        "size": found.size,
        "mtime_ns": found.mtime_ns,
    }
    with database.writing() as connection:
        # Two that put the same run in at once take turns here, in SQLite by the transaction itself.
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": indexed.key})
        take_out(connection, indexed.key)
        connection.execute(runs.insert(), [run])
        if rows:
            connection.execute(rehearsals.insert(), rows)
    return indexed


def take_out(connection: Connection, key: str) -> None:
    """Remove a run and its rehearsals from the history."""
    connection.execute(rehearsals.delete().where(rehearsals.c.key == key))
    connection.execute(runs.delete().where(runs.c.key == key))


def together(digests: Any) -> str:
    """Return one digest of several, whatever their order."""
    return codec.digest("\n".join(sorted(digests)))


def place(store: Path) -> str:
    """Return what a store is called in the history: where it lies, on which machine."""
    return f"{socket.gethostname()}:{store.resolve()}"


def sync(database: Database, store: Path, *, anew: bool = False) -> Synced:
    """Put into the history every run of a store that it does not know.

    A run that is still going on, or was killed, has no ``run.json`` and is not in the history: ``harehearse report``
    writes it. One that was changed since it was put in stays as it was, so that the change can be told (``evidence``).

    Args:
        database: the history.
        store: where the runs lie.
        anew: put in all of them, as they are now.

    Raises:
        HistoryError: the history cannot be used.
    """
    with database.reading() as connection:
        asked = sa.select(runs.c.key, runs.c.run, runs.c.size, runs.c.mtime_ns).where(runs.c.store == place(store))
        rows = [] if anew else list(connection.execute(asked))
    same = {(row.run, row.size, row.mtime_ns) for row in rows}
    keys = {row.key for row in rows}
    added: list[str] = []
    problems: dict[str, str] = {}
    for name, path in directories(store).items():
        try:
            stat = (path / "run.json").stat()
            if (name, stat.st_size, stat.st_mtime_ns) in same or projected(read(path).text).key in keys:
                continue
            put(database, path)
        except FileNotFoundError:
            problems[name] = f"it was never finished: killed, or still running; harehearse report {name}"
        except OSError as error:
            problems[name] = f"its run.json cannot be read: {error.strerror}"
        except ValueError as error:
            problems[name] = str(error)
        else:
            added.append(name)
    return Synced(tuple(added), problems)


def directories(store: Path) -> dict[str, Path]:
    """Return the run directories of a store by name."""
    try:
        entries = sorted(os.scandir(store / "runs"), key=lambda entry: entry.name)
    except FileNotFoundError:
        return {}
    return {entry.name: Path(entry.path) for entry in entries if (Path(entry.path) / "events.jsonl").is_file()}


def may_be_about(directory: Path, clusters: Sequence[str]) -> bool:
    """Whether a run may have rehearsed on one of these clusters; a stream that cannot be read may hold anything."""
    try:
        rehearsed = {event.cluster for event in read_run(directory) if isinstance(event, RehearsalStarted)}
    except (OSError, ValueError):
        return True
    return bool(rehearsed & set(clusters))
