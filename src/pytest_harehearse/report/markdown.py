# SPDX-License-Identifier: MIT
"""The report as Markdown: for a merge request, a ticket, a chat."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pytest_harehearse.history.patch_day import PatchDaySummary
from pytest_harehearse.history.phases import Attribution
from pytest_harehearse.history.summary import (
    FaultSummary,
    RehearsalSummary,
    RunSummary,
    ServiceSummary,
    ShrunkSummary,
    Verdict,
)
from pytest_harehearse.report import course, faults, patch_day, repeats, seconds, shrunk, wording
from pytest_harehearse.report.md import block, table, text
from pytest_harehearse.units import show

#: A table lists at most this many rows of a kind; a ticket is no place for more.
MOST_ROWS: Final = 20


def _verdict(verdict: Verdict) -> str:
    return f"{wording.sign(verdict)} {verdict.value}"


def _overview(summary: RunSummary) -> list[str]:
    rows = []
    for rehearsal in summary.rehearsals:
        limit = wording.interruption_limit(rehearsal)
        rows.append(
            (
                f"**{_verdict(rehearsal.verdict)}**",
                text(rehearsal.title),
                f"{text(rehearsal.cluster)} ({_kind(rehearsal.kind)})",
                wording.service_bounds(rehearsal.worst_service),
                wording.limit_text(limit) if limit else wording.NONE,
                wording.lost(rehearsal),
            )
        )
    head = ("Verdict", "Rehearsal", "Cluster", "Interruption, worst service", "Limit", "Lost writes")
    return table(head, rows, (3, 4, 5)) if rows else []


def _kind(kind: str) -> str:
    return "**PRODUCTION**" if kind == "production" else text(kind)


def _service_rows(service: ServiceSummary, t0: float) -> Iterable[tuple[str, str, str, str, str]]:
    layer, name = text(service.layer) or wording.NONE, text(service.name)
    if not service.valid:
        yield layer, name, "? UNKNOWN", wording.NONE, text(service.reason or "not measured soundly")
    elif not service.outages:
        yield layer, name, wording.NOT_INTERRUPTED, wording.NONE, f"{service.attempts} attempts, none failed"
    else:
        for outage in service.outages[:MOST_ROWS]:
            parts = (text(wording.errors_text(outage.errors)), wording.outage_note(outage))
            yield (
                layer,
                name,
                wording.bounds(outage.lower, outage.upper),
                wording.at(outage.start, t0),
                "; ".join(part for part in parts if part) or wording.NONE,
            )
        if len(service.outages) > 1:
            together = f"{len(service.outages)} interruptions together"
            yield layer, name, f"**{wording.service_bounds(service)}**", "", together


def _audit(service: ServiceSummary) -> list[str]:
    audit = service.writes
    if audit is None:
        return []
    name = text(service.name)
    if audit.problem:
        return [f"- ? Writes of {name} could not be audited, so no count is proved: {text(audit.problem)}"]
    line = (
        f"- Writes of {name}: {audit.acked} acknowledged, of them {len(audit.lost)} lost; {audit.failed} refused; "
        f"{audit.unknown} without an answer ({audit.unknown_present} of them found); {audit.duplicates} written twice; "
        f"longest hole {show(audit.largest_hole_s)}."
    )
    if audit.lost:
        shown = ", ".join(map(str, audit.lost[:MOST_ROWS]))
        line += f" Lost: {shown}{' …' if len(audit.lost) > MOST_ROWS else ''}."
    return [line]


def _phases(found: Attribution) -> list[str]:
    """Return where the seconds went after one thing that was done."""
    rows = (
        (
            text(seconds.name(phase)),
            seconds.bounds(phase),
            seconds.ended(phase, found.start),
            text(f"{phase.node}: {phase.text}" if phase.node else phase.text) or wording.NONE,
        )
        for phase in found.phases
    )
    head = (f"Phase after {text(found.label)}", "Took", "Over at", "Recorded")
    return [*table(head, rows, (1, 2)), f"- {text(seconds.interruption(found))}"]


def _invariants(rehearsal: RehearsalSummary) -> Iterable[tuple[str, str, str]]:
    for one in rehearsal.invariants:
        yield wording.sign(one.verdict), text(one.name), text(one.evidence)


def _fault(fault: FaultSummary, rehearsal: RehearsalSummary) -> list[str]:
    """Return the course of one fault: its steps, the interruption among them, and what was made of it."""
    rows = (
        (row.sign, text(row.what), wording.at(row.t, rehearsal.t0), text(row.detail) or wording.NONE)
        for row in faults.rows(fault)
    )
    head = ("", f"Fault: {text(faults.title(fault))}", "At", "Detail")
    return [*table(head, rows, (2,)), f"- {faults.sign(fault)} {text(faults.outcome(fault))}"]


def _patch_day(day: PatchDaySummary, rehearsal: RehearsalSummary) -> list[str]:
    """Return the steps and gates of a patch day."""
    gates = iter(day.gates)
    rows = []
    for step in day.steps:
        gate = next(gates, None) if step.name == "gate" else None
        if gate is not None:
            what, detail, sign = (
                f"**gate {text(gate.gate)}: {text(gate.verdict)}**",
                patch_day.gate_line(gate),
                patch_day.gate_sign(gate),
            )
        else:
            what, detail, sign = text(step.title), step.detail, patch_day.sign(step)
        rows.append(
            (sign, what, wording.at(step.start, rehearsal.t0), patch_day.took(step), text(detail) or wording.NONE)
        )
    head = ("", text(patch_day.title(day)), "Began", "Took", "Detail")
    return [*table(head, rows, (2, 3)), *(f"- {text(line)}" for line in patch_day.back(day, rehearsal.t0))]


def _pairs(summary: RunSummary) -> list[str]:
    rows = [
        (text(pair.cluster), text(pair.service), pair.first, pair.in_place, pair.ratio)
        for pair in patch_day.side_by_side(summary)
    ]
    head = ("Cluster", "Service", "Standby first", "In place", "In comparison")
    return ["", "## The same patch, standby first and in place", *table(head, rows, (2, 3))] if rows else []


def _repeats(summary: RunSummary) -> list[str]:
    found = [f"- {text(what)}: {text(told)}" for what, told in repeats.lines(summary)]
    return ["", f"## {repeats.TITLE.capitalize()}", "", *found] if found else []


def _rehearsal(rehearsal: RehearsalSummary) -> list[str]:
    told = (rehearsal.name, rehearsal.runner) if rehearsal.runner else (rehearsal.name,)
    where = " · ".join([f"{text(rehearsal.cluster)} ({_kind(rehearsal.kind)})", *map(text, told)])
    lines = ["", f"## {_verdict(rehearsal.verdict)}: {text(rehearsal.title)}", "", where]
    if rehearsal.reason:
        lines += ["", f"**{wording.sign(rehearsal.verdict)} {text(rehearsal.reason)}**"]
    if rehearsal.limits:
        limits = (
            (
                wording.sign(limit.verdict),
                text(limit.name),
                wording.measured(limit),
                wording.limit_text(limit),
                text(limit.evidence),
            )
            for limit in rehearsal.limits
        )
        lines += table(("", "Limit on", "Measured", "Limit", "Evidence"), limits, (2, 3))
    if rehearsal.invariants:
        lines += table(("", "Invariant", "Evidence"), _invariants(rehearsal), ())
    lines += [line for fault in rehearsal.faults[:MOST_ROWS] for line in _fault(fault, rehearsal)]
    lines += [line for day in rehearsal.patch_days for line in _patch_day(day, rehearsal)]
    if rehearsal.services:
        ordered = course.by_layer(rehearsal.services)
        services = [row for service in ordered for row in _service_rows(service, rehearsal.t0)]
        lines += table(("Layer", "Service", "Interruption", "Began", "Errors"), services, (2,))
        lines += [f"- {text(service.name)}: {text(note)}" for service in ordered for note in course.notes(service)]
    if rehearsal.dual:
        lines.append(f"- {course.dual_sign(rehearsal)} {text(course.dual(rehearsal))}")
    lines += [f"- ? {text(line)}" for line in course.skipped(rehearsal)]
    lines += [line for service in rehearsal.services for line in _audit(service)]
    lines += [line for found in rehearsal.phases[:MOST_ROWS] for line in _phases(found)]
    if rehearsal.clocks:
        lines.append(f"- {text(seconds.clocks(rehearsal))}")
    if rehearsal.actions:
        spans = sorted(rehearsal.actions, key=lambda span: span.start)
        rows = (
            (
                wording.sign(wording.span_verdict(span)),
                f"{'wait until ' if span.kind == 'wait' else ''}{text(span.label)}",
                wording.at(span.start, rehearsal.t0),
                wording.took(span),
            )
            for span in spans[:MOST_ROWS]
        )
        lines += table(("", "Action or wait", "Began", "Took"), rows, (2, 3))
        if len(spans) > MOST_ROWS:
            lines += [f"The first {MOST_ROWS} of {len(spans)}; the rest is in events.jsonl.", ""]
    lines += [f"- {text(note)}" for note in rehearsal.notes]
    lines += _shrunk(rehearsal.shrunk)
    if rehearsal.verdict is not Verdict.PASSED:
        lines += ["", "Repeat it alone:", "", *block(rehearsal.again)]
    return lines


def _shrunk(found: ShrunkSummary | None) -> list[str]:
    """Return what making a failing plan smaller came to, with a test to be pasted."""
    if found is None:
        return []
    lines = ["", f"### {shrunk.title(found)}", "", text(shrunk.sentence(found))]
    return [*lines, "", shrunk.PASTE, "", *block(*found.test.splitlines(), language="python")] if found.test else lines


def _footer(summary: RunSummary) -> list[str]:
    facts = [
        f"run {text(summary.run)}",
        f"harehearse {text(summary.version)}",
        f"Python {text(summary.python)}",
        f"on {text(summary.host)}",
        f"began {text(summary.started_at)}",
    ]
    lines = ["", "---", "", " · ".join(facts)]
    for cluster in summary.clusters:
        parts = [f"{text(cluster.id)} ({_kind(cluster.kind)}): {text(cluster.manager)}", ", ".join(cluster.nodes)]
        parts[1] = text(parts[1])
        if cluster.provider:
            parts.append(text(cluster.provider))
        if cluster.change:
            parts.append(text(wording.armed(cluster)))
        if cluster.lab_up_s is not None:
            parts.append(f"up in {show(cluster.lab_up_s)}")
        lines += ["", " · ".join(part for part in (*parts, *map(text, cluster.notes)) if part)]
    return lines


def render(summary: RunSummary) -> str:
    """Return the report of a run as Markdown."""
    verdict = f"{wording.sign(summary.verdict)} {summary.verdict.value.upper()}"
    lines = [f"# {verdict}: {text(wording.headline(summary))}", "", f"**{text(wording.why(summary))}**"]
    lines += ["", wording.advice(summary.verdict), "", *block(summary.again)]
    lines += [f"\n> ? Not all of the run could be read: {text(problem)}" for problem in summary.problems]
    lines += _overview(summary)
    lines += _pairs(summary)
    lines += _repeats(summary)
    for rehearsal in summary.rehearsals:
        lines += _rehearsal(rehearsal)
    lines += _footer(summary)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
