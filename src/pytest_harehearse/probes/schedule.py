# SPDX-License-Identifier: MIT
"""When each attempt is due: fixed in advance, so that no answer and no silence ever moves the next ask."""

from __future__ import annotations

import math
import random
from typing import Final

#: Part of the interval by which each attempt is moved at random, against beating with the service's own timers …
JITTER: Final = 0.04
#: … and the regular step: with the jitter, and what the meter itself and the service take, no two attempts are sent
#: further apart than the interval.
STEP: Final = 0.88
#: An attempt that is late by an interval, at least by this (seconds), is left out instead of sent in a burst.
SMALLEST_LAG_S: Final = 0.005


class Schedule:
    """The due times of one service: a regular step and a small jitter; the same for the same seed.

    Two attempts are due 0.84 to 0.92 intervals apart.
    """

    def __init__(self, begin: float, every: float, seed: int) -> None:
        self.begin = begin
        self.every = every
        self.n = 0
        self._random = random.Random(seed)  # noqa: S311 - a jitter, no secret

    def next(self) -> tuple[int, float]:
        """Return number and due time of the next attempt."""
        n = self.n
        self.n += 1
        return n, self.begin + n * STEP * self.every + self._random.uniform(0.0, JITTER * self.every)

    def missed(self, due: float, now: float) -> bool:
        """Tell whether an attempt comes too late to be sent."""
        return now - due > max(self.every, SMALLEST_LAG_S)


def most_at_once(every: float, timeout: float) -> int:
    """Return how many attempts of a service may run side by side."""
    return math.ceil(timeout / every) + 4
