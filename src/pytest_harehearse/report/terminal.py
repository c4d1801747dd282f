# SPDX-License-Identifier: MIT
"""The last screen of a run: verdict, numbers, reasons, next command, file. It must stand alone in a CI log."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable
from typing import Final

from pytest_harehearse.history.patch_day import PatchDaySummary
from pytest_harehearse.history.summary import (
    FaultSummary,
    RehearsalSummary,
    RunSummary,
    ServiceSummary,
    ShrunkSummary,
    Verdict,
)
from pytest_harehearse.report import course, faults, patch_day, repeats, seconds, shrunk, wording

Line = tuple[str, dict[str, bool]]

MARKUP: Final[dict[Verdict, dict[str, bool]]] = {
    Verdict.PASSED: {"green": True},
    Verdict.FAILED: {"red": True, "bold": True},
    Verdict.UNKNOWN: {"yellow": True, "bold": True},
    Verdict.UNFINISHED: {"yellow": True, "bold": True},
}
#: Width of limit, lost and verdict; what is left goes to the name and the interruption.
_LIMIT, _LOST, _VERDICT = 11, 9, 17
#: The space between a number and its unit, where no line may break.
_UNIT: Final = re.compile(r"(?<=\d) (?=(?:s|ms|min|h)\b)")
_LONG_HEAD: Final = "service down (worst, upper bound)"
_SHORT_HEAD: Final = "down, at most"
_ASCII: Final = str.maketrans(
    {
        "✓": "+",
        "✗": "x",
        "·": "-",
        "–": "-",
        "−": "-",
        "—": "-",
        "≤": "<=",
        "≥": ">=",
        "…": "...",
        "→": "->",
        "←": "<-",
        "₀": "0",
        "\u00a0": " ",
        "µ": "u",
        "±": "+-",
        "≠": "!=",
        "▏": "| ",
        "\ufffd": "?",
    }
)


def _cells(text: str) -> int:
    """Return how many columns text takes in a terminal."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def _left(text: str, width: int) -> str:
    return text + " " * (width - _cells(text))


def _right(text: str, width: int) -> str:
    return " " * (width - _cells(text)) + text


