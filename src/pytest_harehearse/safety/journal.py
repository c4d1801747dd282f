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
from dataclasses import asdict, dataclass
from pathlib import Path


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


class Journal:
    """The journal of one store (``journal.jsonl``)."""

    def __init__(self, store: Path) -> None:
        self.path = store / "journal.jsonl"

    def open(self, *, run: str, cluster: str, fault: str, target: str, undo: str) -> Entry:
        """Write the entry to disk and return it; only then may the strike be made.

        Raises:
            OSError: when it cannot be brought to disk; then nothing may be struck.
        """
        at = time.time()
        entry = Entry(f"{run}/{fault}/{target}/{at:.6f}", run, cluster, fault, target, undo, at, os.getpid())
        self._append({"open": asdict(entry)})
        return entry

    def close(self, entry: Entry, how: str) -> None:
        """Record that the entry was undone and that this was verified."""
        self._append({"close": entry.id, "how": how, "at": time.time()})

    def still_open(self, cluster: str | None = None) -> list[Entry]:
        """Return the open entries, of one cluster or of all, oldest first."""
        found: dict[str, Entry] = {}
        if not self.path.exists():
            return []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                # Torn by a kill while it was written: the strike it announces was then never made.
                continue
            if "open" in row:
                entry = Entry(**row["open"])
                found[entry.id] = entry
            else:
                found.pop(row.get("close", ""), None)
        return [entry for entry in found.values() if cluster in {None, entry.cluster}]

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
