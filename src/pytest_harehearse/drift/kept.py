# SPDX-License-Identifier: MIT
"""Snapshots on disk, so that what is now can be held against what was: ``STORE/drift/CLUSTER/TIME.json``."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.errors import ConfigError, Indeterminate

SCHEMA: Final = 1


class Damaged(Indeterminate):
    """A kept snapshot cannot be read, so what was is not known."""


@dataclass(frozen=True, slots=True)
class Kept:
    """All nodes of a cluster at one time."""

    cluster: str
    #: ISO 8601, UTC.
    at: str
    #: The run in which it was taken; empty: by hand.
    run: str
    nodes: tuple[Snapshot, ...]
    path: Path


def write(store: Path, cluster: str, nodes: Sequence[Snapshot], *, run: str = "", now: datetime | None = None) -> Path:
    """Keep snapshots in one step; return the file.

    Args:
        store: where runs are kept.
        cluster: ENVIRONMENT/CLUSTER.
        nodes: of one time.
        run: in which they were taken.
        now: aware; None: by the clock.

    Raises:
        OSError: it cannot be written.
    """
    at = (now or datetime.now(UTC)).astimezone(UTC)
    folder = store / "drift" / cluster
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{at:%Y%m%dT%H%M%S.%fZ}.json"
    plain = {
        "schema": SCHEMA,
        "cluster": cluster,
        "at": at.isoformat(timespec="seconds"),
        "run": run,
        "nodes": [dataclasses.asdict(node) for node in nodes],
    }
    temporary = target.with_suffix(".new")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(plain, file, ensure_ascii=False, indent=0)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    return target


def read(path: Path) -> Kept:
    """Return what was kept in a file.

    Raises:
        Damaged: it cannot be read, is cut off, is none, or a newer version wrote it.
    """
    try:
        plain: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Damaged(f"The snapshot {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Damaged(f"The snapshot {path} is damaged: {error}. Take another one: harehearse drift CLUSTER") from error
    schema = plain.get("schema") if isinstance(plain, dict) else None
    if schema != SCHEMA:
        newer = "; a newer pytest-harehearse wrote it" if isinstance(schema, int) and schema > SCHEMA else ""
        raise Damaged(f"The snapshot {path} has schema {schema!r}, and this version reads {SCHEMA}{newer}.")
    try:
        nodes = tuple(Snapshot(**node) for node in plain["nodes"])
        return Kept(plain["cluster"], plain["at"], plain["run"], nodes, path)
    except (KeyError, TypeError) as error:
        raise Damaged(f"The snapshot {path} lacks what one has: {error!r}") from error


def every(store: Path, cluster: str) -> list[Path]:
    """Return the files kept of a cluster, the oldest first."""
    return sorted((store / "drift" / cluster).glob("*.json"))


def latest(store: Path, cluster: str, run: str = "") -> Kept | None:
    """Return the latest of a cluster, or the latest of one run; None: none was ever kept.

    Raises:
        Damaged: it cannot be read.
        ConfigError: none was kept in that run.
    """
    files = every(store, cluster)
    if not run:
        return read(files[-1]) if files else None
    for path in reversed(files):
        found = read(path)
        if found.run == run:
            return found
    raise ConfigError(
        f"No snapshot of {cluster} was kept in the run {run!r}; there are {len(files)} of other times in {store / 'drift'}."
    )


def as_of(store: Path, cluster: str, run: str, until: datetime) -> Kept | None:
    """Return the latest of a run, else the latest that was taken until a time; None: there is none.

    Args:
        store: where snapshots are kept.
        cluster: ENVIRONMENT/CLUSTER.
        run: preferred.
        until: aware.

    Raises:
        Damaged: it cannot be read.
    """
    found: Kept | None = None
    for path in reversed(every(store, cluster)):
        taken = read(path)
        if taken.run == run:
            return taken
        before = datetime.fromisoformat(taken.at) <= until
        if before and found is None:
            found = taken
        # What was taken long before the run ended is none of its own.
        if found is not None and (until - datetime.fromisoformat(taken.at)).days >= 1:
            break
    return found
