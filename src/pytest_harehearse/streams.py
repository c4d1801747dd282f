# SPDX-License-Identifier: MIT
"""Streams of events on disk: one writer each, whole up to the last instant; a run has one, and one for each of its workers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TextIO

from pytest_harehearse.events import Event, decode, encode


class EventLog:
    """Appends events to ``events.jsonl``; each line is handed to the kernel at once, so a killed run loses none."""

    def __init__(self, path: Path, clean: Callable[[str], str] | None = None) -> None:
        self.path = path
        self._clean = clean
        self._lock = threading.Lock()
        # Half a character (an argument that is no UTF-8) becomes JSON's own escape for it, and comes back as it was.
        self._file: TextIO | None = path.open("a", encoding="utf-8", errors="backslashreplace")

    def write(self, event: Event) -> None:
        """Append one event.

        Raises:
            OSError: when the disk is full or gone; an event that cannot be kept must not pass unnoticed.
        """
        line = encode(event, self._clean) + "\n"
        with self._lock:
            if self._file is None:
                raise OSError(f"{self.path} is closed; the event {type(event).__name__} came too late")
            self._file.write(line)
            self._file.flush()

    def close(self) -> None:
        """Bring the stream to disk and close it; a second call does nothing."""
        with self._lock:
            if self._file is not None:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._file = None


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a run; a torn last line (the run was killed while writing) is left out.

    Raises:
        ValueError: when a line before the last cannot be read: the file was damaged, and a number from it cannot be
            trusted.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            event = decode(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise ValueError(f"{path}:{number}: {error}") from error
        if event is not None:
            yield event


#: The stream of a run, and those of the workers that took part in it.
STREAM: Final = "events.jsonl"
PARTS: Final = "events-*.jsonl"


def streams(directory: Path) -> list[Path]:
    """Return the files of a run's events: its own first, then those of its workers in their order."""
    return [directory / STREAM, *sorted(directory.glob(PARTS), key=_numbered)]


def _numbered(path: Path) -> tuple[int, str]:
    """gw2 comes before gw10."""
    return len(path.name), path.name


def read_run(directory: Path) -> list[Event]:
    """Return everything that happened in a run, stream by stream; within each in the order in which it was written.

    Raises:
        ValueError: a stream is damaged.
        OSError: one cannot be read.
    """
    return [event for path in streams(directory) for event in read_events(path)]
