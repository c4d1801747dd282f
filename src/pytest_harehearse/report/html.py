# SPDX-License-Identifier: MIT
"""The report page: one file that needs nothing else, to be mailed, archived and printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pytest_harehearse import units
from pytest_harehearse.history.summary import RehearsalSummary, RunSummary, Span, Verdict
from pytest_harehearse.report import course, svg, wording

if TYPE_CHECKING:
    from jinja2 import Environment

#: A page larger than this is refused by mail servers and trackers.
PAGE_LIMIT: Final = 1_000_000
#: A table lists at most this many rows of a kind.
MOST_ROWS: Final = 60


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pytest_harehearse.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.globals.update(w=wording, c=course, show=units.show, href=_href, share=_share, most=MOST_ROWS)
    return environment


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


def _figures(summary: RunSummary, anchors: list[str], room: int) -> Mapping[str, str]:
    """Draw the timelines, worst verdict first, until there is no more room (in bytes)."""
    from markupsafe import Markup

    watched = sum(len(rehearsal.services) for rehearsal in summary.rehearsals) or 1
    points = max(16, min(120, 5_000 // watched))
    order = list(Verdict)
    worst_first = sorted(
        zip(anchors, summary.rehearsals, strict=True), key=lambda pair: order.index(pair[1].verdict), reverse=True
    )
    figures: dict[str, str] = {}
    spent = 0
    for anchor, rehearsal in worst_first:
        drawing = svg.timeline(rehearsal, summary.anchor, points=points, rehearsal_id=anchor)
        spent += len(drawing.encode())
        if spent > room:
            break
        figures[anchor] = Markup(drawing)  # noqa: S704 - drawn by svg.py, which escapes every text
    return figures


def render(summary: RunSummary) -> str:
    """Return the report of a run as one self-contained HTML page."""
    template = _environment().get_template("report.html.j2")
    anchors = _anchors(summary)
    view = {
        "run": summary,
        "sections": list(zip(anchors, summary.rehearsals, strict=True)),
        "started": summary.started_at[:19].replace("T", " "),
    }
    room = PAGE_LIMIT
    while True:
        figures = _figures(summary, anchors, room)
        page = template.render(**view, figures=figures)
        excess = len(page.encode(errors="replace")) - PAGE_LIMIT
        if excess <= 0 or not figures:
            return page
        room = sum(len(figure.encode()) for figure in figures.values()) - excess
