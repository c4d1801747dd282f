# SPDX-License-Identifier: MIT
"""The words for where the seconds of an interruption went: phases, their errors, the nodes' clocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pytest_harehearse.history.phases import Attribution, Instant, Phase
from pytest_harehearse.history.summary import RehearsalSummary
from pytest_harehearse.report import wording

#: Phase → its name, and what passes in it.
NAMES: Final = {
    "served": ("still served", "it was done, and the service still answered"),
    "detect": ("detect", "until the cluster noticed"),
    "decide": ("decide", "until the others had agreed on who is left and asked for fencing"),
    "fence": ("fence", "until the lost node was fenced"),
    "stop": ("stop", "until the service was stopped at its old place and could be started"),
    "start": ("start", "until the service was started"),
    "vip": ("VIP", "until its address was announced at its new place"),
    "answer": ("first answer", "until the first client was answered"),
    "redundancy": ("redundancy", "until every node was back"),
}
RECORDS: Final = {
    "detected": "detected",
    "fencing": "fencing asked for",
    "fenced": "fenced",
    "stopping": "stop begun",
    "stopped": "stopped",
    "starting": "start begun",
    "started": "started",
    "vip": "VIP moved",
    "failed": "failed",
}
#: Half a width below this is not worth a sign: it would read ± 0.00.
_SHARP_S: Final = 0.005
#: A space at which no line is broken.
_FIXED: Final = "\u00a0"


def name(phase: Phase) -> str:
    """Return the phase's name."""
    return NAMES.get(phase.name, (wording.plain(phase.name),))[0]


def meaning(phase: Phase) -> str:
    """Return what passes in it, as a clause."""
    return NAMES[phase.name][1] if phase.name in NAMES else ""


def error(phase: Phase) -> float | None:
    """Return by how much the length may be off, to the farther side."""
    length, lower, upper = phase.length, phase.lower, phase.upper
    if length is None or lower is None or upper is None:
        return None
    return max(upper - length, length - lower)


def length(phase: Phase) -> str:
    """Return a phase's length with its error: ``3.02 ± 0.01 s``, ``≤ 12.30 s``, ``unknown``."""
    seconds, off = phase.length, error(phase)
    if seconds is None or off is None or phase.upper is None:
        return wording.UNKNOWN
    if off < _SHARP_S:
        return wording.amount(seconds)
    if off > seconds / 2:
        # A number that may be off by as much as itself says less than its bound.
        return f"≤ {wording.amount(phase.upper)}"
    return f"{wording.number(seconds)} ± {wording.number(off)} s"


def bounds(phase: Phase) -> str:
    """Return a phase's length as a pair of bounds."""
    return wording.bounds(phase.lower, phase.upper)


def ended(phase: Phase, start: float) -> str:
    """Return when a phase ended, counted from what was done."""
    return wording.UNKNOWN if phase.end is None else since(phase.end, start)


def since(instant: Instant, start: float) -> str:
    """Return an instant with its error, counted from what was done: ``T+3.02 ± 0.01 s``."""
    off = max(instant.late - instant.at, instant.at - instant.early)
    text = wording.at(instant.at, start)
    if off < _SHARP_S:
        return text
    return f"{text if text.endswith(' s') else 'T+0.00 s'}".removesuffix(" s") + f" ± {wording.number(off)} s"


def story(found: Attribution, *, labelled: bool) -> str:
    """Return a stretch in a line: ``T₀ ▏detect 3.02 s ▏fence 0.41 s ▏first answer 0.02 s: T+5.84 s``."""
    parts = [f"{wording.plain(found.label)}: T₀" if labelled else "T₀"]
    for phase in found.phases:
        part = f"{name(phase)} {length(phase)}"
        part = part.replace(" ", _FIXED)
        if phase.name == "answer" and phase.end is not None:
            part += f", {since(phase.end, found.start).replace(' ', _FIXED)}"
        parts.append(part)
    return " ▏".join(parts)


def stories(rehearsal: RehearsalSummary) -> Sequence[str]:
    """Return a line for each thing that was done and interrupted a service, or was at least recorded by the cluster."""
    told = [one for one in rehearsal.phases if one.service is not None or one.marks]
    return [story(one, labelled=len(told) > 1) for one in told]


def largest(found: Attribution) -> Phase | None:
    """Return the phase of the interruption that took the longest; None when a length is not known."""
    within = [p for p in found.phases if p.name not in {"served", "redundancy"}]
    if not within or any(p.length is None for p in within):
        return None
    return max(within, key=lambda p: p.length or 0.0)


def interruption(found: Attribution) -> str:
    """Return what the phases are the phases of, as a sentence."""
    if found.service is None:
        return "No service was interrupted."
    text = f"{wording.plain(found.service)} was interrupted for {wording.bounds(found.lower, found.upper)}"
    most = largest(found)
    return f"{text}, most of it: {name(most)}." if most is not None and len(found.phases) > 1 else f"{text}."


def clocks(rehearsal: RehearsalSummary) -> str:
    """Return how the nodes' clocks stood, as a sentence; empty when none was measured."""
    if not rehearsal.clocks:
        return ""
    parts = (
        f"{wording.plain(c.node)} {'+' if c.offset >= 0 else '−'}{_milliseconds(abs(c.offset))} ± {_milliseconds(c.error)}"
        for c in rehearsal.clocks
    )
    return f"Clocks of the nodes against the runner's: {', '.join(parts)}."


def _milliseconds(value: float) -> str:
    return f"{value * 1000:.1f} ms" if value < 1 else wording.amount(value)
