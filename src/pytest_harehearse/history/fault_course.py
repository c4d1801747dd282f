# SPDX-License-Identifier: MIT
"""The course of each fault: its steps, what users felt of it, and what the cluster made of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pytest_harehearse import events as e
from pytest_harehearse.history.summary import FaultSummary, StepSummary
from pytest_harehearse.probes.interruption import Outage
from pytest_harehearse.rehearsal.outcome import Struck, Watched, observe, strikes

#: In their order; what else an action says of itself is not drawn.
STEPS: Final = ("armed", "struck", "proved", "undone", "verified")
UNKNOWN: Final = "unknown"


def faults(mine: Sequence[e.Event], watched: Sequence[Watched], end: float) -> tuple[FaultSummary, ...]:
    """Return every fault of a rehearsal, in order.

    Args:
        mine: the rehearsal's events.
        watched: the services of every watch.
        end: when the rehearsal ended.
    """
    return tuple(_fault(one, mine, watched) for one in strikes(mine, end))


def _fault(struck: Struck, mine: Sequence[e.Event], watched: Sequence[Watched]) -> FaultSummary:
    started, undo = struck.started, struck.undo
    observed = observe(struck, mine, watched)
    service, outage = _felt(struck, watched)
    return FaultSummary(
        name=started.fault,
        target=started.target,
        start=started.t,
        end=struck.at("verified"),
        steps=tuple(StepSummary(x.step, x.t, x.detail) for x in struck.steps if x.step in STEPS),
        outcome=struck.finished.outcome if struck.finished else "unfinished",
        undone="none" if undo is None else struck.undone.outcome if struck.undone else "unfinished",
        undo_start=undo.t if undo else None,
        strike_text=started.detail,
        undo_text=undo.detail if undo else "",
        expected=started.expected,
        observed=UNKNOWN if observed.outcome is None else observed.outcome.value,
        why=observed.why,
        agrees=observed.agrees(started.expected),
        asserted=started.asserted,
        service=service,
        outage=outage,
    )


def _felt(struck: Struck, watched: Sequence[Watched]) -> tuple[str | None, Outage | None]:
    """Return the longest interruption between the strike and the next one, and whose it was."""
    hits = [
        (one.service, outage)
        for one in watched
        if one.measurement.valid
        for outage in one.measurement.outages
        if outage.start < struck.until and (outage.end is None or outage.end > struck.started.t)
    ]
    return max(hits, key=lambda hit: (hit[1].upper is None, hit[1].upper or hit[1].lower), default=(None, None))
