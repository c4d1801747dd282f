# SPDX-License-Identifier: MIT
"""The timeline of a rehearsal as SVG, themed by the page's style sheet. One renderer for every place that shows it."""

from __future__ import annotations

from html import escape
from typing import Final

from pytest_harehearse.clock import Anchor
from pytest_harehearse.history.summary import RehearsalSummary, ServiceSummary
from pytest_harehearse.probes.interruption import Outage
from pytest_harehearse.report import fault_lanes, lanes, wording
from pytest_harehearse.report.axis import BOLD, Axis, fit, text_width
from pytest_harehearse.report.canvas import LEFT, RIGHT, WIDTH, Canvas, n

#: Room above the lanes for what the band and the dashed line are.
_HEAD: Final = 38.0


def _instants(rehearsal: RehearsalSummary) -> list[float]:
    found = [rehearsal.start, rehearsal.end, rehearsal.t0]
    for span in rehearsal.actions:
        found += [span.start, span.start if span.end is None else span.end]
    for fault in rehearsal.faults:
        found += [step.t for step in fault.steps]
    for role in rehearsal.roles:
        found += [role.start, role.end]
    for service in rehearsal.services:
        found += [service.began, service.ended]
        found += [outage.start for outage in service.outages]
        found += [outage.start + (outage.upper or outage.lower) for outage in service.outages]
    return found


def timeline(rehearsal: RehearsalSummary, anchor: Anchor, *, points: int = 120, rehearsal_id: str | None = None) -> str:
    """Return the timeline of a rehearsal: actions, roles and what users felt on one axis.

    Args:
        rehearsal: what to draw.
        anchor: turns instants into wall-clock time for the words of the marks.
        points: how fine response times are drawn, per service.
        rehearsal_id: ends the id of every mark, to keep them unique on a page; by default the rehearsal's own.
    """
    top = 4.0 if _felt(rehearsal) is None else _HEAD
    axis = Axis.over(_instants(rehearsal), rehearsal.t0, LEFT, RIGHT)
    canvas = Canvas(axis, anchor, rehearsal.id if rehearsal_id is None else rehearsal_id, top - 8)
    fault_lanes.faults(canvas, rehearsal.faults)
    lanes.actions(canvas, fault_lanes.others(rehearsal))
    lanes.roles(canvas, rehearsal.roles)
    lanes.services(canvas, rehearsal.services, points)
    bottom = canvas.y + 6
    canvas.y = bottom + 22
    behind, before = _backdrop(canvas, rehearsal, top, bottom)
    hatch = f"hatch--{canvas.rehearsal}"
    label = f"Timeline of {wording.plain(rehearsal.title)}"
    return "".join(
        [
            f'<svg class="timeline" viewBox="0 0 {n(WIDTH)} {n(canvas.y)}" role="img" aria-label="{escape(label)}">',
            f'<defs><pattern id="{escape(hatch)}" width="7" height="7" patternUnits="userSpaceOnUse" ',
            'patternTransform="rotate(45)"><rect class="weave" width="2" height="7"/></pattern></defs>',
            f'<g style="--hatch:url(#{escape(hatch)})">',
            *behind,
            *canvas.parts,
            *before,
            "</g></svg>",
        ]
    )


def _felt(rehearsal: RehearsalSummary) -> tuple[ServiceSummary, Outage] | None:
    """Return the worst interruption and its service; None when there was none, or none is proved."""
    service = rehearsal.worst_service
    outage = wording.worst_outage(service)
    return None if service is None or outage is None or not service.valid else (service, outage)


def _backdrop(canvas: Canvas, rehearsal: RehearsalSummary, top: float, bottom: float) -> tuple[list[str], list[str]]:
    """Draw what runs through all lanes: behind them grid, T₀ and the worst interruption; before them the limit."""
    lanes_drawn, canvas.parts = canvas.parts, []
    for x, label in canvas.axis.ticks():
        zero = " zero" if label == "T₀" else ""
        canvas.parts.append(f'<path class="grid" d="M{n(x)} {n(top)}V{n(bottom)}"/>')
        canvas.text(f"tick{zero}", x, bottom + 16, label, "middle")
    felt = _felt(rehearsal)
    if felt is not None:
        _band(canvas, *felt, bottom)
    first = next((span for span in sorted(rehearsal.actions, key=lambda s: s.start) if span.kind != "wait"), None)
    cause = f"T₀: {first.label}" if first else "T₀: the rehearsal begins"
    canvas.line("zero", "t0", canvas.axis.x(rehearsal.t0), top, bottom, f"{cause}, {canvas.when(rehearsal.t0)}")
    behind, canvas.parts = canvas.parts, []
    if felt is not None:
        _limit(canvas, rehearsal, felt[1].start, bottom)
    before, canvas.parts = canvas.parts, lanes_drawn
    return behind, before


def _band(canvas: Canvas, service: ServiceSummary, outage: Outage, bottom: float) -> None:
    start, end = lanes.reach(canvas.axis, service, outage)
    length = wording.outage_label(outage)
    label = f"{fit(wording.plain(service.name), 420)} down {length}"
    canvas.box(
        "band", "band", start, end, _HEAD, bottom - _HEAD, f"the worst interruption: {service.name} down {length}"
    )
    half = text_width(label) * BOLD / 2
    canvas.text("bandlabel", min(max((start + end) / 2, half), WIDTH - half), 12, label, "middle")


def _limit(canvas: Canvas, rehearsal: RehearsalSummary, start: float, bottom: float) -> None:
    limit = wording.interruption_limit(rehearsal)
    if limit is None or not canvas.axis.shows(start + limit.limit):
        return
    x = canvas.axis.x(start + limit.limit)
    label = f"limit {wording.amount(limit.limit)}"
    canvas.line("limit", "limit", x, _HEAD - 6, bottom, f"{limit.name}: {label} from the start of the interruption")
    half = text_width(label, 11) / 2
    canvas.text("limitlabel", min(max(x, half), WIDTH - half), 29, label, "middle")
