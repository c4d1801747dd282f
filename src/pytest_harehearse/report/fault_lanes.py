# SPDX-License-Identifier: MIT
"""The lanes of faults on a timeline: a bar in the family's colour from strike to verified undo, with every step on it."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_harehearse.history.summary import FaultSummary, RehearsalSummary, Span
from pytest_harehearse.report import faults as words
from pytest_harehearse.report import wording
from pytest_harehearse.report.axis import text_width
from pytest_harehearse.report.canvas import LEFT, WIDTH, Canvas, n

MOST_ROWS = 20


def others(rehearsal: RehearsalSummary) -> list[Span]:
    """Return the actions and waits that are not drawn as faults."""
    drawn = {t for fault in rehearsal.faults[:MOST_ROWS] for t in (fault.start, fault.undo_start)}
    return [span for span in rehearsal.actions if span.start not in drawn]


def faults(canvas: Canvas, found: Sequence[FaultSummary]) -> None:
    """Draw a row for each fault, in the order they were struck."""
    if not found:
        return
    canvas.group("Faults")
    for fault in found[:MOST_ROWS]:
        _fault(canvas, fault)
    if len(found) > MOST_ROWS:
        canvas.text("dim", LEFT, canvas.y + 15, f"and {len(found) - MOST_ROWS} more, listed below")
        canvas.y += 22


def _fault(canvas: Canvas, fault: FaultSummary) -> None:
    axis, top, colour = canvas.axis, canvas.y, words.colour(fault)
    middle = top + 13
    start = axis.x(fault.start)
    end = axis.x(axis.end if fault.end is None else fault.end)
    name = words.title(fault)
    canvas.lane_name(top + 17, name)
    canvas.parts.append(f'<g class="family" style="fill:{colour}">')
    until = "" if fault.end is None else f" until {canvas.when(fault.end)}"
    bar = f"{name}, struck {canvas.when(fault.start)}{until}: {words.outcome(fault)}"
    canvas.box("fault", "fault-bar fault-open" if fault.end is None else "fault-bar", start, end, top + 6, 14, bar)
    _down(canvas, fault, top)
    for step in fault.steps:
        x = axis.x(step.t)
        said = f"{name} {words.STEPS.get(step.name, step.name)}, {canvas.when(step.t)}"
        said += f": {step.detail}" if step.detail else ""
        canvas.path("step", f"fault-mark s-{step.name}", _shape(step.name, x, middle), said)
    canvas.parts.append("</g>")
    label = words.length(fault)
    after, width = max(end, start + 7) + 9, text_width(label, 11)
    if after + width <= WIDTH:
        canvas.text("dur", after, top + 17, label)
    elif start - 12 - width >= LEFT:
        canvas.text("dur", start - 12, top + 17, label, "end")
    canvas.y += 28


def _down(canvas: Canvas, fault: FaultSummary, top: float) -> None:
    """Draw what users felt of it as a stripe below its bar."""
    outage = fault.outage
    if outage is None:
        return
    start = canvas.axis.x(outage.start)
    end = canvas.axis.x(canvas.axis.end if outage.end is None else outage.end)
    length = wording.bounds(outage.lower, outage.upper)
    said = f"{fault.service} down from {canvas.when(outage.start)}: {length}"
    canvas.box("felt", "fault-down", start, end, top + 21.5, 3, said)


def _shape(step: str, x: float, y: float) -> str:
    """Return the mark of a step: ring, diamond, upright triangle, square, double square."""
    match step:
        case "armed":
            return f"M{n(x - 4)} {n(y)}a4 4 0 1 0 8 0a4 4 0 1 0-8 0z"
        case "struck":
            return f"M{n(x)} {n(y - 7)}l7 7-7 7-7-7z"
        case "proved":
            return f"M{n(x)} {n(y - 6)}l6 11h-12z"
        case "undone":
            return f"M{n(x - 2)} {n(y - 7)}h4v14h-4z"
        case _:
            return f"M{n(x - 5)} {n(y - 5)}h10v10h-10z"
