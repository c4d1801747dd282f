# SPDX-License-Identifier: MIT
"""Markdown tables and the way numbers stand in them. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence


def ms(seconds: float | None) -> str:
    """Return a duration in milliseconds, a dash for none."""
    if seconds is None:
        return "–"
    value = seconds * 1000
    return f"{value:.2f} ms" if abs(value) < 10 else f"{value:.1f} ms" if abs(value) < 1000 else f"{value:.0f} ms"


def percent(part: float | None) -> str:
    """Return a part in percent, a dash for none."""
    return "–" if part is None else f"{100 * part:.1f} %"


def number(value: float | None, digits: int = 2) -> str:
    """Return a number, a dash for none."""
    return "–" if value is None else f"{value:.{digits}f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table whose columns line up; all but the first are right-aligned."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    wide = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        texts = [
            cell.ljust(w) if column == 0 else cell.rjust(w)
            for column, (cell, w) in enumerate(zip(row, wide, strict=True))
        ]
        return "| " + " | ".join(texts) + " |"

    rule = "|" + "|".join("-" * (w + 2) if column == 0 else "-" * (w + 1) + ":" for column, w in enumerate(wide)) + "|"
    return "\n".join([line(cells[0]), rule, *(line(row) for row in cells[1:])])
