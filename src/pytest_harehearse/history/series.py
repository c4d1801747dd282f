# SPDX-License-Identifier: MIT
"""The history of a cluster, scenario by scenario: the last rehearsal, what is usual, the worst, and the trend. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from pytest_harehearse.history.index.measured import Measured
from pytest_harehearse.history.trend import LAST, Point, Trend, trend


@dataclass(frozen=True, slots=True)
class Series:
    """The rehearsals of one scenario on one cluster, the oldest first; lengths in seconds."""

    cluster: str
    kind: str
    scenario: str
    rehearsals: tuple[Measured, ...]
    trend: Trend
    #: Verdict → how many.
    verdicts: dict[str, int]
    #: How many interruptions are not known: unsound, open, or not watched. They are in no median.
    not_known: int

    @property
    def last(self) -> Measured:
        """The latest rehearsal."""
        return self.rehearsals[-1]

    @property
    def usual(self) -> float | None:
        """The median interruption (upper bounds); None: none is known."""
        return median(p.seconds for p in self.trend.points) if self.trend.points else None

    @property
    def worst(self) -> float | None:
        """The longest interruption (upper bounds); None: none is known."""
        return max((p.seconds for p in self.trend.points), default=None)


def by_scenario(rehearsals: Iterable[Measured], last: int = LAST) -> list[Series]:
    """Return the series of each scenario on each cluster, sorted by cluster and scenario.

    Args:
        rehearsals: the oldest first.
        last: the latest interruption is held against so many before it.
    """
    groups: dict[tuple[str, str], list[Measured]] = {}
    for one in rehearsals:
        groups.setdefault((one.cluster, one.scenario), []).append(one)
    return [_series(found, last) for _, found in sorted(groups.items())]


def _series(found: list[Measured], last: int) -> Series:
    known = [Point(one.run, one.interruption) for one in found if one.interruption is not None]
    latest = found[-1]
    return Series(
        latest.cluster, latest.kind, latest.scenario, tuple(found), trend(known, last),
        dict(Counter(one.verdict for one in found)), len(found) - len(known),
    )  # fmt: skip
