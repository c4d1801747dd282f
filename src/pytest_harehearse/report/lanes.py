# SPDX-License-Identifier: MIT
"""The lanes of a timeline: what was done, which node held which role, what users felt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final

from pytest_harehearse.history.summary import LatencyBucket, RoleSpan, ServiceSummary, Span, Verdict
from pytest_harehearse.probes.interruption import Outage
from pytest_harehearse.report import wording
from pytest_harehearse.report.axis import BOLD, Axis, Row, fit, text_width
from pytest_harehearse.report.canvas import LEFT, RIGHT, WIDTH, Canvas, n
from pytest_harehearse.units import show

#: More rows than this tell nothing in a drawing; the tables of the page list all.
MOST_ROWS: Final = 40
MOST_OUTAGES: Final = 200

_ROLES: Final = {
    "primary": ("primary", "active", "leader", "master", "promoted"),
    "replica": ("replica", "standby", "secondary", "follower", "passive", "sync standby", "unpromoted"),
    "starting": ("starting", "promoting", "joining", "booting", "catching up", "creating replica"),
    "stopping": ("stopping", "demoting", "leaving", "draining"),
    "down": ("down", "stopped", "failed", "lost", "offline", "crashed", "fenced"),
    "unknown": ("unknown", "unreachable", ""),
}
ROLE_CLASSES: Final = {word: f"r-{name}" for name, words in _ROLES.items() for word in words}


def role_class(role: str) -> str:
    """Return the colour class of a role; a word not known here gets a neutral one."""
    return ROLE_CLASSES.get(role.strip().casefold(), "r-other")


def actions(canvas: Canvas, spans: Sequence[Span]) -> None:
    """Draw a row for each action and wait, in the order they began."""
    if not spans:
        return
    canvas.group("Actions")
    ordered = sorted(spans, key=lambda span: span.start)
    for span in ordered[:MOST_ROWS]:
        _action(canvas, span)
    _more(canvas, len(ordered))


def _more(canvas: Canvas, count: int) -> None:
    if count > MOST_ROWS:
        canvas.text("dim", LEFT, canvas.y + 15, f"and {count - MOST_ROWS} more, listed below")
        canvas.y += 22


def _action(canvas: Canvas, span: Span) -> None:
    axis, top = canvas.axis, canvas.y
    verdict = wording.span_verdict(span)
    start = axis.x(span.start)
    end = axis.x(axis.end if span.end is None else span.end)
    length = wording.took(span)
    words = f"{span.label}, {canvas.when(span.start)}, {length}, {span.outcome}"
    words += f": {span.detail}" if span.detail else ""
    classes = f"a-{span.kind if span.kind in {'switchover', 'fault', 'undo', 'wait'} else 'other'} v-{verdict.value}"
    if span.kind == "fault":
        middle = top + 11
        canvas.parts.append(f'<path class="{classes} thread" d="M{n(start)} {n(middle)}H{n(max(start, end))}"/>')
        canvas.path("action", classes, f"M{n(start)} {n(middle - 7)}l7 7-7 7-7-7z", words)
        start, end = start - 7, max(start + 7, end)
    else:
        canvas.box("action", classes, start, end, top + 5, 12, words)
        end = max(end, start + 1.5)
    label = length if verdict is Verdict.PASSED else f"{length} {wording.sign(verdict)} {verdict.value}"
    row = Row(LEFT, WIDTH)
    width = text_width(label, 11)
    after = row.place(end, end, width)
    canvas.lane_name(top + 15, span.label)
    if after is not None:
        x, side = after if after[1] == "start" else (min(start, end) - 5, "end")
        canvas.text("dur", x, top + 15, label, side)
    canvas.y += 22


def roles(canvas: Canvas, spans: Sequence[RoleSpan]) -> None:
    """Draw a row for each node with its roles as coloured bars that carry the word."""
    nodes = list(dict.fromkeys(span.node for span in spans))
    if not nodes:
        return
    canvas.group("Roles")
    key_y, unwritten = canvas.y - 4, dict[str, str]()
    for node in nodes[:MOST_ROWS]:
        canvas.lane_name(canvas.y + 15, node)
        held = sorted((span for span in spans if span.node == node), key=lambda span: span.start)
        for span in held[:MOST_OUTAGES]:
            if not _role(canvas, span):
                unwritten[wording.plain(span.role) or "unknown"] = role_class(span.role)
        canvas.y += 22
    _more(canvas, len(nodes))
    _key(canvas, unwritten, key_y)


def _key(canvas: Canvas, unwritten: dict[str, str], y: float) -> None:
    """Name the colours of bars too short for their word."""
    x = LEFT + 12
    for role, kind in unwritten.items():
        wide = text_width(role, 11) + 30
        if x + wide > WIDTH:
            return
        canvas.parts.append(f'<rect class="{kind}" x="{n(x)}" y="{n(y - 9)}" width="10" height="10" rx="2"/>')
        canvas.text("dim", x + 15, y, role)
        x += wide


def _role(canvas: Canvas, span: RoleSpan) -> bool:
    """Draw one role; returns whether its word found room in it."""
    axis, top, kind = canvas.axis, canvas.y, role_class(span.role)
    start, end = axis.x(span.start), axis.x(max(span.start, span.end))
    role = wording.plain(span.role) or "unknown"
    unsure = f", changed at most {show(span.uncertainty)} before" if span.uncertainty > 0 else ""
    words = f"{span.node} {role} from {canvas.when(span.start)} for {show(max(0.0, span.end - span.start))}{unsure}"
    earlier = axis.x(span.start - max(0.0, span.uncertainty))
    if start - earlier >= 2:
        place = f'x="{n(earlier)}" y="{n(top + 3)}" width="{n(start - earlier)}" height="16"'
        canvas.parts.append(f'<rect class="{kind} unsure" {place}/>')
    canvas.box("role", kind, start, end, top + 3, 16, words)
    fits = text_width(role, 11) <= end - start - 8
    if fits:
        canvas.text(f"role on-{kind}", start + 6, top + 15, role)
    return fits


def services(canvas: Canvas, found: Sequence[ServiceSummary], points: int) -> None:
    """Draw a row for each service: how long it took to answer, and every interruption as a box with its length."""
    if not found:
        return
    canvas.group("Services")
    for service in found[:MOST_ROWS]:
        _service(canvas, service, points)
    _more(canvas, len(found))


def _service(canvas: Canvas, service: ServiceSummary, points: int) -> None:
    top = canvas.y
    canvas.lane_name(top + 21, service.name)
    every = f"every {show(service.every)}" if service.every > 0 else service.mode
    canvas.lane_name(top + 35, every, "lane dim", 10.5)
    if not service.valid:
        _unsound(canvas, service)
        canvas.y += 46
        return
    _latency(canvas, service, points)
    row = Row(LEFT, WIDTH)
    boxes = sorted(service.outages, key=lambda o: (o.upper is not None, -(o.upper or o.lower)))[:MOST_OUTAGES]
    places = [reach(canvas.axis, service, outage) for outage in boxes]
    for start, end in places:
        row.take(start, end)
    for outage, (start, end) in zip(boxes, places, strict=True):
        _outage(canvas, service, outage, row, start, end)
    canvas.y += 46


def reach(axis: Axis, service: ServiceSummary, outage: Outage) -> tuple[float, float]:
    """Return from where to where an interruption is drawn; an open end reaches to the end of the watch."""
    until = outage.start + outage.upper if outage.upper is not None else outage.end
    until = max(service.ended if until is None else until, outage.start + outage.lower)
    start = axis.x(outage.start)
    return start, max(start + 1.5, axis.x(until))


def _outage(canvas: Canvas, service: ServiceSummary, outage: Outage, row: Row, start: float, end: float) -> None:
    top = canvas.y + 8
    note = wording.outage_note(outage)
    length = wording.bounds(outage.lower, outage.upper)
    words = f"{service.name} interrupted from {canvas.when(outage.start)}: {length}"
    words += f", {note}" if note else ""
    words += f"; {wording.errors_text(outage.errors)}" if outage.errors else ""
    canvas.box("outage", "out open" if outage.upper is None else "out", start, end, top, 30, words)
    label = wording.outage_label(outage)
    placed = row.place(start, end, text_width(label) * BOLD)
    if placed is not None:
        canvas.text("outlabel", placed[0], top + 19.5, label, placed[1])


def _unsound(canvas: Canvas, service: ServiceSummary) -> None:
    start, end = canvas.axis.x(service.began), canvas.axis.x(max(service.began, service.ended))
    reason = wording.plain(service.reason or "not measured soundly")
    words = f"? UNKNOWN: {reason}"
    canvas.box("service", "hatch", start, end, canvas.y + 8, 30, f"{service.name}: {words}")
    short = fit(words, (RIGHT - start - 24) / BOLD)
    wide = text_width(short) * BOLD + 16
    canvas.parts.append(
        f'<rect class="plate" x="{n(start + 8)}" y="{n(canvas.y + 14)}" width="{n(wide)}" height="18" rx="2"/>'
    )
    canvas.text("unknown", start + 16, canvas.y + 27.5, short)


def _stretches(buckets: Sequence[LatencyBucket]) -> list[list[LatencyBucket]]:
    """Split where nothing was answered for a while, so that no line is drawn through an interruption."""
    if not buckets:
        return []
    steps = [later.t - earlier.t for earlier, later in pairwise(buckets)]
    usual = median(steps) if steps else 0.0
    found = [[buckets[0]]]
    for step, bucket in zip(steps, buckets[1:], strict=True):
        if step > 2.5 * usual:
            found.append([])
        found[-1].append(bucket)
    return found


def _thinned(buckets: Sequence[LatencyBucket], points: int) -> list[LatencyBucket]:
    size = max(1, math.ceil(len(buckets) / max(2, points)))
    groups = [buckets[i : i + size] for i in range(0, len(buckets), size)]
    return [
        LatencyBucket(
            t=sum(b.t for b in group) / len(group),
            low=min(b.low for b in group),
            median=sorted(b.median for b in group)[len(group) // 2],
            high=max(b.high for b in group),
            count=sum(b.count for b in group),
        )
        for group in groups
    ]


def _latency(canvas: Canvas, service: ServiceSummary, points: int) -> None:
    buckets = sorted((b for b in service.latency if math.isfinite(b.t + b.low + b.high)), key=lambda b: b.t)
    if not buckets:
        return
    low = max(1e-6, min(b.low for b in buckets))
    high = max(low * 8, *(b.high for b in buckets))
    floor, height = canvas.y + 36, 24.0

    def y(value: float) -> float:
        """Logarithmic: a spike of a second must not flatten answers of a millisecond."""
        share = math.log(max(value, low) / low) / math.log(high / low)
        return floor - height * min(1.0, share)

    usual = sorted(b.median for b in buckets)[len(buckets) // 2]
    worst = max(b.high for b in buckets)
    words = f"{service.name} answered in {show(usual)} (median), {show(worst)} at most"
    stretches = _stretches(buckets)
    envelope, line = [], []
    for stretch in stretches:
        share = max(2, round(points * len(stretch) / len(buckets)))
        thin = _thinned(stretch, share)
        xs = [canvas.axis.x(b.t) for b in thin]
        upper = [f"{n(x)} {n(y(b.high))}" for x, b in zip(xs, thin, strict=True)]
        lower = [f"{n(x)} {n(y(b.low))}" for x, b in zip(xs, thin, strict=True)]
        middle = [f"{n(x)} {n(y(b.median))}" for x, b in zip(xs, thin, strict=True)]
        if len(thin) == 1:
            middle.append(f"{n(xs[0] + 1.5)} {n(y(thin[0].median))}")
        envelope.append(f"M{'L'.join([*upper, *reversed(lower)])}z")
        line.append(f"M{'L'.join(middle)}")
    canvas.path("latency", "envelope", "".join(envelope), words)
    canvas.path("latency", "median", "".join(line), words)
