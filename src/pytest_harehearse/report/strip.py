# SPDX-License-Identifier: MIT
"""Where the seconds went, as SVG: one bar of phases from what was done to the first answer, and who recorded what."""

from __future__ import annotations

from html import escape
from typing import Final

from pytest_harehearse.clock import Anchor
from pytest_harehearse.history.phases import Attribution, Instant, Phase
from pytest_harehearse.report import seconds, wording
from pytest_harehearse.report.axis import Axis, Row, fit, text_width
from pytest_harehearse.report.canvas import LEFT, RIGHT, WIDTH, Canvas, n

#: Nodes drawn, and records of each.
_MOST_NODES: Final = 12
_MOST_MARKS: Final = 80
_BAR: Final = 24.0


def drawn(found: Attribution) -> bool:
    """Return whether there is more to draw than the timeline shows already."""
    return sum(phase.end is not None for phase in found.phases) > 1


def _reach(found: Attribution) -> float:
    """Return where the drawing ends: at the first answer, for redundancy takes so much longer that nothing else shows."""
    ends = [p.end.at for p in found.phases if p.end is not None and p.name != "redundancy"]
    if not ends:
        ends = [p.end.at for p in found.phases if p.end is not None]
    return max(ends, default=found.start)


def strip(found: Attribution, anchor: Anchor, rehearsal_id: str, number: int = 1) -> str:
    """Return the bar of phases of one thing that was done, with the records of the nodes below it."""
    end = _reach(found)
    within = [p for p in found.phases if p.name != "redundancy" or end == (p.end.at if p.end else None)]
    marks = [m for m in found.marks if m.instant.at <= end]
    axis = Axis.over([found.start, end], found.start, LEFT, RIGHT)
    identity = f"{rehearsal_id}--p{number}"
    canvas = Canvas(axis, anchor, identity, 0.0)
    canvas.lane_name(24, "phases")
    _phases(canvas, found, within)
    canvas.y = 46.0
    nodes = list(dict.fromkeys(m.node for m in marks))
    for node in nodes[:_MOST_NODES]:
        canvas.lane_name(canvas.y + 12, f"{node} recorded")
        canvas.parts.append(f'<path class="grid" d="M{n(LEFT)} {n(canvas.y + 8)}H{n(RIGHT)}"/>')
        for mark in [m for m in marks if m.node == node][:_MOST_MARKS]:
            words = f"{node}: {mark.text or mark.what}, {_when(canvas, mark.instant)}"
            kind = mark.what if mark.what in seconds.RECORDS else "other"
            _whisker(canvas, mark.instant, canvas.y + 8, 4)
            x = axis.x(mark.instant.at)
            canvas.path("record", f"k-{kind}", f"M{n(x)} {n(canvas.y + 2.5)}l5.5 5.5-5.5 5.5-5.5-5.5z", words)
        canvas.y += 20
    bottom = canvas.y + 2
    marked, canvas.parts = canvas.parts, []
    for x, label in axis.ticks():
        zero = " zero" if label == "T₀" else ""
        canvas.parts.append(f'<path class="grid" d="M{n(x)} 4V{n(bottom)}"/>')
        canvas.text(f"tick{zero}", x, bottom + 14, label, "middle")
    behind = canvas.parts
    hatch = f"hatch--{identity}"
    label = f"Phases after {wording.plain(found.label)}"
    return "".join(
        [
            f'<svg class="timeline" viewBox="0 0 {n(WIDTH)} {n(bottom + 20)}" role="img" aria-label="{escape(label)}">',
            f'<defs><pattern id="{escape(hatch)}" width="7" height="7" patternUnits="userSpaceOnUse" ',
            'patternTransform="rotate(45)"><rect class="weave" width="2" height="7"/></pattern></defs>',
            f'<g style="--hatch:url(#{escape(hatch)})">',
            *behind,
            *marked,
            "</g></svg>",
        ]
    )


def _phases(canvas: Canvas, found: Attribution, phases: list[Phase]) -> None:
    """Draw the bar; a run of phases without a length is one hatched piece that carries all their names."""
    row = Row(LEFT, WIDTH)
    known = Instant(found.start, found.start, found.start)
    waiting: list[Phase] = []
    for phase in phases:
        waiting.append(phase)
        if phase.end is None:
            continue
        _piece(canvas, row, waiting, phase.begin or known, phase.end)
        known, waiting = phase.end, []
    for phase in phases:
        if phase.end is not None:
            _whisker(canvas, phase.end, 4 + _BAR + 6, 3)


def _piece(canvas: Canvas, row: Row, phases: list[Phase], begin: Instant, end: Instant) -> None:
    start, stop = canvas.axis.x(begin.at), canvas.axis.x(end.at)
    names = ", ".join(seconds.name(p) for p in phases)
    if len(phases) == 1:
        (phase,) = phases
        length, kind = seconds.length(phase), f"p-{phase.name if phase.name in seconds.NAMES else 'other'}"
        words = f"{names}: {seconds.bounds(phase)}, {seconds.meaning(phase)}"
        words += f" ({phase.node}: {phase.text})" if phase.text else ""
    else:
        length, kind = wording.amount(end.at - begin.at), "hatch"
        words = f"{names}: {length} together, for it is not known when one ended and the next began"
    canvas.box("phase", kind, start, stop, 8, _BAR, f"{words}; over at {_when(canvas, end)}")
    row.take(start, stop)
    text = f"{names} {length}"
    for label in (text, names):
        if text_width(label, 11) <= stop - start - 8:
            canvas.text(f"role on-{kind}", (start + stop) / 2, 24, label, "middle")
            return
    if stop - start > 40:
        canvas.text(f"role on-{kind}", start + 5, 24, fit(names, stop - start - 10, 11))


def _whisker(canvas: Canvas, instant: Instant, y: float, cap: float) -> None:
    """Draw from where to where an instant may lie; nothing where that is too little to be seen."""
    early, late = canvas.axis.x(instant.early), canvas.axis.x(instant.late)
    if late - early < 2:
        return
    shape = f"M{n(early)} {n(y - cap)}v{n(2 * cap)}m0 {n(-cap)}H{n(late)}m0 {n(-cap)}v{n(2 * cap)}"
    canvas.parts.append(f'<path class="whisker" d="{shape}"/>')


def _when(canvas: Canvas, instant: Instant) -> str:
    off = max(instant.late - instant.at, instant.at - instant.early)
    return f"{canvas.when(instant.at)} ± {wording.number(max(0.0, off))} s"
