# SPDX-License-Identifier: MIT
"""Look up every numbered write afterwards: what was acknowledged and is gone was lost."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Attempt, Write


@dataclass(frozen=True, slots=True)
class Audit:
    """What became of one writer's numbered writes; the fields of ``events.WritesAudited``."""

    acked: int
    failed: int
    unknown: int
    #: Acknowledged, and not there.
    lost: tuple[int, ...]
    #: Not acknowledged, and there all the same.
    unknown_present: int
    #: Rows beyond the first of their number.
    duplicates: int
    #: Longest time (seconds) of acknowledged writes, in a row, of which at least one is lost.
    largest_hole_s: float
    #: Why the look-up could not be made; then ``lost`` and what follows it prove nothing.
    problem: str | None = None


def _largest_hole(acked: Sequence[Attempt], lost: set[int]) -> float:
    longest = 0.0
    before: Attempt | None = None
    first_lost: Attempt | None = None
    last_lost: Attempt | None = None
    for attempt in sorted(acked, key=lambda a: (a.sent, a.n)):
        if attempt.n in lost:
            first_lost, last_lost = first_lost or attempt, attempt
            continue
        if first_lost is not None:
            longest = max(longest, attempt.sent - (before or first_lost).sent)
        before, first_lost, last_lost = attempt, None, None
    if first_lost is not None and last_lost is not None:
        longest = max(longest, last_lost.sent - (before or first_lost).sent)
    return longest


def judge_writes(attempts: Sequence[Attempt], present: Counter[int]) -> Audit:
    """Compare what was acknowledged with how often each number is present. Pure.

    A hole reaches from the last present acknowledged write before to the first one after it; at the ends of the
    measurement, from or to the outermost lost write itself.
    """
    fates = Counter(a.write for a in attempts)
    acked = [a for a in attempts if a.write is Write.ACKED]
    numbers = {a.n for a in acked}
    lost = {n for n in numbers if present[n] < 1}
    return Audit(
        acked=len(acked),
        failed=fates[Write.FAILED],
        unknown=fates[Write.UNKNOWN],
        lost=tuple(sorted(lost)),
        unknown_present=sum(1 for n, count in present.items() if count > 0 and n not in numbers),
        duplicates=sum(count - 1 for count in present.values() if count > 1),
        largest_hole_s=_largest_hole(acked, lost),
    )


def audit(service: Service, writer: str, attempts: Sequence[Attempt], *, deadline: float) -> Audit:
    """Look up every numbered write on the host that takes writes now, then delete this writer's rows, only those.

    Args:
        service: the service that was written to.
        writer: the id the meter wrote under (``writer`` in the header of the attempts file).
        attempts: what the meter recorded.
        deadline: seconds to wait for a host that takes writes.

    Never raises for what the service does: ``problem`` says why the look-up could not be made.
    """
    from pytest_harehearse.probes.kinds import take_writes

    try:
        present = take_writes(service, writer, deadline)
    except HarehearseError as error:
        blank = judge_writes(attempts, Counter({a.n: 1 for a in attempts if a.write is Write.ACKED}))
        return dataclasses.replace(blank, problem=f"the writes could not be looked up: {error}")
    return judge_writes(attempts, present)
