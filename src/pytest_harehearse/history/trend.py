# SPDX-License-Identifier: MIT
"""Whether interruptions became longer or shorter: the latest against the ones before, and since which run. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

#: The latest is held against so many before it.
LAST: Final = 12
#: On each side of a change point there are at least so many, else chance alone would make one.
SIDE: Final = 4
#: A change is told when chance makes as large a one less often than this.
CHANCE: Final = 0.01
#: How often the order is shuffled to learn what chance makes, and the seed of that: the same data, the same answer.
_SHUFFLES: Final = 1000
_SEED: Final = 20_240_229
#: The longest series that is looked through for a change; older points are left out.
MOST: Final = 400


@dataclass(frozen=True, slots=True)
class Point:
    """One rehearsal's upper bound, in seconds, and the run that it was measured in."""

    run: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Change:
    """Since ``run`` (the point of this number) the median is ``seconds`` more than before; less when negative."""

    run: str
    number: int
    seconds: float
    #: How often chance alone makes as large a one, 0 to 1.
    chance: float


@dataclass(frozen=True, slots=True)
class Trend:
    """One series."""

    points: tuple[Point, ...]
    #: The latest minus the median of those before it; None: there are none before it.
    against_last: float | None
    change: Change | None
    #: Why no change could be looked for; None: it could.
    problem: str | None = None


def trend(points: Sequence[Point], last: int = LAST) -> Trend:
    """Return what a series of interruptions tells.

    Args:
        points: the oldest first; interruptions that are not known are left out by the caller, and told by it.
        last: the latest one is held against so many before it.
    """
    before = [point.seconds for point in points[-last - 1 : -1]]
    against = points[-1].seconds - median(before) if before else None
    looked = points[-MOST:]
    if len(looked) < 2 * SIDE:
        why = f"too few to look for a change: {len(looked)} of at least {2 * SIDE}"
        return Trend(tuple(points), against, None, why)
    found = _change([point.seconds for point in looked])
    if found is None:
        return Trend(tuple(points), against, None)
    at, chance = found
    by = median(p.seconds for p in looked[at:]) - median(p.seconds for p in looked[:at])
    number = at + len(points) - len(looked)
    return Trend(tuple(points), against, Change(looked[at].run, number, by, chance) if by else None)


def _change(values: Sequence[float]) -> tuple[int, float] | None:
    """Return where the series splits best, and how often chance splits one as well; None: oftener than ``CHANCE``.

    Pettitt's statistic (A. N. Pettitt, "A non-parametric approach to the change-point problem", Applied Statistics 28,
    1979): the largest rank sum of one side against its expectation over all splits; here with at least ``SIDE`` on
    each side, and its distribution under chance by shuffling, not by the paper's approximation for long series.
    """
    ranks = _ranks(values)
    at, most = _best(ranks)
    if most == 0:
        return None
    shuffled = list(ranks)
    generator = random.Random(_SEED)  # noqa: S311 - chance, no secret
    as_large = 0
    for _ in range(_SHUFFLES):
        generator.shuffle(shuffled)
        as_large += _best(shuffled)[1] >= most
    # One more on both: the order that was seen is one of those that chance makes.
    chance = (as_large + 1) / (_SHUFFLES + 1)
    return (at, chance) if chance < CHANCE else None


def _ranks(values: Sequence[float]) -> list[float]:
    """Return the rank of each value less the mean rank; equal values share theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    at = 0
    while at < len(order):
        end = at
        while end + 1 < len(order) and values[order[end + 1]] == values[order[at]]:
            end += 1
        for place in order[at : end + 1]:
            ranks[place] = (at + end) / 2 - (len(values) - 1) / 2
        at = end + 1
    return ranks


def _best(ranks: Sequence[float]) -> tuple[int, float]:
    """Return the split with the largest rank sum on its left, by size, and that size scaled by the split's spread."""
    total, best, most = 0.0, 0, 0.0
    count = len(ranks)
    for at in range(1, count - SIDE + 1):
        total += ranks[at - 1]
        if at >= SIDE:
            size = abs(total) / (at * (count - at)) ** 0.5
            if size > most + 1e-12:
                best, most = at, size
    return best, most
