# SPDX-License-Identifier: MIT
"""The course of a disturbance beside its bounds: flaps, errors in between, and the ramp back. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pytest_harehearse.probes.attempts import Attempt, Outcome
from pytest_harehearse.probes.interruption import Outage

#: The service is back at full throughput when this part of the baseline is served in time …
RAMP_PART: Final = 0.95
#: … over so many attempts in a row.
RAMP_WINDOW: Final = 20


@dataclass(frozen=True, slots=True)
class Disturbance:
    """All interruptions of a watch as one disturbance, from the first failure to the last (seconds)."""

    #: Interruptions in it; more than one: it flapped, or it was a brown-out.
    count: int
    #: Bounds of the longest; no upper one when its beginning or its end was not seen.
    longest_lower: float
    longest_upper: float | None
    #: From the sending of the first failure to the end of the last one.
    start: float
    end: float
    #: Failures in it, as a part of all attempts in it that prove something: 1 when nothing was served meanwhile.
    error_ratio: float


@dataclass(frozen=True, slots=True)
class Ramp:
    """How long after its last interruption the service was back at 95 % of its throughput before the first.

    ``seconds`` is None when it was not seen to come back; the ramp is then at least ``watched`` seconds. Its resolution
    is the window of attempts over which the throughput is taken: ``window`` seconds.
    """

    seconds: float | None
    watched: float
    window: float
    #: Part of the attempts that were served in time before the first interruption.
    baseline: float


def disturbance(attempts: Sequence[Attempt], found: Sequence[Outage]) -> Disturbance | None:
    """Return the interruptions as one disturbance; None when there are none."""
    failures = [a for a in attempts if a.outcome.down]
    if not failures or not found:
        return None
    first, last = min(a.sent for a in failures), max(a.sent for a in failures)
    within = sum(1 for a in attempts if (a.outcome.up or a.outcome.down) and first <= a.sent <= last)
    longest = max(found, key=lambda o: (o.upper is None, o.lower if o.upper is None else o.upper))
    return Disturbance(
        count=len(found),
        longest_lower=max(o.lower for o in found),
        longest_upper=longest.upper,
        start=first,
        end=max(a.done for a in failures),
        error_ratio=len(failures) / within,
    )


def _in_time(attempt: Attempt) -> bool:
    return attempt.outcome is Outcome.OK


def ramp(attempts: Sequence[Attempt], found: Sequence[Outage]) -> Ramp | None:
    """Return how long the service took to serve as before; None without an interruption that has both ends.

    Throughput on a fixed schedule is the part of the attempts served in time (not slowly): before the first
    interruption it is the baseline, and after the last one the first window of :data:`RAMP_WINDOW` attempts in a row
    that reaches 95 % of it is the end of the ramp.
    """
    if not found or found[0].open_start or found[-1].end is None:
        return None
    evidence = sorted((a for a in attempts if a.outcome.up or a.outcome.down), key=lambda a: (a.sent, a.n))
    failures = [a.sent for a in evidence if a.outcome.down]
    before = [a for a in evidence if a.sent < failures[0]]
    after = [a for a in evidence if a.sent > failures[-1]]
    baseline = sum(map(_in_time, before)) / len(before)
    if not after:
        return None
    begin, last = after[0].sent, after[-1].sent
    size = min(RAMP_WINDOW, len(after))
    window = after[size - 1].sent - begin
    for index in range(len(after) - size + 1):
        part = after[index : index + size]
        if sum(map(_in_time, part)) >= RAMP_PART * baseline * size:
            return Ramp(part[0].sent - begin, last - begin, window, baseline)
    return Ramp(None, last - begin, window, baseline)
