# SPDX-License-Identifier: MIT
"""From attempts to interruptions with strict bounds. Pure functions.

A success proves the service up at *some* instant between its sending and its end; a failure proves it not served
somewhere in that span. An interruption is a maximal run of failures (in the order sent) between successes. With
``t_x`` sent and ``t_f`` finished:

* upper bound: earliest ``t_f`` of all successes sent after it, minus latest ``t_x`` of the successes sent before it;
* lower bound: latest ``t_x`` of its failures, minus earliest ``t_f`` of its failures, never below 0.

No up before it: the start is open; no up after it: the end is open. An open interruption is *at least* its lower bound
and has no upper one. The verdict of a limit uses the upper bound.

What lies between two attempts that both failed counts as interrupted, and what lies between two that both succeeded
counts as served: a change and back that no attempt fell into cannot be seen, which is why the interval belongs to every
number, and why a span without evidence that is longer than the limit below makes the measurement unsound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from pytest_harehearse.probes.attempts import Attempt, Outcome

#: The meter may lag behind its schedule this long (seconds), or five intervals, before its result is unsound.
STALL_LIMIT_S: Final = 0.25
STALL_LIMIT_INTERVALS: Final = 5
#: Failures that no stall of the meter can bring about: somebody answered.
_STALL_PROOF: Final = frozenset({Outcome.REFUSED, Outcome.READ_ONLY})


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


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a service's attempts prove."""

    attempts: int
    not_sent: int
    valid: bool
    #: Why the measurement is not sound; None when it is.
    reason: str | None
    outages: tuple[Outage, ...]
    total_lower: float
    total_upper: float | None
    errors: dict[str, int]

    @property
    def interrupted(self) -> bool:
        """True when at least one failure was seen."""
        return bool(self.outages)


def _outage(last_up: float | None, failures: Sequence[Attempt], end: float | None) -> Outage:
    lower = max(0.0, max(a.sent for a in failures) - min(a.done for a in failures))
    start = min(a.sent for a in failures) if last_up is None else last_up
    upper = None if last_up is None or end is None else end - last_up
    errors = Counter(a.outcome.value for a in failures)
    return Outage(start, end, lower, upper, last_up is None, end is None, dict(sorted(errors.items())))


def outages(attempts: Iterable[Attempt]) -> tuple[Outage, ...]:
    """Return the interruptions that the attempts prove, in order.

    Attempts without evidence (not sent, unknown, misconfigured) are passed over: they neither begin nor end one, and
    the bounds widen by themselves where they are missing.
    """
    evidence = sorted((a for a in attempts if a.outcome.up or a.outcome.down), key=lambda a: (a.sent, a.n))
    runs: list[list[Attempt]] = []
    for attempt in evidence:
        if runs and runs[-1][0].outcome.up == attempt.outcome.up:
            runs[-1].append(attempt)
        else:
            runs.append([attempt])
    # Earliest end of the successes sent after each run: a slow first success must not hide a quick later one.
    ends: list[float | None] = []
    earliest: float | None = None
    for run in reversed(runs):
        ends.append(earliest)
        if run[0].outcome.up:
            done = min(a.done for a in run)
            earliest = done if earliest is None else min(earliest, done)
    ends.reverse()
    return tuple(
        _outage(runs[index - 1][-1].sent if index else None, run, ends[index])
        for index, run in enumerate(runs)
        if run[0].outcome.down
    )


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


def _stall_reason(stalls: Sequence[tuple[float, float]], every: float) -> str | None:
    limit = max(STALL_LIMIT_S, STALL_LIMIT_INTERVALS * every)
    long = [end - start for start, end in stalls if end - start > limit]
    if not long:
        return None
    return (
        f"the runner itself stalled for {max(long):.2f} s ({len(long)} time{'s' if len(long) > 1 else ''} over "
        f"{limit:.2f} s), so nothing was asked meanwhile"
    )


def _blind_reason(attempts: Sequence[Attempt], sound: Sequence[Attempt], every: float) -> str | None:
    """Say whether an interruption could hide where nothing was learnt: between successes, or at the ends.

    Beside a failure no such span can hide anything: the bounds reach across it.
    """
    limit = max(STALL_LIMIT_S, STALL_LIMIT_INTERVALS * every)
    first, last = min(a.sent for a in attempts), max(a.sent for a in attempts)
    evidence = [(a.sent, a.outcome.up) for a in sound if a.outcome.up or a.outcome.down]
    edges = [(first, True), *evidence, (last, True)]
    blind = max((b - a for (a, up), (b, up_after) in pairwise(edges) if up and up_after), default=0.0)
    if blind <= limit:
        return None
    text = next((a.error for a in attempts if a.outcome is Outcome.UNKNOWN and a.error), "")
    return f"for {blind:.2f} s no attempt told anything{': ' + text if text else ''}"


def _doubtful(attempt: Attempt, stalls: Sequence[tuple[float, float]]) -> bool:
    if not attempt.outcome.down or attempt.outcome in _STALL_PROOF:
        return False
    return any(start < attempt.done and attempt.sent < end for start, end in stalls)


def _reason(
    attempts: Sequence[Attempt], sound: Sequence[Attempt], stalls: Sequence[tuple[float, float]], every: float
) -> str | None:
    outcomes = Counter(a.outcome for a in attempts)
    if not attempts:
        return "no attempt was made"
    if outcomes[Outcome.MISCONFIGURED]:
        first = next(a for a in attempts if a.outcome is Outcome.MISCONFIGURED)
        return f"the probe is misconfigured, which is no interruption: {first.error}"
    if not outcomes[Outcome.OK]:
        kinds = ", ".join(f"{kind.value} {count}" for kind, count in outcomes.most_common())
        last = next((a.error for a in reversed(attempts) if a.error), "")
        return f"it never answered ({kinds}{': ' + last if last else ''})"
    stalled = _stall_reason(stalls, every)
    if stalled:
        return stalled
    lost = outcomes[Outcome.NOT_SENT]
    if lost > max(3, 0.05 * len(attempts)):
        return f"{lost} of {len(attempts)} attempts could not be sent on time"
    return _blind_reason(attempts, sound, every)


def measure(
    attempts: Sequence[Attempt], *, every: float, stalls: Sequence[tuple[float, float]] = (), complete: bool = True
) -> Measurement:
    """Judge one service's attempts.

    Args:
        attempts: in any order.
        every: the interval of the schedule, in seconds.
        stalls: spans (monotonic seconds) in which the meter itself did not run.
        complete: False when the meter was killed, so that its end is not known.

    An attempt that failed while the meter was stalled is passed over, for the stall may have made it fail; one that was
    answered with a refusal or as read-only stays a failure, and a success stays a success.
    """
    ordered = sorted(attempts, key=lambda a: (a.sent, a.n))
    sound = [a for a in ordered if not _doubtful(a, stalls)]
    found = outages(sound)
    lower, upper = total(found)
    reason = _reason(ordered, sound, stalls, every)
    if reason is None and not complete:
        reason = "the meter did not end by itself, so what came after its last attempt is unknown"
    errors = Counter(a.outcome.value for a in sound if a.outcome.down)
    return Measurement(
        attempts=len(ordered),
        not_sent=sum(a.outcome is Outcome.NOT_SENT for a in ordered),
        valid=reason is None,
        reason=reason,
        outages=found,
        total_lower=lower,
        total_upper=upper,
        errors=dict(sorted(errors.items())),
    )
