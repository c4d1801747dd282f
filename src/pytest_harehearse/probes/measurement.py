# SPDX-License-Identifier: MIT
"""What a service's attempts prove, all together: interruption, slow time, course, validity. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_harehearse.probes import validity
from pytest_harehearse.probes.attempts import Attempt, AttemptsFile, Outcome
from pytest_harehearse.probes.course import Disturbance, Ramp, disturbance, ramp
from pytest_harehearse.probes.interruption import Outage, order, outages, slow_spans, total


@dataclass(frozen=True, slots=True)
class Lag:
    """How late attempts were sent after they were due (seconds): what the meter itself adds."""

    p50: float
    p99: float
    worst: float


@dataclass(frozen=True, slots=True)
class Slow:
    """Time in which the service was served, but slowly: attempts, and bounds of the seconds."""

    attempts: int = 0
    lower: float = 0.0
    upper: float | None = 0.0


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
    slow: Slow = Slow()
    disturbance: Disturbance | None = None
    ramp: Ramp | None = None
    lag: Lag | None = None
    #: Spans (monotonic seconds) in which nothing was learnt, longer than a measurement may go without.
    unknown: tuple[tuple[float, float], ...] = ()

    @property
    def point(self) -> float | None:
        """The best single number between the bounds (seconds); None when there is no upper one."""
        if self.total_upper is None:
            return None
        return min(max(sum(outage.point or 0.0 for outage in self.outages), self.total_lower), self.total_upper)

    @property
    def interrupted(self) -> bool:
        """True when at least one failure was seen."""
        return bool(self.outages)


def _lag(attempts: Sequence[Attempt]) -> Lag | None:
    late = sorted(a.sent - a.due for a in attempts if a.outcome is not Outcome.NOT_SENT)
    if not late:
        return None
    return Lag(late[len(late) // 2], late[min(len(late) - 1, int(len(late) * 0.99))], late[-1])


def _slow(sound: Sequence[Attempt]) -> Slow:
    count = sum(a.outcome is Outcome.SLOW for a in sound)
    if not count:
        return Slow()
    return Slow(count, *total(slow_spans(sound)))


def measure(
    attempts: Sequence[Attempt],
    *,
    every: float,
    stalls: validity.Spans = (),
    control: validity.Spans = (),
    suspended: float = 0.0,
    complete: bool = True,
) -> Measurement:
    """Judge one service's attempts.

    Args:
        attempts: in any order.
        every: the interval of the schedule, in seconds.
        stalls: spans (monotonic seconds) in which the meter itself did not run.
        control: spans in which the control target on the runner did not answer.
        suspended: seconds for which the runner slept.
        complete: False when the meter was killed, so that its end is not known.

    An attempt that failed while the runner was not sound is passed over: see :func:`.validity.doubtful`.
    """
    ordered = sorted(attempts, key=order)
    blind = (*stalls, *control)
    sound = [a for a in ordered if not validity.doubtful(a, blind)] if blind else ordered
    found = outages(sound)
    lower, upper = total(found)
    unknown = validity.unknown_spans(ordered, sound, every)
    # A control target that was lost while the service answered casts doubt on nothing.
    telling = [span for span in control if any(validity.doubtful(a, (span,)) for a in ordered)]
    reason = validity.reason(ordered, unknown, every=every, stalls=stalls, control=telling, suspended=suspended)
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
        slow=_slow(sound),
        disturbance=disturbance(sound, found),
        ramp=ramp(sound, found),
        lag=_lag(ordered),
        unknown=unknown,
    )


def measure_file(file: AttemptsFile) -> Measurement:
    """Judge what an attempts file says."""
    return measure(
        file.attempts,
        every=float(file.header["every"]),
        stalls=file.stalls,
        control=file.control,
        suspended=file.suspended,
        complete=file.complete,
    )
