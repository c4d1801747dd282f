# SPDX-License-Identifier: MIT
"""What every Markdown text of ours is made of: words that are shown as they are, tables, commands to copy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from pytest_harehearse.report import wording

_SPECIAL: Final = re.compile(r"([\\`*_\[\]{}|#~!@$])")


def text(words: str) -> str:
    """Return words on one line that Markdown shows as they are."""
    safe = wording.plain(words).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", safe)


def block(*commands: str, language: str = "console", indent: str = "") -> list[str]:
    """Return commands as a block to copy from, fenced by more backticks than they have themselves."""
    # Of code the indentation is part.
    lines = [
        wording.plain(command, lines=True).rstrip() if language == "python" else wording.plain(command)
        for command in commands
    ]
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, 1 + longest)
    return [f"{indent}{line}" for line in (f"{fence}{language}", *lines, fence)]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int]) -> list[str]:
    """Return a table; the columns ``numbers`` are aligned to the right. Cells are Markdown already."""
    rule = ["--:" if column in numbers else ":--" for column in range(len(head))]
    return ["", *(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)), ""]
