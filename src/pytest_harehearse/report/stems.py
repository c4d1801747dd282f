# SPDX-License-Identifier: MIT
"""The last rehearsals of a scenario as stems on one scale, with the limit as a line: SVG, themed by the page."""

from __future__ import annotations

from html import escape
from typing import Final

from pytest_harehearse.history.series import Series
from pytest_harehearse.report import wording
from pytest_harehearse.report.canvas import n
from pytest_harehearse.units import show

#: So many of the latest are drawn.
DRAWN: Final = 12
_HEIGHT, _STEP, _LEFT, _TOP, _FOOT = 90.0, 44.0, 64.0, 10.0, 20.0


def stems(series: Series, limit: float | None, name: str) -> str:
    """Return the latest rehearsals of a series as stems from nought to their upper bounds.

    Args:
        series: the oldest first.
        limit: seconds; drawn as a dashed line. None: there is none.
        name: ends the ids, to keep them unique on a page.
    """
    drawn = series.rehearsals[-DRAWN:]
    known = [one.interruption for one in drawn if one.interruption is not None]
    most = max([*known, limit or 0.0, 0.001]) * 1.08
    width = _LEFT + _STEP * DRAWN + 80

    def y(seconds: float) -> float:
        return _TOP + _HEIGHT * (1 - seconds / most)

    ground = y(0)
    parts = [f'<line class="ground" x1="{n(_LEFT)}" x2="{n(width - 60)}" y1="{n(ground)}" y2="{n(ground)}"/>']
    for number, one in enumerate(drawn):
        x, verdict = _LEFT + _STEP * (number + 0.5), escape(one.verdict)
        felt = one.interruption
        told = (
            f"{one.run}, {one.at:%Y-%m-%d %H:%M} UTC: {one.verdict}, {show(felt) if felt is not None else 'not known'}"
        )
        parts.append(
            f'<g id="stem{number + 1}--{escape(name)}" class="stem {verdict}"><title>{escape(wording.plain(told))}</title>'
        )
        if felt is None:
            parts.append(f'<text class="mark" x="{n(x)}" y="{n(ground - 6)}">?</text>')
        else:
            parts.append(f'<line x1="{n(x)}" x2="{n(x)}" y1="{n(ground)}" y2="{n(y(felt))}"/>')
            parts.append(f'<circle cx="{n(x)}" cy="{n(y(felt))}" r="4"/>')
        parts.append(f'<text class="when" x="{n(x)}" y="{n(ground + 14)}">{one.at:%m-%d}</text></g>')
    if limit is not None:
        parts.append(
            f'<line class="limit" x1="{n(_LEFT)}" x2="{n(width - 60)}" y1="{n(y(limit))}" y2="{n(y(limit))}"/>'
        )
        parts.append(f'<text class="limitword" x="{n(width - 56)}" y="{n(y(limit) + 4)}">{escape(show(limit))}</text>')
    top = max(known, default=0.0)
    parts.append(f'<text class="scale" x="{n(_LEFT - 8)}" y="{n(y(top) + 4)}">{escape(show(top))}</text>')
    label = escape(f"The last {len(drawn)} rehearsals")
    return f'<svg class="stems" viewBox="0 0 {n(width)} {n(_TOP + _HEIGHT + _FOOT)}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
