# SPDX-License-Identifier: MIT
"""Statistics of the tables. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """How some values are spread; all None when there were none."""

    n: int
    p50: float | None = None
    p99: float | None = None
    worst: float | None = None


def quantile(ordered: Sequence[float], part: float) -> float:
    """Return the smallest value that at least this part of the ordered ones do not exceed: never an invented one."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def spread(values: Iterable[float]) -> Spread:
    """Return how the sizes of these values are spread."""
    sizes = sorted(abs(value) for value in values)
    if not sizes:
        return Spread(0)
    return Spread(len(sizes), quantile(sizes, 0.5), quantile(sizes, 0.99), sizes[-1])


def share(flags: Iterable[bool]) -> float | None:
    """Return the part that is true; None of nothing."""
    all_of_them = list(flags)
    return sum(all_of_them) / len(all_of_them) if all_of_them else None
