# SPDX-License-Identifier: MIT
"""The report page: one file that needs nothing else, to be mailed, archived and printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pytest_harehearse import units
from pytest_harehearse.history.series import Series
from pytest_harehearse.history.summary import RehearsalSummary, RunSummary, Span, Verdict
from pytest_harehearse.report import (
    compare,
    course,
    drift,
    faults,
    gate,
    history,
    patch_day,
    repeats,
    seconds,
    shrunk,
    strip,
    svg,
    wording,
)
from pytest_harehearse.report.beside import Beside
from pytest_harehearse.report.stems import stems

if TYPE_CHECKING:
    from jinja2 import Environment

#: A page larger than this is refused by mail servers and trackers.
PAGE_LIMIT: Final = 1_000_000
#: A table lists at most this many rows of a kind.
MOST_ROWS: Final = 60
#: So many bars of phases are drawn for a rehearsal; more is a loop of switchovers, and the tables tell of those.
MOST_STRIPS: Final = 8


def environment() -> Environment:
    """Return the templates of pages: every text is escaped, control characters are shown as what they are."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pytest_harehearse.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.globals.update(
        w=wording,
        c=course,
        f=faults,
        k=shrunk,
        p=seconds,
        d=patch_day,
        show=units.show,
        href=_href,
        share=_share,
        most=MOST_ROWS,
    )
    return environment


def stylesheet() -> str:
    """Return the style sheet of every page, for a drawing that stands alone."""
    return environment().get_template("report.css").render()


def _finalize(value: object) -> object:
    """Keep control characters out of the page; what is markup already stays as it is."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return wording.plain(str(value), lines=True)
    return value


def _href(path: str) -> str:
    """Return a link to a file of the run directory; never one that leads elsewhere."""
    return "./" + quote(path.lstrip("/"))


def _share(span: Span, rehearsal: RehearsalSummary) -> dict[str, str]:
    """Return where a span lies in its rehearsal, in percent, for the bar in the table of durations."""
    reach = max(rehearsal.end - rehearsal.start, 1e-9)
    end = rehearsal.end if span.end is None else span.end
    left = min(100.0, max(0.0, (span.start - rehearsal.start) / reach * 100))
    width = min(100.0 - left, max(0.0, (end - span.start) / reach * 100))
    return {"left": f"{left:.1f}", "width": f"{width:.1f}"}


def _anchors(summary: RunSummary) -> list[str]:
    """Return an HTML id for each rehearsal: its own, numbered should it come twice."""
    seen: set[str] = set()
    found = []
    for rehearsal in summary.rehearsals:
        anchor, number = rehearsal.id, 2
        while anchor in seen:
            anchor, number = f"{rehearsal.id}-{number}", number + 1
        seen.add(anchor)
        found.append(anchor)
    return found


def _figures(summary: RunSummary, anchors: list[str], room: int) -> Mapping[str, tuple[str, ...]]:
    """Draw each timeline and its bars of phases, worst verdict first, until there is no more room (in bytes)."""
    from markupsafe import Markup

    watched = sum(len(rehearsal.services) for rehearsal in summary.rehearsals) or 1
    points = max(16, min(120, 5_000 // watched))
    order = list(Verdict)
    worst_first = sorted(
        zip(anchors, summary.rehearsals, strict=True), key=lambda pair: order.index(pair[1].verdict), reverse=True
    )
    figures: dict[str, tuple[str, ...]] = {}
    spent = 0
    for anchor, rehearsal in worst_first:
        drawing = svg.timeline(rehearsal, summary.clocks(rehearsal), points=points, rehearsal_id=anchor)
        strips = [
            strip.strip(found, summary.clocks(rehearsal), anchor, number) if strip.drawn(found) else ""
            for number, found in enumerate(rehearsal.phases[:MOST_STRIPS], start=1)
        ]
        spent += sum(len(text.encode()) for text in (drawing, *strips))
        if spent > room:
            break
        figures[anchor] = (Markup(drawing), *map(Markup, strips))  # noqa: S704 - the drawings escape every text
    return figures


def _histories(summary: RunSummary, anchors: list[str], beside: Beside) -> dict[str, tuple[str, Series]]:
    """Draw the rehearsals before each one, where there are any."""
    from markupsafe import Markup

    found: dict[str, tuple[str, Series]] = {}
    for anchor, rehearsal in zip(anchors, summary.rehearsals, strict=True):
        series = beside.of(rehearsal.cluster, rehearsal.nodeid, rehearsal.repeat, rehearsal.repeats)
        if series is not None and len(series.rehearsals) > 1:
            limit = wording.interruption_limit(rehearsal)
            drawing = stems(series, limit.limit if limit else None, anchor)
            found[anchor] = (Markup(drawing), series)  # noqa: S704 - the drawing escapes every text
    return found


def render(summary: RunSummary, beside: Beside | None = None) -> str:
    """Return the report of a run as one self-contained HTML page.

    Args:
        summary: of the run.
        beside: the rehearsals before it, and what they decide; None: nothing is known of them.
    """
    beside = beside or Beside()
    template = environment().get_template("report.html.j2")
    anchors = _anchors(summary)
    view = {
        "run": summary,
        "sections": list(zip(anchors, summary.rehearsals, strict=True)),
        "pairs": patch_day.side_by_side(summary),
        "repeated": repeats.lines(summary),
        "repeated_title": repeats.TITLE.capitalize(),
        "beside": beside,
        "histories": _histories(summary, anchors, beside),
        "h": history,
        "comparisons": [compare.view(found, note) for found, note in beside.comparisons],
        **drift.VIEW,
        "signs": gate.SIGNS,
        "age": gate.age,
        "started": summary.started_at[:19].replace("T", " "),
    }
    room = PAGE_LIMIT
    while True:
        figures = _figures(summary, anchors, room)
        page = template.render(**view, figures=figures)
        excess = len(page.encode(errors="replace")) - PAGE_LIMIT
        if excess <= 0 or not figures:
            return page
        room = sum(len(figure.encode()) for drawn in figures.values() for figure in drawn) - excess
