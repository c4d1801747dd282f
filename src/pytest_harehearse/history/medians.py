# SPDX-License-Identifier: MIT
"""How much longer the median of one sample is than that of another, when each value is known by two bounds only. Pure.

A percentile bootstrap of the difference and the ratio of medians (B. Efron, R. Tibshirani, "An Introduction to the
Bootstrap", 1993, chapter 13), at 95 %. Each end takes the bounds that push it outwards: the low end the lower bounds of the
second sample and the upper bounds of the first, the high end the other way round; what has no upper bound counts as
infinitely long there. So the interval holds whatever the values are within their bounds.

Resamples are not made, only their medians: the middle order statistics of uniform draws are distributed by Beta, and say at
which rank of the sorted sample the median of a resample lies. That is the same bootstrap, at a cost that does not grow with
the sample. Each pair of draws is used both ways round, so that swapping the samples inverts the interval; seeded, so that the
same values give the same interval, in whatever order they come.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Final

#: Of the interval.
SURE: Final = 0.95
#: Pairs of medians drawn; each is used both ways round.
_DRAWS: Final = 2000
_SEED: Final = 20_240_229

#: (lower, upper) in seconds; the upper one is infinite where it is not known.
Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Interval:
    """By how much the second sample's median is above the first's: from, to. Ends may be infinite."""

    #: Seconds.
    difference: tuple[float, float]
    #: Times; of two that are nought it is 1, of something to nought infinite.
    ratio: tuple[float, float]


def interval(one: Sequence[Bounds], other: Sequence[Bounds]) -> Interval:
    """Return how much longer the second sample's median is than the first's.

    Args:
        one: of the first, not empty; seconds, no bound below nought.
        other: of the second, not empty.
    """
    left, right = _medians(one), _medians(other)
    pairs = [*zip(left[0], right[1], strict=True), *zip(left[1], right[0], strict=True)]
    edge = round(len(pairs) * (1 - SURE) / 2)
    low = [(b[0] - a[1], _ratio(b[0], a[1])) for a, b in pairs]
    high = [(b[1] - a[0], _ratio(b[1], a[0])) for a, b in pairs]
    ends = [
        (sorted(each[kind] for each in low)[edge], sorted(each[kind] for each in high)[-edge - 1]) for kind in (0, 1)
    ]
    return Interval(ends[0], ends[1])


def _medians(sample: Sequence[Bounds]) -> tuple[list[Bounds], list[Bounds]]:
    """Return two streams of a resample's median, by its lower and by its upper bounds."""
    lowers, uppers = sorted(lower for lower, _ in sample), sorted(upper for _, upper in sample)
    return tuple(
        [((lowers[i] + lowers[j]) / 2, (uppers[i] + uppers[j]) / 2) for i, j in _ranks(len(sample), stream)]
        for stream in (0, 1)
    )  # type: ignore[return-value]


@lru_cache(maxsize=64)
def _ranks(count: int, stream: int) -> tuple[tuple[int, int], ...]:
    """Return, for each draw, the ranks whose mean is the median of a resample of ``count`` values."""
    generator = random.Random(f"{_SEED}/{stream}/{count}")  # noqa: S311 - chance, no secret
    half = count // 2

    def rank(share: float) -> int:
        return min(count - 1, int(share * count))

    found = []
    for _ in range(_DRAWS):
        if count % 2:
            middle = rank(generator.betavariate(half + 1, half + 1))
            found.append((middle, middle))
        else:
            below = generator.betavariate(half, half + 1)
            above = below + (1 - below) * generator.betavariate(1, half)
            found.append((rank(below), rank(above)))
    return tuple(found)


def _ratio(above: float, below: float) -> float:
    if below:
        return above / below
    return inf if above else 1.0
