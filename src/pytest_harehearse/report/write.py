# SPDX-License-Identifier: MIT
"""Puts the reports of a run beside its data, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from pytest_harehearse.history.summary import RunSummary
from pytest_harehearse.report import html, markdown
from pytest_harehearse.report.beside import Beside


def replace(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
        # mkstemp makes files that only their owner may read; a report is made to be read.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write(summary: RunSummary, directory: Path, beside: Beside | None = None) -> Path:
    """Write ``report.html`` and ``report.md`` of a run and return the path of the page.

    Args:
        summary: of the run.
        directory: of the run.
        beside: what the page shows beside it; None: nothing.

    Raises:
        OSError: when the directory cannot be written; the reports of before, if any, are then still whole.
    """
    page = directory / "report.html"
    directory.mkdir(parents=True, exist_ok=True)
    replace(directory / "report.md", markdown.render(summary))
    replace(page, html.render(summary, beside))
    return page
