# SPDX-License-Identifier: MIT
"""What a scripted service does, and when: shapes, lengths by chance, and the truth as it was carried out."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

#: Shape → what a client meets. All but the last three are one interruption for as long as they last.
SHAPES = {
    "refuse": "the port is closed",
    "black hole": "connection requests are dropped by a full accept queue",
    "hang": "the connection is accepted, nothing is ever answered",
    "reset": "the connection is accepted and reset",
    "too slow": "answered, but after the client's deadline",
    "503": "answered with 503",
    "flapping": "refused for 40 % of every tenth of its length, served in between: several short interruptions",
}
SHORTEST_S, LONGEST_S = 0.02, 20.0
#: A flap is a part of this many; no flap is shorter than this (seconds), or no meter could see it.
FLAPS, SHORTEST_FLAP_S = 5, 0.05


@dataclass(frozen=True)
class Step:
    """A service leaves its healthy state for ``length`` seconds, ``at`` seconds after the beginning."""

    shape: str
    at: float
    length: float

    def states(self) -> list[tuple[float, float, str]]:
        """Return (from, to, state) of each stretch that is not healthy."""
        if self.shape != "flapping":
            return [(self.at, self.at + self.length, self.shape)]
        part = self.length / FLAPS
        return [(self.at + n * part, self.at + (n + 0.4) * part, "refuse") for n in range(FLAPS)]


@dataclass(frozen=True)
class Truth:
    """One step as it was carried out: seconds not served at least and at most, and from when to when (monotonic)."""

    shape: str
    start: float
    end: float
    least: float
    most: float
    states: int

    @property
    def seconds(self) -> float:
        """The middle of what is known; ``most - least`` is the time that switching took."""
        return (self.least + self.most) / 2


def steps(seed: int, until: float, *, longest: float = LONGEST_S, shapes: tuple[str, ...] = tuple(SHAPES)) -> list[Step]:
    """Return steps by chance: lengths log-uniform, healthy for 0.7 to 1.5 s in between, so that none runs into the next."""
    dice = random.Random(seed)
    found, t = [], 1.0 + dice.random()
    while True:
        shape = dice.choice(shapes)
        shortest = SHORTEST_FLAP_S / 0.4 * FLAPS if shape == "flapping" else SHORTEST_S
        length = math.exp(dice.uniform(math.log(shortest), math.log(max(longest, shortest))))
        if t + length + 1.5 > until:
            return found
        found.append(Step(shape, t, length))
        t += length + dice.uniform(0.7, 1.5)
