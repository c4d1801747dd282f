# SPDX-License-Identifier: MIT
"""Two clusters side by side: what users felt there, scenario by scenario, how much they differ, and what explains it. Pure.

How much the medians differ is told with an interval (``history.medians``), as wide as the bounds of the interruptions allow.
What is not soundly measured, or was still interrupted at the end, is in no median that is shown, but counted beside it; in the
interval it is whatever it may have been, from what was seen of it to for ever. So a claim holds whatever it was, and where
there is none because of it, the answer is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf, isfinite
from statistics import median
from typing import Final, Protocol

from pytest_harehearse.history.index.measured import Measured, ServiceMeasured
from pytest_harehearse.history.medians import Interval, interval
from pytest_harehearse.history.phases import PHASES
from pytest_harehearse.history.summary import Verdict
from pytest_harehearse.units import show

#: Fewer on a side prove nothing.
AT_LEAST: Final = 5
#: Phases that users do not feel: before the interruption, and after it.
_OUTSIDE: Final = frozenset({"served", "redundancy"})


class Answer(StrEnum):
    """What a comparison came to."""

    ALIKE = "alike"
    SLOWER = "slower"
    FASTER = "faster"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Point:
    """One rehearsal's interruption of one service, in seconds."""

    run: str
    at: str
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Side:
    """The rehearsals of one scenario on one cluster, for one service."""

    cluster: str
    points: tuple[Point, ...]
    #: Of each interruption that is not known (unsound, still open at the end, cut off), for how long it was seen at least.
    at_least: tuple[float, ...] = ()

    @property
    def not_known(self) -> int:
        """How many interruptions are not known."""
        return len(self.at_least)

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """Every interruption from what it was at least to what it was at most; infinite where nobody knows."""
        return [*((point.lower, point.upper) for point in self.points), *((lower, inf) for lower in self.at_least)]

    @property
    def middle(self) -> float | None:
        """The median of the upper bounds; None: there is none."""
        return median(point.upper for point in self.points) if self.points else None

    @property
    def worst(self) -> float | None:
        """The largest upper bound; None: there is none."""
        return max((point.upper for point in self.points), default=None)


@dataclass(frozen=True, slots=True)
class PhasePair:
    """The medians of one phase on both sides, in seconds; None: it was not seen there."""

    name: str
    one: float | None
    other: float | None

    @property
    def felt(self) -> bool:
        """Whether it is a part of the interruption; redundancy comes after it."""
        return self.name not in _OUTSIDE

    @property
    def deviation(self) -> float:
        """By how much the second one is longer; 0 where one of them is not known."""
        return 0.0 if self.one is None or self.other is None else self.other - self.one


class DriftRow(Protocol):
    """A difference of settings, as ``drift.compare`` finds it."""

    @property
    def path(self) -> str:
        """Which."""
        ...

    @property
    def acts_on(self) -> tuple[str, ...]:
        """Phases."""
        ...

    @property
    def severity(self) -> str:
        """What it does to a failover."""
        ...

    @property
    def values(self) -> Mapping[str, str | None]:
        """Where → value."""
        ...

    @property
    def reason(self) -> str:
        """Why it matters."""
        ...


