# SPDX-License-Identifier: MIT
"""Writes one service's attempts file, and keeps the count that the live line shows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pytest_harehearse.probes.attempts import Attempt, Outcome, encode_attempt


class Recorder:
    """Appends to one attempts file; lines reach the kernel at each ``flush``."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self._lines = [json.dumps(header, ensure_ascii=False)]
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self.count = 0
        self.not_sent = 0
        self.ok = 0
        self.last: Attempt | None = None
        self._last_up: float | None = None
        self._down_since: float | None = None
        self.flush()

    def add(self, attempt: Attempt) -> None:
        """Keep one attempt."""
        self._lines.append(encode_attempt(attempt))
        self.count += 1
        self.not_sent += attempt.outcome is Outcome.NOT_SENT
        if attempt.outcome.up:
            self.ok += 1
            self._last_up = max(attempt.sent, self._last_up or attempt.sent)
            if self._down_since is not None and attempt.sent >= self._down_since:
                self._down_since = None
        elif attempt.outcome.down and self._down_since is None and attempt.sent >= (self._last_up or 0.0):
            self._down_since = attempt.sent
        if self.last is None or attempt.sent >= self.last.sent:
            self.last = attempt

    def tell(self, what: dict[str, Any]) -> None:
        """Keep something about the runner itself: a stall, the control target lost, a note."""
        self._lines.append(json.dumps(what))

    def interrupted_for(self, now: float) -> float | None:
        """Return how long the service has been failing, for the live line; None while it answers."""
        return None if self._down_since is None else now - self._down_since

    def flush(self) -> None:
        """Hand everything to the kernel.

        Raises:
            OSError: when the disk is full or gone; the meter then ends without its end line.
        """
        if not self._lines:
            return
        data = ("\n".join(self._lines) + "\n").encode(errors="backslashreplace")
        self._lines.clear()
        while data:
            data = data[os.write(self._fd, data) :]

    def end(self, t: float) -> None:
        """Write the end line and bring the file to disk."""
        self._lines.append(json.dumps({"end": round(t, 6)}))
        self.flush()
        os.fsync(self._fd)
        os.close(self._fd)
