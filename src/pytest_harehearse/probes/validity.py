# SPDX-License-Identifier: MIT
"""When a measurement is not sound, and why. Pure functions.

The limits stand here: the meter may not know anything for longer than :func:`longest_blind`, and may leave out at most
one attempt in twenty. Beyond them the result is unknown with the reason, never a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from pytest_harehearse.probes.attempts import Attempt, Outcome
from pytest_harehearse.units import show

#: The meter may learn nothing for this long (seconds), or for five intervals, before its result is unsound.
STALL_LIMIT_S: Final = 0.25
STALL_LIMIT_INTERVALS: Final = 5
#: Part of the attempts, and number of them, that may be left out because the meter came too late.
NOT_SENT_PART: Final = 0.05
NOT_SENT_FEW: Final = 3
#: A machine that slept (seconds) did not count that time: the monotonic clock stands still meanwhile.
SUSPENDED_S: Final = 0.05
#: Failures that no stall of the runner can bring about: somebody answered.
_STALL_PROOF: Final = frozenset({Outcome.REFUSED, Outcome.READ_ONLY, Outcome.STALE})

Spans = Sequence[tuple[float, float]]


def longest_blind(every: float) -> float:
    """Return how long (seconds) a service asked at this interval may go without any evidence."""
    return max(STALL_LIMIT_S, STALL_LIMIT_INTERVALS * every)


def doubtful(attempt: Attempt, blind: Spans) -> bool:
    """Tell whether an attempt may have failed because of the runner itself: it then proves nothing.

    One that was answered with a refusal or as read-only stays a failure, and a success stays a success.
    """
    if not attempt.outcome.down or attempt.outcome in _STALL_PROOF:
        return False
    return any(start < attempt.done and attempt.sent < end for start, end in blind)


def unknown_spans(
    attempts: Sequence[Attempt], sound: Sequence[Attempt], every: float
) -> tuple[tuple[float, float], ...]:
    """Return where an interruption could hide because nothing was learnt: between successes, or at the ends.

    Beside a failure no such span can hide anything: the bounds reach across it.
    """
    if not attempts:
        return ()
    first, last = min(a.sent for a in attempts), max(a.sent for a in attempts)
    evidence = [(a.sent, a.outcome.up) for a in sound if a.outcome.up or a.outcome.down]
    edges = [(first, True), *evidence, (last, True)]
    limit = longest_blind(every)
    return tuple((a, b) for (a, up), (b, up_after) in pairwise(edges) if up and up_after and b - a > limit)


def _never(outcomes: Counter[Outcome], attempts: Sequence[Attempt]) -> str:
    kinds = ", ".join(f"{kind.value} {count}" for kind, count in outcomes.most_common())
    last = next((a.error for a in reversed(attempts) if a.error), "")
    return f"it never answered ({kinds}{': ' + last if last else ''})"


def _longest(spans: Spans, every: float) -> tuple[float, int]:
    long = [end - start for start, end in spans if end - start > longest_blind(every)]
    return max(long, default=0.0), len(long)


def _times(count: int, every: float) -> str:
    return f"{count} time{'s' if count > 1 else ''} over {longest_blind(every):.2f} s"


def reason(
    attempts: Sequence[Attempt],
    unknown: Spans,
    *,
    every: float,
    stalls: Spans = (),
    control: Spans = (),
    suspended: float = 0.0,
) -> str | None:
    """Return why a measurement is not sound; None when it is.

    Args:
        attempts: in the order sent.
        unknown: spans in which nothing was learnt.
        every: the interval of the schedule, in seconds.
        stalls: spans in which the meter did not run.
        control: spans in which the control target on the runner itself did not answer, and attempts failed.
        suspended: seconds for which the runner slept.
    """
    outcomes = Counter(a.outcome for a in attempts)
    if not attempts:
        return "no attempt was made"
    if outcomes[Outcome.MISCONFIGURED]:
        first = next(a for a in attempts if a.outcome is Outcome.MISCONFIGURED)
        return f"the probe is misconfigured, which is no interruption: {first.error}"
    if not any(a.outcome.up for a in attempts):
        return _never(outcomes, attempts)
    if suspended > SUSPENDED_S:
        return f"the runner itself slept for {show(suspended)}, which its clock does not count"
    length, count = _longest(stalls, every)
    if count:
        return f"the runner itself stalled for {length:.2f} s ({_times(count, every)}), so nothing was asked meanwhile"
    length, count = _longest(control, every)
    if count:
        return (
            f"the control target on the runner itself did not answer for {length:.2f} s ({_times(count, every)}), so "
            "failures meanwhile prove nothing about the service"
        )
    lost = outcomes[Outcome.NOT_SENT]
    if lost > max(NOT_SENT_FEW, NOT_SENT_PART * len(attempts)):
        return (
            f"{lost} of {len(attempts)} attempts could not be sent on time: ask less often, or fewer services at once"
        )
    if unknown:
        text = next((a.error for a in attempts if a.outcome is Outcome.UNKNOWN and a.error), "")
        longest = max(end - start for start, end in unknown)
        return f"for {longest:.2f} s no attempt told anything{': ' + text if text else ''}"
    return None
