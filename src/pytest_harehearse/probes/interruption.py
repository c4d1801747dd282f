# SPDX-License-Identifier: MIT
"""From attempts to interruptions with strict bounds. Pure functions.

A success proves the service up at *some* instant between its sending and its end; a failure proves it not served
somewhere in that span. An interruption is a maximal run of failures (in the order sent) between successes. With
``t_x`` sent and ``t_f`` finished:

* upper bound: earliest ``t_f`` of all successes sent after it, minus latest ``t_x`` of the successes sent before it;
* lower bound: latest ``t_x`` of its failures, minus earliest ``t_f`` of its failures, never below 0.

No up before it: the start is open; no up after it: the end is open. An open interruption is *at least* its lower bound
and has no upper one. The verdict of a limit uses the upper bound.

Slow time is told by the same algebra: a run of slow answers between others, apart from the time not served at all.

What lies between two attempts that both failed counts as interrupted, and what lies between two that both succeeded
counts as served: a change and back that no attempt fell into cannot be seen, which is why the interval belongs to every
number, and why a span without evidence that is longer than the limit below makes the measurement unsound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pytest_harehearse.probes.attempts import Attempt, Outcome


@dataclass(frozen=True, slots=True)
class Outage:
    """One interruption: it began after ``start`` and was over by ``end`` (monotonic seconds; None: not seen)."""

    #: When the last success before it was sent; for an open start, when its first failure was sent.
    start: float
    #: When the first success after it finished; None while it goes on.
    end: float | None
    lower: float
    upper: float | None
    open_start: bool = False
    open_end: bool = False
    errors: dict[str, int] = field(default_factory=dict)
    #: The best single number between the bounds; None when there is no upper one.
    point: float | None = None


def _outage(last_up: float | None, failures: Sequence[Attempt], end: float | None, next_up: float | None) -> Outage:
    first, last = min(a.sent for a in failures), max(a.sent for a in failures)
    lower = max(0.0, last - min(a.done for a in failures))
    start = first if last_up is None else last_up
    upper = None if last_up is None or end is None else end - last_up
    point = None
    if upper is not None and last_up is not None and next_up is not None:
        # A service is reached soon after the sending, whenever the answer comes or does not: the middle between the
        # shortest and the longest by the sending alone.
        point = min(max(((last - first) + (next_up - last_up)) / 2, lower), upper)
    errors = Counter(a.outcome.value for a in failures)
    return Outage(start, end, lower, upper, last_up is None, end is None, dict(sorted(errors.items())), point)


def _runs(evidence: Iterable[Attempt], bad: Callable[[Attempt], bool]) -> tuple[Outage, ...]:
    """Return the runs of bad attempts, in the order sent, between the others."""
    runs: list[tuple[bool, list[Attempt]]] = []
    for attempt in sorted(evidence, key=order):
        verdict = bad(attempt)
        if runs and runs[-1][0] == verdict:
            runs[-1][1].append(attempt)
        else:
            runs.append((verdict, [attempt]))
    # Earliest end of the good ones sent after each run: a slow first success must not hide a quick later one.
    ends: list[float | None] = []
    earliest: float | None = None
    for is_bad, run in reversed(runs):
        ends.append(earliest)
        if not is_bad:
            done = min(a.done for a in run)
            earliest = done if earliest is None else min(earliest, done)
    ends.reverse()
    starts = [run[0].sent for _, run in runs[1:]] + [None]
    return tuple(
        _outage(runs[index - 1][1][-1].sent if index else None, run, ends[index], starts[index])
        for index, (is_bad, run) in enumerate(runs)
        if is_bad
    )


def _evidence(attempts: Iterable[Attempt]) -> list[Attempt]:
    return [a for a in attempts if a.outcome.up or a.outcome.down]


def outages(attempts: Iterable[Attempt]) -> tuple[Outage, ...]:
    """Return the interruptions that the attempts prove, in order.

    Attempts without evidence (not sent, unknown, misconfigured) are passed over: they neither begin nor end one, and
    the bounds widen by themselves where they are missing.
    """
    return _runs(_evidence(attempts), lambda a: a.outcome.down)


def slow_spans(attempts: Iterable[Attempt]) -> tuple[Outage, ...]:
    """Return the spans in which the service was served, but slowly, in order; what was not served is none of them."""
    return _runs(_evidence(attempts), lambda a: a.outcome is Outcome.SLOW)


def merge(*parts: Iterable[Attempt]) -> tuple[Attempt, ...]:
    """Return the attempts of several meters as one, in the order sent; it does not matter which are merged first."""
    return tuple(sorted((a for part in parts for a in part), key=order))


def order(attempt: Attempt) -> tuple[float, int, float, str]:
    """Return by what attempts are put in order: when they were sent; the rest only makes the order certain."""
    return attempt.sent, attempt.n, attempt.done, attempt.outcome.value


def total(found: Sequence[Outage]) -> tuple[float, float | None]:
    """Return the total lower and upper bound; windows that overlap are counted once in the upper one."""
    lower = sum((o.lower for o in found), 0.0)
    if any(o.upper is None for o in found):
        return lower, None
    upper, reach = 0.0, float("-inf")
    for outage in found:
        end = outage.start + (outage.upper or 0.0)
        upper += max(0.0, end - max(outage.start, reach))
        reach = max(reach, end)
    return lower, max(lower, upper)
