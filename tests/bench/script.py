# SPDX-License-Identifier: MIT
"""Makes scripts: which target is in which state when. Pure functions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.bench.states import FLAPPING, State

#: Shortest and longest duration (seconds) by shape; log-uniform in between.
DURATIONS: Final = {
    State.REFUSE.value: (0.02, 20.0),
    State.BLACK_HOLE.value: (0.02, 20.0),
    State.HANG.value: (0.02, 20.0),
    State.RESET.value: (0.02, 20.0),
    State.LATE.value: (0.02, 20.0),
    State.UNAVAILABLE.value: (0.02, 20.0),
    # Each of its refusals; there are several.
    FLAPPING: (0.02, 0.5),
    # Shorter ones may not fail a single request.
    State.BROWN_OUT.value: (0.5, 10.0),
    State.SLUGGISH.value: (0.05, 5.0),
}
INTERRUPTIONS: Final = tuple(shape for shape in DURATIONS if shape != State.SLUGGISH.value)
#: What a user who only looks at single requests and knows nothing of limits can see, too.
PLAIN: Final = (
    State.REFUSE.value,
    State.BLACK_HOLE.value,
    State.HANG.value,
    State.RESET.value,
    State.UNAVAILABLE.value,
)
FLAPS: Final = (2, 5)
FLAP_GAP_S: Final = (0.06, 0.3)


@dataclass(frozen=True, slots=True)
class Episode:
    """One scripted interruption: its spans (from, to) as offsets from the beginning; several for flapping."""

    label: int
    target: str
    shape: str
    spans: tuple[tuple[float, float], ...]

    @property
    def state(self) -> str:
        """The state in its spans."""
        return State.REFUSE.value if self.shape == FLAPPING else self.shape

    @property
    def end(self) -> float:
        """Offset of its end."""
        return self.spans[-1][1]


def durations(shape: str, count: int, dice: random.Random, longest: float | None = None) -> list[float]:
    """Return durations spread evenly over the logarithm, at random within equal parts, in random order."""
    low, high = DURATIONS[shape]
    high = high if longest is None else max(low, min(high, longest))
    found = [low * (high / low) ** ((part + dice.random()) / count) for part in range(count)]
    dice.shuffle(found)
    return found


def _spans(shape: str, duration: float, dice: random.Random) -> list[tuple[float, float]]:
    if shape != FLAPPING:
        return [(0.0, duration)]
    spans, at = [], 0.0
    for number in range(dice.randint(*FLAPS)):
        length = duration if number == 0 else durations(shape, 1, dice)[0]
        spans.append((at, at + length))
        at += length + dice.uniform(*FLAP_GAP_S)
    return spans


def make(
    targets: Sequence[str],
    counts: dict[str, int],
    *,
    seed: int,
    gap: tuple[float, float],
    first: int = 0,
    longest: float | None = None,
    until: float | None = None,
) -> list[Episode]:
    """Return a script for these targets, each busy about as long as the others.

    Args:
        targets: their names.
        counts: shape → number of interruptions.
        seed: of everything random.
        gap: shortest and longest time between two interruptions of a target (seconds).
        first: number of the first.
        longest: no duration is longer than this (seconds).
        until: leave out what would end after this (seconds).
    """
    dice = random.Random(seed)
    wanted = [
        (shape, duration) for shape, count in counts.items() for duration in durations(shape, count, dice, longest)
    ]
    dice.shuffle(wanted)
    free = {target: dice.uniform(*gap) for target in targets}
    script = []
    for shape, duration in wanted:
        target = min(free, key=lambda name: free[name])
        spans = tuple((free[target] + a, free[target] + b) for a, b in _spans(shape, duration, dice))
        if until is not None and spans[-1][1] > until:
            continue
        script.append(Episode(first + len(script), target, shape, spans))
        free[target] = spans[-1][1] + dice.uniform(*gap)
    return script


def steps(script: Sequence[Episode]) -> dict[str, list[tuple[float, str, int]]]:
    """Return what the server is to do: target → (offset, state from then on, number of the interruption)."""
    found: dict[str, list[tuple[float, str, int]]] = {}
    for episode in script:
        for begin, end in episode.spans:
            found.setdefault(episode.target, []).append((begin, episode.state, episode.label))
            found[episode.target].append((end, State.OK.value, episode.label))
    return found
