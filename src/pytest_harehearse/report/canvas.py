# SPDX-License-Identifier: MIT
"""A drawing surface that grows downwards: escaped SVG marks, each with its words, each with its own id."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Final

from pytest_harehearse.clock import Anchor
from pytest_harehearse.report.axis import Axis, fit
from pytest_harehearse.report.wording import at, plain

WIDTH: Final = 1080.0
#: Lane names stand left of it.
LEFT: Final = 190.0
#: Durations of late bars stand right of it.
RIGHT: Final = 1006.0


def n(value: float) -> str:
    """Return a coordinate as short as it can be."""
    return f"{value:.1f}".removesuffix(".0")


@dataclass(slots=True)
class Canvas:
    """Marks drawn so far and the height they take; ``y`` is where the next row begins."""

    axis: Axis
    anchor: Anchor
    rehearsal: str
    y: float
    parts: list[str] = field(default_factory=list)
    marks: int = 0

    def mark_id(self, kind: str) -> str:
        """Return an id that no other mark of the page has."""
        self.marks += 1
        return f"{kind}{self.marks}--{self.rehearsal}"

    def when(self, t: float) -> str:
        """Return an instant for a mark's words: on the rehearsal's clock and on the wall clock."""
        try:
            wall = f" ({self.anchor.at(t):%H:%M:%S.%f}"[:-3] + " UTC)"
        except (OverflowError, ValueError, OSError):
            wall = ""
        return at(t, self.axis.t0) + wall

    def _mark(self, tag: str, kind: str, classes: str, shape: str, words: str) -> None:
        ids = escape(self.mark_id(kind))
        title = escape(plain(words))
        self.parts.append(f'<{tag} id="{ids}" class="{classes}" {shape}><title>{title}</title></{tag}>')

    def box(self, kind: str, classes: str, start: float, end: float, top: float, height: float, words: str) -> None:
        """Draw a bar between two places, wide enough to be seen."""
        width = max(1.5, end - start)
        shape = f'x="{n(start)}" y="{n(top)}" width="{n(width)}" height="{n(height)}" rx="2"'
        self._mark("rect", kind, classes, shape, words)

    def path(self, kind: str, classes: str, drawing: str, words: str) -> None:
        """Draw a path."""
        self._mark("path", kind, classes, f'd="{drawing}"', words)

    def line(self, kind: str, classes: str, x: float, top: float, bottom: float, words: str) -> None:
        """Draw an upright line."""
        self._mark("line", kind, classes, f'x1="{n(x)}" x2="{n(x)}" y1="{n(top)}" y2="{n(bottom)}"', words)

    def text(self, classes: str, x: float, y: float, words: str, anchor: str = "start") -> None:
        """Write text; ``anchor`` is start, middle or end."""
        side = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.parts.append(f'<text class="{classes}" x="{n(x)}" y="{n(y)}"{side}>{escape(words)}</text>')

    def lane_name(self, y: float, name: str, classes: str = "lane", size: float = 12) -> None:
        """Write the name of a lane left of the plot; a long one is cut and kept whole in its title."""
        words = plain(name)
        short = fit(words, LEFT - 22, size)
        title = f"<title>{escape(words)}</title>" if short != words else ""
        self.parts.append(
            f'<text class="{classes}" x="{n(LEFT - 12)}" y="{n(y)}" text-anchor="end">{title}{escape(short)}</text>'
        )

    def group(self, name: str) -> None:
        """Begin a group of lanes with its caption and a hairline."""
        self.y += 8
        self.parts.append(f'<path class="rule" d="M0 {n(self.y)}H{n(WIDTH)}"/>')
        self.text("caption", 0, self.y + 16, name)
        self.y += 20
