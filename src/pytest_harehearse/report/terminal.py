# SPDX-License-Identifier: MIT
"""The last screen of a run: verdict, numbers, reasons, next command, file. It must stand alone in a CI log."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable
from typing import Final

from pytest_harehearse.history.summary import RehearsalSummary, RunSummary, ServiceSummary, Verdict
from pytest_harehearse.report import course, wording

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
        yield name, f"({', '.join(facts)})", rehearsals


def _service(screen: _Screen, service: ServiceSummary) -> None:
    text = f"{service.name}: {wording.service_bounds(service)}"
    if not service.valid:
        text += f", {service.reason}"
    elif service.errors:
        text += f", {wording.errors_text(service.errors)}"
    screen.wrapped("; ".join((text, *course.notes(service))), 6, "·")


def _rehearsal(screen: _Screen, rehearsal: RehearsalSummary, verbosity: int) -> None:
    limit = wording.interruption_limit(rehearsal)
    cells = (
        wording.service_down(rehearsal.worst_service, limit.limit if limit else None),
        wording.amount(limit.limit, limit.unit) if limit else wording.NONE,
        wording.lost(rehearsal),
        _verdict(rehearsal.verdict),
    )
    screen.row(f"  {screen.say(rehearsal.name)}", cells, **MARKUP[rehearsal.verdict])
    if verbosity > 0:
        for service in rehearsal.services:
            _service(screen, service)
    if rehearsal.dual and rehearsal.dual.spans:
        screen.wrapped(course.dual(rehearsal), 6, course.dual_sign(rehearsal), red=True)
    for line in course.skipped(rehearsal):
        screen.wrapped(line, 6, "?", yellow=True)
    if rehearsal.verdict is Verdict.PASSED:
        return
    if rehearsal.reason:
        screen.wrapped(rehearsal.reason, 6)
    for broken in rehearsal.limits:
        if broken.verdict is not Verdict.PASSED:
            told = rehearsal.reason and wording.plain(broken.evidence) in wording.plain(rehearsal.reason)
            why = "" if told or not broken.evidence else f" ({broken.evidence})"
            screen.wrapped(wording.limit_sentence(broken) + why, 6, wording.sign(broken.verdict))
    if len(rehearsal.again) > 0:
        screen.add(f"      again  {screen.say(rehearsal.again)}")


def _brief(summary: RunSummary, report_path: str, screen: _Screen) -> list[Line]:
    for rehearsal in summary.rehearsals:
        down = wording.service_down(rehearsal.worst_service)
        text = f"{_verdict(rehearsal.verdict)}  {rehearsal.cluster}  {rehearsal.name}  {down}"
        screen.add(screen.say(text), **MARKUP[rehearsal.verdict])
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
        verbosity: as pytest's; below 0 only a verdict for each rehearsal, above 0 also every service.
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
    screen.add("")
    screen.add(f"again    {screen.say(summary.again)}")
    screen.add(f"report   {screen.say(report_path)}")
    return screen.lines