@dataclass(frozen=True, slots=True)
class Pair:
    """One scenario and service on both sides."""

    scenario: str
    service: str
    one: Side
    other: Side
    answer: Answer
    #: In plain words.
    sentence: str
    #: How many times as long the second one is, and by how many seconds longer; None: too few to tell.
    interval: Interval | None = None
    phases: tuple[PhasePair, ...] = ()
    #: What explains it, the likeliest first.
    causes: tuple[DriftRow, ...] = ()

    @property
    def ratio(self) -> tuple[float, float] | None:
        """How many times as long the second one is: at least, and at most; None: too few to tell."""
        return None if self.interval is None else self.interval.ratio

    @property
    def largest(self) -> PhasePair | None:
        """The phase of the interruption that deviates most; None: none does."""
        found = max(
            (phase for phase in self.phases if phase.felt), key=lambda phase: abs(phase.deviation), default=None
        )
        return found if found is not None and found.deviation else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two clusters."""

    one: str
    other: str
    pairs: tuple[Pair, ...]
    #: Scenario → the only cluster that it was rehearsed on.
    lonely: Mapping[str, str] = field(default_factory=dict)

    @property
    def answer(self) -> Answer:
        """Slower if any is, else faster, else unknown if any is or there is nothing to compare."""
        found = {pair.answer for pair in self.pairs}
        order = (Answer.SLOWER, Answer.FASTER, Answer.UNKNOWN, Answer.ALIKE)
        return next((answer for answer in order if answer in found), Answer.UNKNOWN)


def compare(
    one: Iterable[Measured], other: Iterable[Measured], names: tuple[str, str], drift: Sequence[DriftRow] = ()
) -> Comparison:
    """Hold what was measured on two clusters, or in two runs, against each other.

    Args:
        one: of the first, as the lab.
        other: of the second, as production: it is told how much slower or faster that one is.
        names: of both.
        drift: differences of their settings, for what explains it.
    """
    left, right = _grouped(one), _grouped(other)
    pairs = [_pair(key, left[key], right[key], names, drift) for key in sorted(left.keys() & right.keys())]
    scenarios = [{scenario for scenario, _ in side} for side in (left, right)]
    lonely = dict.fromkeys(sorted(scenarios[0] - scenarios[1]), names[0])
    lonely |= dict.fromkeys(sorted(scenarios[1] - scenarios[0]), names[1])
    return Comparison(*names, tuple(pairs), lonely)


Found = list[tuple[Measured, ServiceMeasured]]


def _grouped(rehearsals: Iterable[Measured]) -> dict[tuple[str, str], Found]:
    groups: dict[tuple[str, str], Found] = {}
    for one in rehearsals:
        for service in one.services:
            groups.setdefault((one.scenario, service.name), []).append((one, service))
    return groups


def _side(name: str, found: Found) -> Side:
    points: list[Point] = []
    at_least: list[float] = []
    for one, service in found:
        if not service.valid:
            at_least.append(0.0)
        elif service.upper is None or one.verdict == Verdict.UNFINISHED:
            at_least.append(service.lower)
        else:
            points.append(Point(one.run, one.at.isoformat(timespec="seconds"), service.lower, service.upper))
    return Side(name, tuple(points), tuple(at_least))


def _pair(key: tuple[str, str], left: Found, right: Found, names: tuple[str, str], drift: Sequence[DriftRow]) -> Pair:
    one, other = _side(names[0], left), _side(names[1], right)
    phases = _phases(left, right)
    found = causes(phases, drift)
    fewest = min((one, other), key=lambda side: len(side.points))
    if len(fewest.points) < AT_LEAST:
        lost = f", {fewest.not_known} more not soundly measured" if fewest.not_known else ""
        sentence = f"too few rehearsals to tell: {len(fewest.points)} of at least {AT_LEAST} on {fewest.cluster}{lost}"
        return Pair(*key, one, other, Answer.UNKNOWN, sentence, phases=phases, causes=found)
    ends = interval(one.bounds, other.bounds)
    answer = _answer(ends, one, other)
    sentence = _sentence(answer, ends, one, other)
    return Pair(*key, one, other, answer, sentence, ends, phases, found if answer is not Answer.ALIKE else ())


def _answer(ends: Interval, one: Side, other: Side) -> Answer:
    low, high = ends.difference
    if low > 0:
        return Answer.SLOWER
    if high < 0:
        return Answer.FASTER
    unsure = (one.not_known or other.not_known) and not (isfinite(low) and isfinite(high))
    return Answer.UNKNOWN if unsure else Answer.ALIKE


def _sentence(answer: Answer, ends: Interval, one: Side, other: Side) -> str:
    """Return what a comparison came to in plain words."""
    low, high = ends.ratio
    if answer is Answer.SLOWER:
        return _slower("slower", one.cluster, other.cluster, other.cluster, low, high)
    if answer is Answer.FASTER:
        most = 1 / low if low else inf
        return _slower("faster", other.cluster, one.cluster, other.cluster, 1 / high if high else inf, most)
    if answer is Answer.UNKNOWN:
        lost = [
            f"{side.not_known} of {side.not_known + len(side.points)} on {side.cluster}"
            for side in (one, other)
            if side.not_known
        ]
        return f"not known: not soundly measured, or still interrupted at the end, were {' and '.join(lost)}"
    if not any(side.middle for side in (one, other)):
        return "neither was interrupted, most of the time"
    if low and isfinite(high):
        return f"no difference to be seen: {other.cluster} takes {low:.2g} to {high:.2g} times as long as {one.cluster}"
    less, more = ends.difference
    return f"no difference to be seen: {other.cluster} takes {show(-less)} less to {show(more)} more than {one.cluster}"


def _slower(word: str, quick: str, slow: str, told: str, low: float, high: float) -> str:
    if not isfinite(low):
        return f"{slow} is interrupted, {quick} is not, most of the time"
    return f"{told} is {_times(low, high)} times {word}"


def _times(low: float, high: float) -> str:
    """Return a range of times above 1, with as many digits as it takes to see that it is one, and above 1."""
    if not isfinite(high):
        return f"at least {low:.1f}" if low >= 1.05 else f"at least {low:.6g}"
    for digits in (1, 2, 3):
        ends = f"{low:.{digits}f}", f"{high:.{digits}f}"
        if float(ends[0]) > 1 and ends[0] != ends[1]:
            return " to ".join(ends)
    # Beyond a thousandth nobody asks for more.
    return f"{low:.1f}" if low >= 1.05 else f"{low:.6g}"


def _phases(left: Found, right: Found) -> tuple[PhasePair, ...]:
    order = list(PHASES.values())
    seen = {name for one, _ in (*left, *right) for name in one.phases}
    names = sorted(seen, key=lambda name: (order.index(name) if name in order else len(order), name))
    return tuple(PhasePair(name, _middle(left, name), _middle(right, name)) for name in names if name != "served")


def _middle(found: Found, name: str) -> float | None:
    lengths = [one.phases[name] for one, _ in found if name in one.phases]
    return median(lengths) if lengths else None


_SEVERITIES: Final = ("forbidden", "watch", "note")


def causes(phases: Sequence[PhasePair], drift: Sequence[DriftRow], most: int = 5) -> tuple[DriftRow, ...]:
    """Return the differences of settings that act on phases that deviate, the largest deviation first, then by severity.

    Those that act on what users felt come before those that act on redundancy alone.
    """
    deviations = {phase.name: (phase.felt, abs(phase.deviation)) for phase in phases if phase.deviation}

    def weight(row: DriftRow) -> tuple[bool, float]:
        return max((deviations[name] for name in row.acts_on if name in deviations), default=(False, 0.0))

    order = {name: number for number, name in enumerate(_SEVERITIES)}
    acting = sorted((row for row in drift if weight(row)[1]), key=lambda row: (order.get(row.severity, 9), row.path))
    return tuple(sorted(acting, key=weight, reverse=True)[:most])
