# SPDX-License-Identifier: MIT
"""Where things stand on a timeline: the scale of time, its ticks, and how wide text is. Pure arithmetic."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass, field
from typing import Final

_STEPS: Final = (
    *(digit * 10.0**power for power in range(-3, 1) for digit in (1, 2, 5)),
    *(10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 21600.0, 43200.0),
    *(86400.0 * digit * 10.0**power for power in range(9) for digit in (1, 2, 5)),
)
_SHORTEST_S: Final = 1e-3
#: How much wider bold text is.
BOLD: Final = 1.08


@dataclass(frozen=True, slots=True)
class Axis:
    """Time from ``start`` to ``end`` drawn between ``left`` and ``right``; ``t0`` is the zero of the labels."""

    start: float
    end: float
    t0: float
    left: float
    right: float

    @classmethod
    def over(cls, instants: list[float], t0: float, left: float, right: float) -> Axis:
        """Return an axis that shows all instants, with a little air on both sides."""
        known = [t for t in instants if math.isfinite(t)] or [0.0]
        first, last = min(known), max(known)
        air = max((last - first) * 0.015, _SHORTEST_S, abs(last) * 1e-9)
        return cls(first - air, last + air, t0 if math.isfinite(t0) else first, left, right)

    def x(self, t: float) -> float:
        """Return the place of an instant, never outside the plot."""
        if not math.isfinite(t):
            return self.right if t > 0 else self.left
        share = (t - self.start) / (self.end - self.start)
        return round(self.left + min(1.0, max(0.0, share)) * (self.right - self.left), 1)

    def shows(self, t: float) -> bool:
        """True when the instant lies on the axis."""
        return self.start <= t <= self.end

    def ticks(self, most: int = 10) -> list[tuple[float, str]]:
        """Return places and labels at a step people count in."""
        reach = self.end - self.start
        step = next((s for s in _STEPS if reach / s <= most), reach)
        first = math.ceil((self.start - self.t0) / step)
        last = math.floor((self.end - self.t0) / step)
        return [(self.x(self.t0 + n * step), _tick(n * step, step)) for n in range(first, min(last, first + most) + 1)]


def _tick(offset: float, step: float) -> str:
    if offset == 0:
        return "T₀"
    size, unit = next(((s, u) for s, u in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")) if step >= s), (1.0, "s"))
    return f"T{'+' if offset > 0 else '−'}{abs(offset) / size:.6g} {unit}"


def text_width(text: str, size: float = 12) -> float:
    """Return about how wide text is in a sans-serif face; rather too wide than too narrow."""
    ems = 0.0
    for character in text:
        if unicodedata.east_asian_width(character) in "WF":
            ems += 1.05
        elif character in "il.,:;|!'jtfr()[] /":
            ems += 0.4
        elif character in "mwMW@%…—" or character.isupper():
            ems += 0.85
        else:
            ems += 0.62
    return ems * size


def fit(text: str, width: float, size: float = 12) -> str:
    """Return the text, cut with an ellipsis when it is wider than ``width``; empty when nothing of it fits."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…" if text else ""


@dataclass(slots=True)
class Row:
    """The free places of one row, so that no two texts overlap."""

    left: float
    right: float
    taken: list[tuple[float, float]] = field(default_factory=list)

    def take(self, start: float, end: float) -> None:
        """Mark a stretch as used."""
        self.taken.append((start, end))

    def place(self, start: float, end: float, width: float, *, gap: float = 5) -> tuple[float, str] | None:
        """Find room for text ``width`` wide at a bar from ``start`` to ``end``: inside, after, before, or nowhere.

        Returns:
            The x of the text and its anchor; the stretch is taken then.
        """
        if end - start >= width + 2 * gap:
            return (start + end) / 2, "middle"
        for low, x, anchor in ((end + gap, end + gap, "start"), (start - gap - width, start - gap, "end")):
            high = low + width
            free = all(high <= a or low >= b for a, b in self.taken)
            if free and low >= self.left and high <= self.right:
                self.take(low, high)
                return x, anchor
        return None
