# SPDX-License-Identifier: MIT
"""Two clusters side by side, for people and programs: both distributions and phases on one scale, and what explains it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from pytest_harehearse.history.compare import Answer, Comparison, DriftRow, Pair, PhasePair, Side
from pytest_harehearse.report import history, wording
from pytest_harehearse.report.compare_drawing import MOST_POINTS, phase_name, reach, told
from pytest_harehearse.report.compare_drawing import drawings as drawn_of
from pytest_harehearse.report.history import name
from pytest_harehearse.report.md import table, text
from pytest_harehearse.units import show

if TYPE_CHECKING:
    from markupsafe import Markup

SIGNS: Final = {Answer.ALIKE: "✓", Answer.SLOWER: "✗", Answer.FASTER: "!", Answer.UNKNOWN: "?"}
TONES: Final = {Answer.ALIKE: "passed", Answer.SLOWER: "failed", Answer.FASTER: "unknown", Answer.UNKNOWN: "unknown"}
_WIDTH: Final = 100
#: Columns of a strip of points in a terminal, at most and at least, and of a cluster's name.
_STRIP: Final = 48
_NARROW: Final = 8
_NAME: Final = 24
#: A longer value of a setting is cut; JSON has all of it.
_VALUE: Final = 60


@dataclass(frozen=True, slots=True)
class Shown:
    """One scenario: its services, and what they share."""

    scenario: str
    pairs: tuple[Pair, ...]

    @property
    def phases(self) -> tuple[PhasePair, ...]:
        """Of the scenario; every service has the same."""
        return self.pairs[0].phases

    @property
    def largest(self) -> PhasePair | None:
        """The phase that deviates most."""
        return self.pairs[0].largest

    @property
    def causes(self) -> tuple[DriftRow, ...]:
        """What explains that a service differs; empty where none does."""
        return next((pair.causes for pair in self.pairs if pair.causes), ())

    @property
    def cut(self) -> int:
        """How many rehearsals of a side are drawn, where there are more; 0: all are."""
        most = max(len(side.points) for pair in self.pairs for side in (pair.one, pair.other))
        return MOST_POINTS if most > MOST_POINTS else 0

    def phase_name(self, phase: PhasePair) -> str:
        """Return a phase as people call it."""
        return phase_name(phase)

    def values(self, row: DriftRow) -> str:
        """Return the values of a setting, each with where it is."""
        return values(row)


def scenarios(found: Comparison) -> list[Shown]:
    """Return a comparison scenario by scenario."""
    return [Shown(scenario, tuple(pairs)) for scenario, pairs in groupby(found.pairs, key=lambda pair: pair.scenario)]


def difference(seconds: float) -> str:
    """Return a difference with its sign, to the millisecond."""
    return history.difference(round(seconds, 3))


def deviation(phase: PhasePair) -> str:
    """Return by how much the second side's phase is longer; a dash where one is not known."""
    return wording.NONE if phase.one is None or phase.other is None else difference(phase.deviation)


def values(row: DriftRow) -> str:
    """Return the values of a setting, each with where it is."""
    told = {where: "absent" if value is None else wording.plain(value) for where, value in row.values.items()}
    return ", ".join(f"{where}: {_cut(value, _VALUE)}" for where, value in told.items())


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most - 1]}…"


def strip(side: Side, longest: float, columns: int = _STRIP) -> str:
    """Return a side's points as one line: "·" for one rehearsal, ":" for two at a place, "#" for more."""
    places = [0] * columns
    for point in side.points:
        places[min(columns - 1, int(point.upper / longest * columns))] += 1
    return "".join(" " if not count else "·" if count == 1 else ":" if count == 2 else "#" for count in places)


def lines(found: Comparison, note: str = "") -> list[str]:
    """Return a comparison for a terminal; ``note``: what is said of drift."""
    out = _wrapped(f"{SIGNS[found.answer]} {found.one} and {found.other}: {found.answer}", "")
    for shown in scenarios(found):
        out += ["", *_wrapped(name(shown.scenario), "")]
        longest = reach(shown.pairs)
        for pair in shown.pairs:
            out += _wrapped(f"{SIGNS[pair.answer]} {_cut(pair.service, 60)}: {pair.sentence}", "  ")
            out += _strips(pair, longest)
        out += _phases(shown, found)
        out += ["    What explains it, the likeliest first:"] if shown.causes else []
        for number, cause in enumerate(shown.causes, 1):
            out += _wrapped(f"{number}. {cause.path} ({values(cause)}): {cause.reason}", "    ")
    out += [""] if found.pairs and (found.lonely or note) else []
    for scenario, cluster in found.lonely.items():
        out += _wrapped(f"? {name(scenario)} was rehearsed on {cluster} only", "")
    if not found.pairs:
        out.append("  nothing was rehearsed on both")
    return [*out, *(_wrapped(note, "  ") if note else [])]


def _wrapped(words: str, indent: str) -> list[str]:
    return textwrap.wrap(wording.plain(words), _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}   ")


