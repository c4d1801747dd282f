# SPDX-License-Identifier: MIT
"""Compares what the meter says of each scripted interruption with the truth. Pure functions.

Each interruption is judged by the attempts around it alone, from halfway to the one before to halfway to the one after,
as a watch of its own would have been: the product's own functions make bounds, or "unknown", of them.

* Interruptions with a duration: in bounds when lower ≤ truth ≤ upper (totals, for flapping).
* Brown-out: "not served" has no duration there, only requests that failed. In bounds when as many attempts failed as
  the server decided to fail, no interruption is found apart from the brown-out, and the total lower bound is not longer
  than it.
* Sluggish: in bounds when no interruption is found, and the bounds of the *slow* time hold the truth.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.states import State
from tests.bench.truth import Truth

from pytest_harehearse.probes.attempts import AttemptsFile
from pytest_harehearse.probes.measurement import Measurement, measure_file

#: A window ends at most this far (seconds) from its interruption.
REACH_S = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one scripted interruption."""

    truth: Truth
    lower: float = 0.0
    upper: float | None = None
    #: The product's best single number.
    point: float | None = None
    #: None: unknown or not used.
    in_bounds: bool | None = None
    #: Why the product itself says unknown; None when it does not.
    unknown: str | None = None
    #: Failed attempts, and all that prove something, of a brown-out.
    failed: int = 0
    asked: int = 0

    @property
    def used(self) -> bool:
        """True when truth and measurement are both certain."""
        return self.truth.uncertain is None and self.unknown is None

    @property
    def width(self) -> float | None:
        """How far apart the bounds are."""
        return None if self.upper is None else self.upper - self.lower

    @property
    def middle(self) -> float | None:
        """The middle of the bounds."""
        return None if self.upper is None else (self.lower + self.upper) / 2


def cut(file: AttemptsFile, begin: float, end: float) -> AttemptsFile:
    """Return the part of a measurement that was sent between two instants."""
    first = bisect.bisect_left(file.attempts, begin, key=lambda a: a.sent)
    last = bisect.bisect_left(file.attempts, end, key=lambda a: a.sent)
    return dataclasses.replace(
        file,
        attempts=file.attempts[first:last],
        stalls=tuple((a, b) for a, b in file.stalls if a < end and begin < b),
        control=tuple((a, b) for a, b in file.control if a < end and begin < b),
    )


def windows(truths: Sequence[Truth], reach: float = REACH_S) -> list[tuple[float, float]]:
    """Return for each interruption of one target, in order, from where to where it is looked at."""
    found = []
    for index, truth in enumerate(truths):
        begin = truth.begin - reach if index == 0 else max(truth.begin - reach, _between(truths[index - 1], truth))
        after = truth.end + reach
        end = after if index + 1 == len(truths) else min(after, _between(truth, truths[index + 1]))
        found.append((begin, end))
    return found


def _between(one: Truth, other: Truth) -> float:
    return (one.end + other.begin) / 2


def _brown_out_holds(truth: Truth, part: AttemptsFile, found: Measurement) -> bool:
    failures = sum(a.outcome.down for a in part.attempts)
    decided = sum(failed for _, failed in truth.decisions)
    inside = all(o.start <= truth.end and (o.end is None or o.end >= truth.begin) for o in found.outages)
    return failures == decided and inside and found.total_lower <= truth.longest


def judge(truth: Truth, part: AttemptsFile) -> Verdict:
    """Judge one interruption by the attempts around it."""
    found = measure_file(part)
    lower, upper = found.total_lower, found.total_upper
    if truth.shape == State.SLUGGISH:
        lower, upper = found.slow.lower, found.slow.upper
    holds = lower <= truth.longest and (upper is None or upper >= truth.shortest)
    if truth.shape == State.BROWN_OUT:
        holds = _brown_out_holds(truth, part, found)
    elif truth.shape == State.SLUGGISH:
        holds = holds and not found.outages
    inside = [a for a in part.attempts if truth.begin <= a.sent <= truth.end]
    return Verdict(
        truth,
        lower,
        upper,
        found.point,
        holds if found.valid and truth.uncertain is None else None,
        found.reason,
        sum(a.outcome.down for a in inside),
        sum(a.outcome.up or a.outcome.down for a in inside),
    )


def judge_target(truths: Sequence[Truth], file: AttemptsFile) -> list[Verdict]:
    """Judge all interruptions of one target."""
    ordered = sorted(truths, key=lambda t: t.begin)
    return [judge(truth, cut(file, *window)) for truth, window in zip(ordered, windows(ordered), strict=True)]


def phantoms(truths: Sequence[Truth], file: AttemptsFile) -> list[tuple[float, float | None]]:
    """Return the interruptions found that touch no scripted one: (start, end)."""
    spans = [(t.begin, t.end) for t in truths]
    return [
        (o.start, o.end)
        for o in measure_file(file).outages
        if not any(o.start <= end and (o.end is None or begin <= o.end) for begin, end in spans)
    ]


def wrong(verdicts: Sequence[Verdict], most: int = 20) -> list[str]:
    """Return a note on each interruption whose truth does not lie in the bounds."""
    return [
        f"out of bounds: {v.truth.shape} on {v.truth.target}, true {v.truth.middle * 1000:.1f} ms, said "
        f"{v.lower * 1000:.1f} to {'–' if v.upper is None else f'{v.upper * 1000:.1f}'} ms; {v.failed} of {v.asked} asks "
        f"failed, {sum(failed for _, failed in v.truth.decisions)} of {len(v.truth.decisions)} decided so"
        for v in verdicts
        if v.in_bounds is False
    ][:most]