class _Screen:
    """Lines in the making, all in one width and one alphabet."""

    def __init__(self, width: int, *, ascii_only: bool) -> None:
        self.width = max(60, width)
        self.ascii_only = ascii_only
        self.lines: list[Line] = []
        self.head = _LONG_HEAD if self.width >= 96 else _SHORT_HEAD
        self.down = max(_cells(self.head) + 1, 17)
        self.name = self.width - self.down - _LIMIT - _LOST - _VERDICT

    def say(self, text: str) -> str:
        """Return text in the alphabet of this screen."""
        clean = wording.plain(text)
        return clean.translate(_ASCII).encode("ascii", "backslashreplace").decode() if self.ascii_only else clean

    def add(self, text: str, **markup: bool) -> None:
        """Add a line as it is."""
        self.lines.append((text.rstrip(), markup))

    def wrapped(self, text: str, indent: int, sign: str = "", **markup: bool) -> None:
        """Add prose, wrapped and indented under its sign; words are never broken."""
        first = " " * indent + (f"{self.say(sign)} " if sign else "")
        folded = textwrap.wrap(
            _UNIT.sub("\u00a0", self.say(text)),
            width=self.width,
            initial_indent=first,
            subsequent_indent=" " * len(first),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in folded or [first]:
            self.add(line.replace("\u00a0", " "), **markup)

    def row(self, name: str, cells: tuple[str, str, str, str], **markup: bool) -> None:
        """Add a row of the table; a name too long for its column gets a line of its own."""
        if _cells(name) > self.name:
            self.add(name, **markup)
            name = ""
        down, limit, lost, verdict = map(self.say, cells)
        numbers = _right(down, self.down) + _right(limit, _LIMIT) + _right(lost, _LOST)
        self.add(f"{_left(name, self.name)}{numbers}   {verdict}", **markup)


def _verdict(verdict: Verdict) -> str:
    return f"{wording.sign(verdict)} {verdict.value}"


def _groups(summary: RunSummary) -> Iterable[tuple[str, str, list[RehearsalSummary]]]:
    """Yield clusters in the order of the run, with what they are and their rehearsals."""
    clusters = {cluster.id: cluster for cluster in summary.clusters}
    for name in dict.fromkeys([*clusters, *(r.cluster for r in summary.rehearsals)]):
        rehearsals = [r for r in summary.rehearsals if r.cluster == name]
        cluster = clusters.get(name)
        facts = [cluster.kind if cluster else rehearsals[0].kind]
        if cluster and cluster.manager:
            facts.append(cluster.manager)
        if facts[0] == "production":
            facts[0] = "PRODUCTION"
        if cluster and cluster.change:
            facts.append(wording.armed(cluster))
        yield name, f"({', '.join(facts)})", rehearsals


def _service(screen: _Screen, service: ServiceSummary) -> None:
    text = f"{service.name}: {wording.service_bounds(service)}"
    if not service.valid:
        text += f", {service.reason}"
    elif service.errors:
        text += f", {wording.errors_text(service.errors)}"
    screen.wrapped("; ".join((text, *course.notes(service))), 6, "·")


def _fault(screen: _Screen, fault: FaultSummary, rehearsal: RehearsalSummary) -> None:
    """Say what became of a fault, and each of its steps."""
    screen.wrapped(f"{faults.title(fault)}: {faults.outcome(fault)}", 6, faults.sign(fault))
    for row in faults.rows(fault):
        detail = f": {row.detail}" if row.detail else ""
        screen.wrapped(f"{wording.at(row.t, rehearsal.t0)} {row.what}{detail}", 8, row.sign)


def _all(screen: _Screen, rehearsal: RehearsalSummary) -> None:
    """Say everything of faults, services and invariants that is not said as a reason."""
    for fault in rehearsal.faults:
        _fault(screen, fault, rehearsal)
    for service in rehearsal.services:
        _service(screen, service)
    for one in rehearsal.invariants:
        if one.verdict is Verdict.PASSED:
            screen.wrapped(f"invariant: {one.name} ({one.evidence})", 6, wording.sign(one.verdict))


def _surprises(screen: _Screen, rehearsal: RehearsalSummary) -> None:
    """Say which faults ended otherwise than was expected."""
    for fault in rehearsal.faults:
        if fault.agrees is False:
            screen.wrapped(f"{faults.title(fault)}: {faults.outcome(fault)}", 6, faults.sign(fault))


def _patch_day(screen: _Screen, day: PatchDaySummary, rehearsal: RehearsalSummary, verbosity: int) -> None:
    """Say what became of a patch day: its gates and way back, verbosely each step too."""
    screen.wrapped(patch_day.title(day), 6)
    gates = iter(day.gates)
    for step in day.steps:
        if step.name == "gate" and (gate := next(gates, None)) is not None:
            screen.wrapped(
                f"{wording.at(step.start, rehearsal.t0)} {patch_day.gate_line(gate)}", 8, patch_day.gate_sign(gate)
            )
        elif verbosity > 0 or step.outcome not in {"done", "skipped"}:
            detail = f": {step.detail}" if step.detail else ""
            text = f"{wording.at(step.start, rehearsal.t0)} {step.title}, {patch_day.took(step)}{detail}"
            screen.wrapped(text, 8, patch_day.sign(step))
    for line in patch_day.back(day, rehearsal.t0):
        screen.wrapped(line, 8)


def _pairs(screen: _Screen, summary: RunSummary) -> None:
    """Say what users felt of the same patch in both ways."""
    pairs = patch_day.side_by_side(summary)
    if pairs:
        screen.add("")
        screen.add(screen.say("the same patch, standby first and in place"), bold=True)
    for pair in pairs:
        text = f"{pair.cluster} {pair.service}: standby first {pair.first}, in place {pair.in_place}; {pair.ratio}"
        screen.wrapped(text, 2)


def _repeats(screen: _Screen, summary: RunSummary) -> None:
    """Say what repeats came to."""
    found = repeats.lines(summary)
    if found:
        screen.add("")
        screen.add(screen.say(repeats.TITLE), bold=True)
    for what, text in found:
        screen.wrapped(f"{what}: {text}", 2)


def _seen(screen: _Screen, rehearsal: RehearsalSummary, verbosity: int) -> None:
    """Say what is worth knowing of a rehearsal whatever its verdict."""
    for day in rehearsal.patch_days:
        _patch_day(screen, day, rehearsal, verbosity)
    (_all if verbosity > 0 else _surprises)(screen, rehearsal)
    for line in seconds.stories(rehearsal):
        screen.wrapped(line, 6)
    if rehearsal.dual and rehearsal.dual.spans:
        screen.wrapped(course.dual(rehearsal), 6, course.dual_sign(rehearsal), red=True)
    for line in course.skipped(rehearsal):
        screen.wrapped(line, 6, "?", yellow=True)


def _shrunk(screen: _Screen, found: ShrunkSummary) -> None:
    """Say what making its plan smaller came to, with a test to be pasted."""
    screen.wrapped(shrunk.sentence(found), 6)
    if found.test:
        screen.wrapped(f"{shrunk.title(found)}. {shrunk.PASTE}", 6)
        screen.add("")
        for line in found.test.splitlines():
            # As it is: a folded line could not be pasted.
            kept = wording.plain(line, lines=True)
            screen.add(f"          {kept.encode('ascii', 'backslashreplace').decode() if screen.ascii_only else kept}")
        screen.add("")


def _rehearsal(screen: _Screen, rehearsal: RehearsalSummary, verbosity: int) -> None:
    limit = wording.interruption_limit(rehearsal)
    cells = (
        wording.service_down(rehearsal.worst_service, limit.limit if limit else None),
        wording.amount(limit.limit, limit.unit) if limit else wording.NONE,
        wording.lost(rehearsal),
        _verdict(rehearsal.verdict),
    )
    screen.row(f"  {screen.say(rehearsal.name)}", cells, **MARKUP[rehearsal.verdict])
    _seen(screen, rehearsal, verbosity)
    if rehearsal.verdict is Verdict.PASSED:
        return
    if rehearsal.reason:
        screen.wrapped(rehearsal.reason, 6)
    for broken in rehearsal.limits:
        if broken.verdict is not Verdict.PASSED:
            told = rehearsal.reason and wording.plain(broken.evidence) in wording.plain(rehearsal.reason)
            why = "" if told or not broken.evidence else f" ({broken.evidence})"
            screen.wrapped(wording.limit_sentence(broken) + why, 6, wording.sign(broken.verdict))
    for one in rehearsal.invariants:
        if one.verdict is not Verdict.PASSED:
            screen.wrapped(
                f"invariant: {one.name}, {wording.HELD[one.verdict]} ({one.evidence})", 6, wording.sign(one.verdict)
            )
    if rehearsal.shrunk is not None:
        _shrunk(screen, rehearsal.shrunk)
    if len(rehearsal.again) > 0:
        screen.add(f"      again  {screen.say(rehearsal.again)}")


def _brief(summary: RunSummary, report_path: str, screen: _Screen) -> list[Line]:
    for rehearsal in summary.rehearsals:
        down = wording.service_down(rehearsal.worst_service)
        text = f"{_verdict(rehearsal.verdict)}  {rehearsal.cluster}  {rehearsal.name}  {down}"
        screen.add(screen.say(text), **MARKUP[rehearsal.verdict])
        # pytest itself tells why one failed, and says nothing of an outcome that it does not know.
        if rehearsal.reason and rehearsal.verdict not in {Verdict.PASSED, Verdict.FAILED}:
            screen.wrapped(rehearsal.reason, 2)
    screen.add(f"report   {screen.say(report_path)}")
    return screen.lines


def lines(
    summary: RunSummary, report_path: str, *, width: int = 100, verbosity: int = 0, ascii_only: bool = False
) -> list[Line]:
    """Return what to print after a run: each line with its pytest markup.

    Args:
        summary: the run.
        report_path: of the page, as the reader should open it.
        width: columns of the terminal.
        verbosity: as pytest's; below 0 only a verdict for each rehearsal, and why it is not known, above 0 also every service.
        ascii_only: for terminals and logs that cannot show more.
    """
    screen = _Screen(width, ascii_only=ascii_only)
    if verbosity < 0:
        return _brief(summary, report_path, screen)
    screen.wrapped(wording.headline(summary), 0, bold=True)
    screen.wrapped(
        f"{wording.why(summary)}", 0, f"{wording.sign(summary.verdict)} {summary.verdict.value.upper()} ",
        **MARKUP[summary.verdict],
    )  # fmt: skip
    for problem in summary.problems:
        screen.wrapped(f"not all of the run could be read: {problem}", 0, "?", yellow=True)
    for name, facts, rehearsals in _groups(summary):
        screen.add("")
        screen.row(f"{screen.say(name)} {screen.say(facts)}", (screen.head, "limit", "lost", "verdict"), bold=True)
        for rehearsal in rehearsals:
            _rehearsal(screen, rehearsal, verbosity)
        if not rehearsals:
            screen.add("  no rehearsal ran on it")
    _pairs(screen, summary)
    _repeats(screen, summary)
    screen.add("")
    screen.add(f"again    {screen.say(summary.again)}")
    screen.add(f"report   {screen.say(report_path)}")
    return screen.lines
