# SPDX-License-Identifier: MIT
"""One clock for everything on the runner.

Durations come from ``CLOCK_MONOTONIC``, which all processes of a Linux machine share, so the meter's attempts and the
test's events stand on one axis; the wall clock is read once, as an anchor, and only to name instants for people.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Anchor:
    """The same instant on both clocks: ``wall`` in Unix seconds, ``mono`` in monotonic seconds."""

    wall: float
    mono: float

    def at(self, mono: float) -> datetime:
        """Return the wall-clock time (UTC) of a monotonic instant."""
        return datetime.fromtimestamp(self.wall + mono - self.mono, UTC)

    def iso(self, mono: float) -> str:
        """Return a monotonic instant as ISO 8601 in UTC with milliseconds."""
        return self.at(mono).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def anchor() -> Anchor:
    """Read both clocks as close together as can be."""
    return Anchor(wall=time.time(), mono=time.monotonic())


def now() -> float:
    """Monotonic seconds."""
    return time.monotonic()
