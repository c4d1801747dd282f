# SPDX-License-Identifier: MIT
"""From a tool's single samples to the seconds its user would name. Pure functions."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from tests.bench.judge import windows
from tests.bench.truth import Truth

#: A tool's samples are looked at up to this far (seconds) from an interruption, at most halfway to the next.
REACH_S = 3.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One ask of a tool: when (monotonic seconds), and whether it was good."""

    at: float
    good: bool


def counted(samples: Sequence[Sample], period: float) -> float:
    """Return failures × period."""
    return period * sum(not sample.good for sample in samples)


def last_to_first(samples: Sequence[Sample]) -> float:
    """Return the time from the last good one before each run of failures to the first good one after it."""
    total, last, inside = 0.0, None, False
    for good, run in groupby(samples, key=lambda sample: sample.good):
        held = list(run)
        if good:
            if inside and last is not None:
                total += held[0].at - last
            last = held[-1].at
        inside = not good
    return total


def readings(samples: Sequence[Sample], truths: Sequence[Truth], period: float) -> dict[str, list[tuple[Truth, float]]]:
    """Return what a user would read of each interruption, by way of reading; of those whose truth is certain."""
    ordered = sorted(truths, key=lambda t: t.begin)
    counts, spans = [], []
    for truth, (begin, end) in zip(ordered, windows(ordered, REACH_S), strict=True):
        if truth.uncertain is not None:
            continue
        first = bisect.bisect_left(samples, begin, key=lambda s: s.at)
        part = samples[first : bisect.bisect_left(samples, end, key=lambda s: s.at)]
        counts.append((truth, counted(part, period)))
        spans.append((truth, last_to_first(part)))
    return {"failures × period": counts, "last good to first good": spans}
