# SPDX-License-Identifier: MIT
"""One scenario on two clusters as SVG on one time axis: every rehearsal of both sides, and where the time went on both."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from pytest_harehearse.history.compare import Pair, PhasePair, Side
from pytest_harehearse.report import seconds, wording
from pytest_harehearse.report.axis import Axis, fit, text_width
from pytest_harehearse.report.canvas import LEFT, RIGHT, WIDTH, n
from pytest_harehearse.units import show

#: So many of a side's latest rehearsals are drawn; a page must stay small enough to be mailed. JSON has all.
MOST_POINTS: Final = 120
_LANE, _BAR = 36.0, 18.0
_STYLE: Final = "display:block;max-width:none"


def reach(pairs: Sequence[Pair]) -> float:
    """Return the longest that is drawn of a scenario, in seconds: both sides and all services have one scale."""
    points = [p.upper for pair in pairs for side in (pair.one, pair.other) for p in side.points]
    sums = [sum(getattr(phase, side) or 0.0 for phase in felt(pairs)) for side in ("one", "other")]
    return max([*points, *sums, 0.001])


def felt(pairs: Sequence[Pair]) -> list[PhasePair]:
    """Return the phases of the interruption; redundancy takes so much longer that nothing else would show."""
    return [phase for phase in pairs[0].phases if phase.felt]


def told(side: Side) -> str:
    """Return a side in numbers."""
    lost = f", {side.not_known} not known" if side.not_known else ""
    return f"median {show(side.middle)}, worst {show(side.worst)}, n {len(side.points)}{lost}"


def drawings(pairs: Sequence[Pair], ids: str) -> list[str]:
    """Return a scenario as SVG, one below the other on one time axis: each service, the last one with the phases and the ticks.

    Args:
        pairs: one for each service, of the same two sides; at least one.
        ids: ends the ids, to keep them unique on a page.
    """
    axis = Axis(0.0, reach(pairs) * 1.02, 0.0, LEFT, RIGHT)
    return [
        _drawing(axis, pair, felt(pairs) if pair is pairs[-1] else [], f"{ids}--{number}", last=pair is pairs[-1])
        for number, pair in enumerate(pairs, 1)
    ]


def _drawing(axis: Axis, pair: Pair, phases: Sequence[PhasePair], ids: str, *, last: bool) -> str:
    marks = [_text("side", 0, 16, fit(wording.plain(pair.service), WIDTH, 13))]
    y = 24.0
    for side in (pair.one, pair.other):
        marks += _lane(axis, side, y)
        y += _LANE
    if phases:
        marks.append(_text("side", 0, y + 14, "Where the time went, by the medians of the phases"))
        y += 24
        for side, which in ((pair.one, "one"), (pair.other, "other")):
            marks.append(_name(side.cluster, y + 13))
            marks += _phases(axis, phases, which, y)
            y += _BAR + 10
    grid = [f'<path class="grid" d="M{n(x)} 0V{n(y)}"/>' for x, _ in axis.ticks()]
    if last:
        ticks = [(x, "0 s" if label == "T₀" else label[2:]) for x, label in axis.ticks()]
        marks += [_text("tick", x, y + 14, label, "middle") for x, label in ticks]
        y += 20
    label = escape(wording.plain(f"{pair.service}: {pair.one.cluster} above {pair.other.cluster}, on one time axis"))
    return (
        f'<svg class="compare" style="{_STYLE}" id="compare--{escape("-".join(wording.plain(ids).split()))}" '
        f'viewBox="0 0 {n(WIDTH)} {n(y)}" role="img" aria-label="{label}">{"".join([*grid, *marks])}</svg>'
    )


def _lane(axis: Axis, side: Side, y: float) -> list[str]:
    """Draw a side: every rehearsal from its lower to its upper bound, and the median."""
    middle = y + 10
    out = [
        _name(side.cluster, y + 10),
        _text("dim", LEFT - 12, y + 24, _numbers(side), "end"),
        f'<path class="grid" d="M{n(LEFT)} {n(middle)}H{n(RIGHT)}"/>',
    ]  # fmt: skip
    for point in side.points[-MOST_POINTS:]:
        start, end = axis.x(point.lower), axis.x(point.upper)
        words = escape(wording.plain(f"{point.run}, {point.at}: {show(point.lower)} to {show(point.upper)}"))
        out.append(
            f'<rect class="point" x="{n(start)}" y="{n(middle - 8)}" width="{n(max(2.0, end - start))}" height="16"><title>{words}</title></rect>'
        )
    if side.middle is not None:
        x = axis.x(side.middle)
        out.append(f'<line class="middle" x1="{n(x)}" x2="{n(x)}" y1="{n(middle - 12)}" y2="{n(middle + 12)}"/>')
    if side.not_known:
        out.append(_text("unknown", RIGHT, middle + 22, f"? {side.not_known} more not known", "end"))
    return out


def _numbers(side: Side) -> str:
    """Return the median and the worst, as far as there is room left of the plot."""
    words = f"median {show(side.middle)}"
    both = f"{words}, worst {show(side.worst)}"
    return both if text_width(both, 9.5) <= LEFT - 16 else words


def _phases(axis: Axis, phases: Sequence[PhasePair], which: str, y: float) -> list[str]:
    out, at = [], 0.0
    for phase in phases:
        length = getattr(phase, which)
        if not length:
            continue
        kind = f"p-{phase.name if phase.name in seconds.NAMES else 'other'}"
        start, end = axis.x(at), axis.x(at + length)
        name = phase_name(phase)
        words = escape(f"{name}: {show(length)}")
        out.append(
            f'<rect class="{kind}" x="{n(start)}" y="{n(y)}" width="{n(max(1.5, end - start))}" height="{n(_BAR)}" rx="2"><title>{words}</title></rect>'
        )
        for label in (f"{name} {show(length)}", name):
            if text_width(label, 11) <= end - start - 8:
                out.append(_text(f"role on-{kind}", (start + end) / 2, y + 13, label, "middle"))
                break
        at += length
    return out


def phase_name(phase: PhasePair) -> str:
    """Return a phase as all reports call it."""
    return seconds.NAMES.get(phase.name, (wording.plain(phase.name),))[0]


def _name(cluster: str, y: float) -> str:
    words = wording.plain(cluster)
    short = fit(words, LEFT - 22, 13)
    title = f"<title>{escape(words)}</title>" if short != words else ""
    return f'<text class="side end" x="{n(LEFT - 12)}" y="{n(y)}">{title}{escape(short)}</text>'


def _text(classes: str, x: float, y: float, words: str, anchor: str = "start") -> str:
    side = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{classes}" x="{n(x)}" y="{n(y)}"{side}>{escape(words)}</text>'
