# SPDX-License-Identifier: MIT
"""Where and on what a bench ran, and the two files it leaves: JSON and Markdown."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import signal
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass
class Result:
    """What a bench found."""

    name: str
    tables: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def markdown(self, context: dict[str, Any]) -> str:
        """Return all of it as Markdown."""
        parts = [f"# Bench: {self.name}", "", "; ".join(f"{key}: {value}" for key, value in context.items())]
        for title, table in self.tables:
            parts += ["", f"**{title}**", "", table]
        if self.notes:
            parts += ["", *(f"* {note}" for note in self.notes)]
        return "\n".join(parts) + "\n"


def begin(module: str) -> dict[str, Any]:
    """Return on what it runs and how; from here on, SIGTERM ends the bench as Ctrl-C does, with everything it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return {
        "command": " ".join(["python", "-m", module, *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "uvloop installed": "yes" if importlib.util.find_spec("uvloop") else "no",
        "kernel": platform.release(),
        "cores": len(os.sched_getaffinity(0)),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def write(result: Result, what: dict[str, Any], folder: Path) -> None:
    """Print the tables and write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    text = result.markdown(what)
    (folder / f"{result.name}.md").write_text(text, encoding="utf-8")
    document = {"bench": result.name, **what, "notes": result.notes, **result.data}
    (folder / f"{result.name}.json").write_text(json.dumps(document, indent=1, default=str) + "\n", encoding="utf-8")
    print(text, flush=True)
    print(f"written: {folder / result.name}.md and .json", flush=True)
