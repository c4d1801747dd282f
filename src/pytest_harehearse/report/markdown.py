# SPDX-License-Identifier: MIT
"""The report as Markdown: for a merge request, a ticket, a chat."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from pytest_harehearse.history.summary import RehearsalSummary, RunSummary, ServiceSummary, Verdict
from pytest_harehearse.report import course, wording
from pytest_harehearse.units import show

_SPECIAL: Final = re.compile(r"([\\`*_\[\]{}|#~!@$])")
#: A table lists at most this many rows of a kind; a ticket is no place for more.
MOST_ROWS: Final = 20


def _text(words: str) -> str:
    """Return words on one line that Markdown shows as they are."""
    safe = wording.plain(words).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", safe)


def _block(command: str) -> list[str]:
    """Return a command as a block to copy from, fenced by more backticks than it has itself."""
    line = wording.plain(command)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return [f"{fence}console", line, fence]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int]) -> list[str]:
    rule = ["--:" if column in numbers else ":--" for column in range(len(head))]
    return ["", *(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)), ""]


def _verdict(verdict: Verdict) -> str:
    return f"{wording.sign(verdict)} {verdict.value}"


def _overview(summary: RunSummary) -> list[str]:
    rows = []
    for rehearsal in summary.rehearsals:
        limit = wording.interruption_limit(rehearsal)
        rows.append(
            (
                f"**{_verdict(rehearsal.verdict)}**",
                _text(rehearsal.title),
                f"{_text(rehearsal.cluster)} ({_kind(rehearsal.kind)})",
                wording.service_bounds(rehearsal.worst_service),
                wording.limit_text(limit) if limit else wording.NONE,
                wording.lost(rehearsal),
            )
        )
    head = ("Verdict", "Rehearsal", "Cluster", "Interruption, worst service", "Limit", "Lost writes")
    return _table(head, rows, (3, 4, 5)) if rows else []


def _kind(kind: str) -> str:
    return "**PRODUCTION**" if kind == "production" else _text(kind)


def _service_rows(service: ServiceSummary, t0: float) -> Iterable[tuple[str, str, str, str, str]]:
    layer, name = _text(service.layer) or wording.NONE, _text(service.name)
    if not service.valid:
        yield layer, name, "? UNKNOWN", wording.NONE, _text(service.reason or "not measured soundly")
    elif not service.outages:
        yield layer, name, wording.NOT_INTERRUPTED, wording.NONE, f"{service.attempts} attempts, none failed"
    else:
        for outage in service.outages[:MOST_ROWS]:
            parts = (_text(wording.errors_text(outage.errors)), wording.outage_note(outage))
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
    name = _text(service.name)
    if audit.problem:
        return [f"- ? Writes of {name} could not be audited, so no count is proved: {_text(audit.problem)}"]
    line = (
        f"- Writes of {name}: {audit.acked} acknowledged, of them {len(audit.lost)} lost; {audit.failed} refused; "
        f"{audit.unknown} without an answer ({audit.unknown_present} of them found); {audit.duplicates} written twice; "
        f"longest hole {show(audit.largest_hole_s)}."
    )
    if audit.lost:
        shown = ", ".join(map(str, audit.lost[:MOST_ROWS]))
        line += f" Lost: {shown}{' …' if len(audit.lost) > MOST_ROWS else ''}."
    return [line]


def _rehearsal(rehearsal: RehearsalSummary) -> list[str]:
    where = f"{_text(rehearsal.cluster)} ({_kind(rehearsal.kind)}) · {_text(rehearsal.name)}"
    lines = ["", f"## {_verdict(rehearsal.verdict)}: {_text(rehearsal.title)}", "", where]
    if rehearsal.reason:
        lines += ["", f"**{wording.sign(rehearsal.verdict)} {_text(rehearsal.reason)}**"]
    if rehearsal.limits:
        limits = (
            (
                wording.sign(limit.verdict),
                _text(limit.name),
                wording.measured(limit),
                wording.limit_text(limit),
                _text(limit.evidence),
            )
            for limit in rehearsal.limits
        )
        lines += _table(("", "Limit on", "Measured", "Limit", "Evidence"), limits, (2, 3))
    if rehearsal.services:
        ordered = course.by_layer(rehearsal.services)
        services = [row for service in ordered for row in _service_rows(service, rehearsal.t0)]
        lines += _table(("Layer", "Service", "Interruption", "Began", "Errors"), services, (2,))
        lines += [f"- {_text(service.name)}: {_text(note)}" for service in ordered for note in course.notes(service)]
    if rehearsal.dual:
        lines.append(f"- {course.dual_sign(rehearsal)} {_text(course.dual(rehearsal))}")
    lines += [f"- ? {_text(line)}" for line in course.skipped(rehearsal)]
    lines += [line for service in rehearsal.services for line in _audit(service)]
    if rehearsal.actions:
        spans = sorted(rehearsal.actions, key=lambda span: span.start)
        rows = (
            (
                wording.sign(wording.span_verdict(span)),
                f"{'wait until ' if span.kind == 'wait' else ''}{_text(span.label)}",
                wording.at(span.start, rehearsal.t0),
                wording.took(span),
            )
            for span in spans[:MOST_ROWS]
        )
        lines += _table(("", "Action or wait", "Began", "Took"), rows, (2, 3))
        if len(spans) > MOST_ROWS:
            lines += [f"The first {MOST_ROWS} of {len(spans)}; the rest is in events.jsonl.", ""]
    lines += [f"- {_text(note)}" for note in rehearsal.notes]
    if rehearsal.verdict is not Verdict.PASSED:
        lines += ["", "Repeat it alone:", "", *_block(rehearsal.again)]
    return lines


def _footer(summary: RunSummary) -> list[str]:
    facts = [
        f"run {_text(summary.run)}",
        f"harehearse {_text(summary.version)}",
        f"Python {_text(summary.python)}",
        f"on {_text(summary.host)}",
        f"began {_text(summary.started_at)}",
    ]
    lines = ["", "---", "", " · ".join(facts)]
    for cluster in summary.clusters:
        parts = [f"{_text(cluster.id)} ({_kind(cluster.kind)}): {_text(cluster.manager)}", ", ".join(cluster.nodes)]
        parts[1] = _text(parts[1])
        if cluster.provider:
            parts.append(_text(cluster.provider))
        if cluster.lab_up_s is not None:
            parts.append(f"up in {show(cluster.lab_up_s)}")
        lines += ["", " · ".join(part for part in (*parts, *map(_text, cluster.notes)) if part)]
    return lines


def render(summary: RunSummary) -> str:
    """Return the report of a run as Markdown."""
    verdict = f"{wording.sign(summary.verdict)} {summary.verdict.value.upper()}"
    lines = [f"# {verdict}: {_text(wording.headline(summary))}", "", f"**{_text(wording.why(summary))}**"]
    lines += ["", wording.advice(summary.verdict), "", *_block(summary.again)]
    lines += [f"\n> ? Not all of the run could be read: {_text(problem)}" for problem in summary.problems]
    lines += _overview(summary)
    for rehearsal in summary.rehearsals:
        lines += _rehearsal(rehearsal)
    lines += _footer(summary)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