def _strips(pair: Pair, longest: float) -> list[str]:
    sides = (pair.one, pair.other)
    names = [_cut(wording.plain(side.cluster), _NAME) for side in sides]
    wide = max(map(len, names))
    room = _WIDTH - 6 - wide - 5 - max(len(told(side)) for side in sides)
    columns = max(_NARROW, min(_STRIP, room))
    out = [
        f"      {label:<{wide}}  |{strip(side, longest, columns)}| {told(side)}"
        for label, side in zip(names, sides, strict=True)
    ]
    end = show(longest)
    return [*out, f"      {'':<{wide}}  0 s{end:>{max(len(end) + 1, columns - 1)}}"]


def _phases(shown: Shown, found: Comparison) -> list[str]:
    if not shown.phases:
        return []
    heads = [_cut(wording.plain(name), _NAME) for name in (found.one, found.other)]
    rows = [
        (
            _cut(phase_name(phase), 14), show(phase.one), show(phase.other), deviation(phase),
            " ← the largest deviation" if phase is shown.largest else "",
        )
        for phase in shown.phases
    ]  # fmt: skip
    table = [("phase", *heads, "difference", ""), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    return [
        f"    {row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}{row[4]}"
        for row in table
    ]


def document(found: Comparison) -> dict[str, Any]:
    """Return a comparison as the JSON object that other programs rely on; lengths in seconds, null for no bound."""
    return {
        "schema": 1,
        "one": found.one,
        "other": found.other,
        "answer": found.answer,
        "pairs": [
            {
                "scenario": pair.scenario,
                "service": pair.service,
                "answer": pair.answer,
                "sentence": pair.sentence,
                "ratio": None if pair.interval is None else _ends(pair.interval.ratio),
                "difference": None if pair.interval is None else _ends(pair.interval.difference),
                "one": _plain(pair.one),
                "other": _plain(pair.other),
                "phases": [
                    {"name": p.name, "one": p.one, "other": p.other, "largest": p is pair.largest} for p in pair.phases
                ],
                "causes": [
                    {
                        "path": c.path, "values": dict(c.values), "reason": c.reason, "severity": c.severity,
                        "acts_on": list(c.acts_on),
                    }
                    for c in pair.causes
                ],
            }
            for pair in found.pairs
        ],
        "only_on": dict(found.lonely),
    }  # fmt: skip


def _ends(ends: tuple[float, float]) -> list[float | None]:
    return [end if isfinite(end) else None for end in ends]


def _plain(side: Side) -> dict[str, Any]:
    return {
        "cluster": side.cluster,
        "points": [{"run": p.run, "at": p.at, "lower": p.lower, "upper": p.upper} for p in side.points],
        "median": side.middle,
        "worst": side.worst,
        "not_known": side.not_known,
        "at_least": list(side.at_least),
    }


def markdown(found: Comparison, note: str = "") -> str:
    """Return a comparison for a ticket or a job's summary."""
    out = [f"# {SIGNS[found.answer]} {text(found.one)} and {text(found.other)}: {found.answer}"]
    rows = [
        (
            SIGNS[pair.answer], text(name(pair.scenario)), text(pair.service), text(told(pair.one)), text(told(pair.other)),
            text(pair.sentence), _deviates(pair), text(", ".join(cause.path for cause in pair.causes)) or wording.NONE,
        )
        for pair in found.pairs
    ]  # fmt: skip
    head = (
        "", "Scenario", "Service", text(found.one), text(found.other), "In comparison", "Largest deviation", "Explained by",
    )  # fmt: skip
    out += table(head, rows, ()) if rows else [""]
    out += [
        f"- ? {text(name(scenario))} was rehearsed on {text(cluster)} only"
        for scenario, cluster in found.lonely.items()
    ]
    if not found.pairs:
        out.append("Nothing was rehearsed on both.")
    return "\n".join([*out, *(["", text(note)] if note else [])]).rstrip("\n") + "\n"


def _deviates(pair: Pair) -> str:
    return wording.NONE if pair.largest is None else text(f"{phase_name(pair.largest)} {deviation(pair.largest)}")


def drawings(found: Comparison) -> Sequence[tuple[Shown, Markup]]:
    """Return each scenario with its drawing, as markup."""
    from markupsafe import Markup

    return [
        (shown, Markup("".join(drawn_of(shown.pairs, f"{found.one}--{found.other}--{number}"))))  # noqa: S704 - escaped there
        for number, shown in enumerate(scenarios(found), 1)
    ]


def html(found: Comparison, note: str = "") -> str:
    """Return a comparison as a page of its own."""
    from pytest_harehearse.report.html import environment

    return environment().get_template("compare_page.html.j2").render(**view(found, note))


def section(found: Comparison, note: str = "") -> Markup:
    """Return a comparison as a section of another page with the same style sheet."""
    from markupsafe import Markup

    from pytest_harehearse.report.html import environment

    return Markup(environment().get_template("compare.html.j2").render(**view(found, note)))  # noqa: S704 - autoescaped


def view(found: Comparison, note: str = "") -> dict[str, Any]:
    """Return what the templates need."""
    return {
        "comparison": found, "drawn": drawings(found), "compare_signs": SIGNS, "compare_tones": TONES, "scenario_name": name,
        "difference": deviation, "note": note,
    }  # fmt: skip
