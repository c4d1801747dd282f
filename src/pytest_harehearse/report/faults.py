# SPDX-License-Identifier: MIT
"""The words for a fault's course: armed, struck, proved, interrupted, undone, verified; expected and observed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pytest_harehearse.faults import catalogue
from pytest_harehearse.history.summary import FaultSummary
from pytest_harehearse.report import wording
from pytest_harehearse.units import show

STEPS: Final = {
    "armed": "armed",
    "struck": "struck",
    "proved": "effect proved",
    "undone": "undone",
    "verified": "verified undone",
}
#: What there must be of each fault that was struck.
_PROOFS: Final = {"proved": "effect not proved", "verified": "not verified undone"}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a fault's course."""

    sign: str
    what: str
    t: float
    detail: str = ""


def title(fault: FaultSummary) -> str:
    """Return what it is called: ``n1 power off``."""
    return f"{wording.plain(fault.target)} {wording.plain(catalogue.label(fault.name))}"


def colour(fault: FaultSummary) -> str:
    """Return the colour of its family."""
    return catalogue.colour(fault.name)


def rows(fault: FaultSummary) -> list[Row]:
    """Return its course in order of time, with the interruption it brought."""
    found = [Row("✓", STEPS[step.name], step.t, step.detail) for step in fault.steps if step.name in STEPS]
    if fault.outage is not None:
        found += _interruption(fault)
    if fault.undo_start is not None:
        found.append(Row("·", "undo begins", fault.undo_start, fault.undo_text))
    found.sort(key=lambda row: row.t)
    there = {step.name for step in fault.steps}
    last = max([fault.start, *(row.t for row in found)])
    for step, words in _PROOFS.items():
        if step not in there:
            ended = fault.outcome if step == "proved" else fault.undone
            found.append(Row("✗" if ended == "failed" else "?", words, last, _why_not(fault, step)))
    return found


def _interruption(fault: FaultSummary) -> list[Row]:
    outage = fault.outage
    if outage is None:
        return []
    service = wording.plain(fault.service or "")
    begins = Row("✗", f"{service} down", outage.start, wording.bounds(outage.lower, outage.upper))
    if outage.end is None:
        return [Row(begins.sign, begins.what, begins.t, f"{begins.detail}; {wording.outage_note(outage)}")]
    return [begins, Row("✓", f"{service} served again", outage.end)]


def _why_not(fault: FaultSummary, step: str) -> str:
    if step == "proved":
        return f"the strike ended {fault.outcome}"
    return "nobody undid it" if fault.undone == "none" else f"the undo ended {fault.undone}"


def sign(fault: FaultSummary) -> str:
    """Return the sign before :func:`outcome`: a difference is no failure unless the test asked."""
    if fault.agrees is None:
        return "?"
    return "✓" if fault.agrees else "✗" if fault.asserted else "≠"


def outcome(fault: FaultSummary) -> str:
    """Return expected and observed: ``expected fenced, observed fenced: reboot of n1 by n2 was recorded``."""
    asked = " (asked for by the test)" if fault.asserted else ""
    return f"expected {fault.expected}{asked}, observed {fault.observed}: {wording.plain(fault.why)}"


def length(fault: FaultSummary) -> str:
    """Return for how long it was struck."""
    return "not verified undone" if fault.end is None else show(max(0.0, fault.end - fault.start))
