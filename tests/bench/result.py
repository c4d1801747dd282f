# SPDX-License-Identifier: MIT
"""A bench's result: printed as a table, written as JSON and Markdown."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path


@dataclass
class Result:
    """One table."""

    name: str
    head: list[str]
    rows: list[list[object]]
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Return it as a Markdown table, its notes below."""
        lines = [" | ".join(self.head), " | ".join("---" for _ in self.head)]
        lines += [" | ".join(str(cell) for cell in row) for row in self.rows]
        return "\n".join([f"### {self.name}", "", *(f"| {line} |" for line in lines), "", *self.notes, ""])


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value below which ``part`` of the values lie (nearest rank); nan of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else float("nan")


def ms(value: float) -> str:
    """Return seconds as milliseconds."""
    return f"{value * 1000:.1f} ms"


def write(results: Sequence[Result], folder: Path, name: str) -> None:
    """Print the tables; keep them as ``NAME.json`` and ``NAME.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python", "-m", f"tests.bench.{name}", *sys.argv[1:]]),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": len(os.sched_getaffinity(0)),
    }
    text = "\n".join(result.markdown() for result in results)
    print(text)
    (folder / f"{name}.json").write_text(json.dumps({**facts, "results": [asdict(r) for r in results]}, indent=1))
    head = f"`{facts['command']}`, {facts['date'][:10]}, Python {facts['python']}, {facts['cores']} cores\n\n"
    (folder / f"{name}.md").write_text(head + text)
