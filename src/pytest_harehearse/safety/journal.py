# SPDX-License-Identifier: MIT
"""The undo journal: what was struck, and how it is undone, on disk before the strike.

One JSON line an entry opened, one an entry closed; each is fsynced. An entry without its closing line is still open,
whoever died in between.
"""

from __future__ import annotations

import errno
import json
import os
import time
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pytest_harehearse.errors import Indeterminate


@dataclass(frozen=True, slots=True)
class Entry:
    """A strike and its undo, in words a person can follow by hand."""

    id: str
    run: str
    cluster: str
    fault: str
    target: str
    undo: str
    at: float
    pid: int
    #: The strike in words, and how long it outlives us (seconds); None: nothing of it stays.
    strike: str = ""
    dead_man: float | None = None
    owner: str = ""


class Journal:
    """The journal of one store (``journal.jsonl``)."""

    def __init__(self, store: Path) -> None:
        self.path = store / "journal.jsonl"

    def open(
        self, *, run: str, cluster: str, fault: str, target: str, undo: str, strike: str = "",
        dead_man: float | None = None, owner: str = "",
    ) -> Entry:  # fmt: skip
        """Write the entry to disk and return it; only then may the strike be made.

        Raises:
            OSError: when it cannot be brought to disk; then nothing may be struck.
        """
        at = time.time()
        entry = Entry(
            f"{run}/{fault}/{target}/{at:.6f}", run, cluster, fault, target, undo, at, os.getpid(),
            strike, dead_man, owner,
        )  # fmt: skip
        self._append({"open": asdict(entry)})
        return entry

    def close(self, entry: Entry, how: str) -> None:
        """Record that the entry was undone and that this was verified."""
        self._append({"close": entry.id, "how": how, "at": time.time()})

    def still_open(self, cluster: str | None = None) -> list[Entry]:
        """Return the open entries, of one cluster or of all, oldest first.

        Raises:
            Indeterminate: the file is there and cannot be read, so that nobody knows.
        """
        return [entry for entry in self._read()[0] if cluster in {None, entry.cluster}]

    def strange(self) -> list[str]:
        """Return, in sentences, the lines that are whole and yet nothing that this version can read.

        Raises:
            Indeterminate: the file is there and cannot be read, so that nobody knows.
        """
        return self._read()[1]

    def _read(self) -> tuple[list[Entry], list[str]]:
        found: dict[str, Entry] = {}
        strange: list[str] = []
        for number, line in enumerate(self._lines(), start=1):
            try:
                row = json.loads(line)
            except ValueError:
                # Torn by a kill while it was written: the strike it announces was then never made.
                continue
            if not isinstance(row, dict):
                row = {}
            entry = _entry(row.get("open"))
            if entry is not None:
                found[entry.id] = entry
            elif isinstance(row.get("close"), str):
                found.pop(row["close"], None)
            else:
                strange.append(
                    f"line {number} of {self.path} is no entry that this version can read, so what it tells of is not known "
                    "to be undone; look at it, and remove the line once you know that it is"
                )
        return list(found.values()), strange

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Indeterminate(
                f"The undo journal {self.path} cannot be read ({error.strerror}), so whether a fault is still open is not "
                "known. Make it readable, or name another store."
            ) from error

    def close_gone(self, environment: str) -> list[Entry]:
        """Close the entries of a lab's clusters once the lab is removed; return them."""
        left = [entry for entry in self.still_open() if entry.cluster.startswith(f"{environment}/")]
        for entry in left:
            self.close(entry, "the lab it was struck in is gone")
        return left

    def _append(self, row: dict[str, object]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        known = self.path.exists()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # A line break first ends a line torn by an earlier kill.
            data = ("\n" + json.dumps(row) + "\n").encode()
            if os.write(descriptor, data) != len(data):
                raise OSError(errno.ENOSPC, "only a part of the entry could be written", str(self.path))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if not known:
            # The file's name is in its folder, which has to reach the disk as well.
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


class Unread(Journal):
    """Stands for a journal that cannot be read, where the nodes are to be healed all the same; nothing is known of it."""

    def still_open(self, cluster: str | None = None) -> list[Entry]:  # noqa: ARG002
        """Return none: whoever uses it says that the journal is not known."""
        return []


def _entry(told: Any) -> Entry | None:
    """Return an entry as it was written, perhaps by a newer version, which may tell more; None: it is none."""
    if not isinstance(told, dict):
        return None
    kept = {field.name: told[field.name] for field in fields(Entry) if field.name in told}
    needed = {field.name for field in fields(Entry) if field.default is MISSING}
    words = ("id", "run", "cluster", "fault", "target", "undo")
    if not needed <= kept.keys() or not all(isinstance(kept[name], str) for name in words):
        return None
    return Entry(**kept)
