# SPDX-License-Identifier: MIT
"""The go or no-go for people and programs: terminal, page, Markdown, JSON."""

from __future__ import annotations

import textwrap
from typing import Any, Final

from pytest_harehearse.history.gate.decision import Answer, Decision, Gate
from pytest_harehearse.report import wording
from pytest_harehearse.report.md import block, table, text

SIGNS: Final = {Answer.GO: "✓", Answer.NO_GO: "✗", Answer.UNKNOWN: "?"}
_LEARN: Final = "learn what is not known"
#: Columns of a terminal.
_WIDTH: Final = 100


def age(seconds: float | None) -> str:
    """Return how old evidence is: "3 h", "2 d"; an en dash where it has none."""
    if seconds is None:
        return wording.NONE
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86400:.0f} d"


def why(decision: Decision) -> str:
    """Return the decision's reason in one sentence."""
    against = decision.against
    if not against:
        return f"All {len(decision.gates)} gates say GO."
    bad = [wording.plain(gate.name) for gate in against if gate.answer is Answer.NO_GO]
    unknown = [wording.plain(gate.name) for gate in against if gate.answer is Answer.UNKNOWN]
    parts = [f"no: {', '.join(bad)}"] if bad else []
    parts += [f"not known: {', '.join(unknown)}"] if unknown else []
    return f"{len(against)} of {len(decision.gates)} gates are against it; {'; '.join(parts)}."


def lines(decision: Decision) -> list[str]:
    """Return the decision for a terminal."""
    kind = "PRODUCTION" if decision.kind == "production" else decision.kind
    window = f"  window {wording.plain(decision.window)}" if decision.window else ""
    found = [f"{SIGNS[decision.answer]} {decision.answer}  {wording.plain(decision.cluster)} ({kind}){window}"]
    found += textwrap.wrap(why(decision), _WIDTH, initial_indent="  ", subsequent_indent="  ")
    rows = [("", "gate", "found", "limit", "age", "from"), *(_row(gate) for gate in decision.gates)]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row, gate in zip(rows, (None, *decision.gates), strict=True):
        found.append("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if gate is not None:
            evidence = wording.plain(gate.evidence)
            found += textwrap.wrap(evidence, _WIDTH, initial_indent="       ", subsequent_indent="       ")
    if decision.against:
        found += ["", "  what would turn it to GO:"]
        for gate in decision.against:
            told = f"{SIGNS[gate.answer]} {wording.plain(gate.name)}: {wording.plain(gate.remedy or _LEARN)}"
            found += textwrap.wrap(told, _WIDTH, initial_indent="  ", subsequent_indent="      ")
            if gate.command:
                found.append(f"      {wording.plain(gate.command)}")
    return found


def _row(gate: Gate) -> tuple[str, ...]:
    cells = (gate.name, gate.value, gate.limit, age(gate.age), gate.provenance)
    return SIGNS[gate.answer], *(wording.plain(cell) for cell in cells)


def document(decision: Decision) -> dict[str, Any]:
    """Return the decision as the JSON object that other programs rely on; ages in seconds."""
    return {
        "schema": 1,
        "cluster": decision.cluster,
        "kind": decision.kind,
        "at": decision.at.isoformat(timespec="seconds"),
        "window": decision.window,
        "answer": decision.answer,
        "why": why(decision),
        "gates": [
            {
                "name": gate.name,
                "answer": gate.answer,
                "value": gate.value,
                "limit": gate.limit,
                "evidence": gate.evidence,
                "provenance": gate.provenance,
                "age": gate.age,
                "remedy": gate.remedy,
                "command": gate.command,
            }
            for gate in decision.gates
        ],
    }


def markdown(decision: Decision) -> str:
    """Return the decision for a ticket or a job's summary."""
    window = f", window {text(decision.window)}" if decision.window else ""
    kind = "**PRODUCTION**" if decision.kind == "production" else decision.kind
    head = f"# {SIGNS[decision.answer]} {decision.answer}: {text(decision.cluster)}{window}"
    rows = [
        (
            f"{SIGNS[gate.answer]} **{gate.answer}**", text(gate.name), text(gate.value), text(gate.limit), age(gate.age),
            text(gate.provenance), text(gate.evidence),
        )
        for gate in decision.gates
    ]  # fmt: skip
    found = [head, "", f"{kind}, decided {decision.at:%Y-%m-%d %H:%M} UTC. {text(why(decision))}"]
    found += table(("", "Gate", "Found", "Limit", "Age", "From", "Evidence"), rows, (4,))
    if decision.against:
        found += ["What would turn it to GO:", ""]
        for gate in decision.against:
            found.append(f"- {SIGNS[gate.answer]} {text(gate.name)}: {text(gate.remedy or _LEARN)}")
            found += ["", *block(gate.command, indent="  "), ""] if gate.command else []
    return "\n".join(found).rstrip("\n") + "\n"


def html(decision: Decision) -> str:
    """Return the decision as a page of its own."""
    from pytest_harehearse.report.html import environment

    return environment().get_template("gate.html.j2").render(
        decision=decision, signs=SIGNS, age=age, why=why(decision), learn=_LEARN
    )  # fmt: skip
