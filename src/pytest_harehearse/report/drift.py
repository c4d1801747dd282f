# SPDX-License-Identifier: MIT
"""What is not alike, for people and programs: terminal, page, Markdown, JSON; differences first, what is alike counted."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pytest_harehearse.drift.compare import Drift, Finding, Verdict
from pytest_harehearse.drift.rules import Severity
from pytest_harehearse.inventory.model import Cluster
from pytest_harehearse.report import wording
from pytest_harehearse.report.md import table, text

SIGNS: Final = {Severity.FORBIDDEN: "✗", Severity.WATCH: "!", Severity.NOTE: "·"}
TONES: Final = {"✓": "passed", "✗": "failed", "!": "unknown", "?": "unknown"}
_WIDTH: Final = 100
#: A longer value is cut in a line; the page and JSON have all of it.
_VALUE: Final = 60
#: A page lists at most this many rows of one comparison.
MOST_ROWS: Final = 400


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison, and what it is called."""

    title: str
    drift: Drift


def summary(found: Drift) -> str:
    """Return a comparison in one line: "3 differ (1 forbidden), 209 alike, 2 not known"."""
    if not found.sides and not found.unknown:
        return "there is nothing to hold against each other: not known"
    parts = [f"{len(found.findings)} differ" + (f" ({len(found.forbidden)} forbidden)" if found.findings else "")]
    parts.append(f"{found.equal} alike")
    if found.allowed:
        parts.append(f"{found.allowed} may differ and do")
    if found.unknown:
        parts.append(f"{wording.plural(len(found.unknown), 'area')} not known")
    return ", ".join(parts)


def sign(found: Drift) -> str:
    """Return ✓ for none, ✗ for what is forbidden, ! for the rest, ? for what is not known."""
    if found.verdict is Verdict.SOME:
        return "✗" if found.forbidden else "!"
    return "✓" if found.verdict is Verdict.NONE else "?"


def shown(found: Drift, *, everything: bool) -> tuple[Finding, ...]:
    """Return the findings that are shown: without notes, unless everything is wanted."""
    return tuple(one for one in found.findings if everything or one.severity is not Severity.NOTE)


def values(one: Finding) -> list[tuple[str, str]]:
    """Return each value with where it is: nodes with the same one together, the ones most have last."""
    where: dict[str, list[str]] = {}
    for name, value in one.values.items():
        where.setdefault("absent" if value is None else value, []).append(name)
    ordered = sorted(where.items(), key=lambda pair: len(pair[1]))
    return [(", ".join(names), value or '""') for value, names in ordered]


def lines(parts: Sequence[Part], *, everything: bool = False) -> list[str]:
    """Return comparisons for a terminal."""
    out: list[str] = []
    for part in parts:
        found = part.drift
        out.append(f"{sign(found)} {wording.plain(part.title)}: {summary(found)}")
        for one in shown(found, everything=everything):
            out.append(f"  {SIGNS[one.severity]} {one.severity}  {wording.plain(one.path)}")
            for where, value in values(one):
                plain = wording.plain(value)
                cut = plain if len(plain) <= _VALUE else plain[: _VALUE - 1] + "…"
                out.append(f"      {wording.plain(where)}: {cut}")
            out += textwrap.wrap(f"because {one.reason}", _WIDTH, initial_indent="      ", subsequent_indent="      ")
        hidden = len(found.findings) - len(shown(found, everything=everything))
        if hidden:
            out.append(f"  · {wording.plural(hidden, 'note')} more: --all")
        for (where, area), why in found.unknown.items():
            told = wording.plain(f"? {area} of {where} is not known: {why}")
            out += textwrap.wrap(told, _WIDTH, initial_indent="  ", subsequent_indent="      ")
    return out


def document(cluster: Cluster, parts: Sequence[Part]) -> dict[str, Any]:
    """Return comparisons as the JSON object that other programs rely on."""
    return {
        "schema": 1,
        "cluster": cluster.id,
        "kind": cluster.kind,
        "parts": [
            {
                "title": part.title,
                "sides": list(part.drift.sides),
                "verdict": part.drift.verdict,
                "equal": part.drift.equal,
                "may_differ": part.drift.allowed,
                "findings": [
                    {
                        "path": one.path,
                        "severity": one.severity,
                        "policy": one.policy,
                        "reason": one.reason,
                        "acts_on": list(one.acts_on),
                        "values": dict(one.values),
                        "odd": list(one.odd),
                    }
                    for one in part.drift.findings
                ],
                "unknown": [
                    {"where": where, "area": area, "why": why} for (where, area), why in part.drift.unknown.items()
                ],
            }
            for part in parts
        ],
    }


def markdown(cluster: Cluster, parts: Sequence[Part], *, everything: bool = False) -> str:
    """Return comparisons for a ticket or a job's summary."""
    out = [f"# Drift of {text(cluster.id)}"]
    for part in parts:
        found = part.drift
        out += ["", f"## {sign(found)} {text(part.title)}: {text(summary(found))}"]
        rows = [
            (
                f"{SIGNS[one.severity]} {one.severity}", text(one.path),
                "; ".join(f"{text(where)}: {text(value[:_VALUE])}" for where, value in values(one)), text(one.reason),
            )
            for one in shown(found, everything=everything)[:MOST_ROWS]
        ]  # fmt: skip
        out += table(("", "What", "Values", "Why it matters"), rows, ()) if rows else []
        out += [
            f"- ? {text(area)} of {text(where)} is not known: {text(why)}"
            for (where, area), why in found.unknown.items()
        ]
    return "\n".join(out).rstrip("\n") + "\n"


#: What the templates of comparisons ask for.
VIEW: Final[dict[str, Any]] = {
    "sign": sign, "drift_summary": summary, "values": values, "shown": shown, "severity_signs": SIGNS, "drift_tones": TONES, "most_rows": MOST_ROWS,
}  # fmt: skip


def html(cluster: Cluster, parts: Sequence[Part], *, everything: bool = False) -> str:
    """Return comparisons as a page of its own."""
    from pytest_harehearse.report.html import environment

    return (
        environment()
        .get_template("drift_page.html.j2")
        .render(cluster=cluster, parts=parts, everything=everything, **VIEW)
    )
