# SPDX-License-Identifier: MIT
"""What pytest's terminal shows of rehearsals while it runs and at its end."""

from __future__ import annotations

import locale
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pytest_harehearse.rehearsal.plan import Plan
from pytest_harehearse.report.session import Finished
from pytest_harehearse.report.terminal import lines

logger = logging.getLogger("harehearse")


class Terminal(Protocol):
    """What is used of pytest's terminal reporter."""

    def ensure_newline(self) -> None:
        """Begin a new line unless at the beginning of one."""

    def write_line(self, line: str, **markup: bool) -> None:
        """Write a line."""

    def section(self, title: str, sep: str = "=", **markup: bool) -> None:
        """Write a line with a title in its middle."""


def sayer(terminal: Any) -> Callable[[str], None]:
    """Return how to say a line at once: on the terminal if there is one, else in the log."""

    def say(text: str) -> None:
        if terminal is not None and not logger.isEnabledFor(logging.INFO):
            terminal.ensure_newline()
            # It only knows of lines begun with a file's name, not of the dots after what was said last.
            writer = terminal.config.get_terminal_writer()
            if writer.width_of_current_line:
                writer.line()
            terminal.write_line(f"harehearse: {text}")
        else:
            logger.info("%s", text)

    return say


def shown(path: Path) -> str:
    """Return a path as short as it can be typed here."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)


def named(kind: str) -> str:
    """Return lab or PRODUCTION."""
    return kind.upper() if kind == "production" else kind


def header(kinds: Mapping[str, str], store: Path, *, plan: bool) -> list[str]:
    """Return the lines after the collection; ``kinds``: cluster → what it is, and what may be done there."""
    named = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
    second = "plan only: nothing will be touched" if plan else f"store {shown(store)}"
    return [f"harehearse: clusters {named}", f"harehearse: {second}"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A plan as it is printed; plain values, so that it also arrives from a worker of xdist."""

    nodeid: str
    title: str
    cluster: str
    kind: str
    lines: list[str]
    #: Why it was only planned for; None: that was asked for.
    why: str | None


def shown_plan(nodeid: str, title: str, plan: Plan, why: str | None) -> Shown:
    """Return a plan as it is printed."""
    return Shown(nodeid, title, plan.cluster.id, plan.cluster.kind, list(plan.lines), why)


def show_plans(terminal: Terminal, plans: Sequence[Shown]) -> None:
    """Print every plan, and once why what was not asked for is only planned."""
    if not plans:
        return
    terminal.section("rehearsals: the plan, nothing was touched")
    for plan in plans:
        terminal.write_line("")
        terminal.write_line(plan.nodeid, bold=True)
        terminal.write_line(f"  {plan.title}")
        terminal.write_line(f"  cluster    {plan.cluster} ({named(plan.kind)})")
        for line in plan.lines:
            terminal.write_line(f"  {line}")
    for reason in dict.fromkeys(plan.why for plan in plans):
        if reason is not None:
            terminal.write_line("")
            terminal.write_line(reason, yellow=True)


def ascii_only() -> bool:
    """Return whether the terminal's encoding lacks the signs."""
    try:
        "✓✗–≤·".encode(locale.getpreferredencoding(do_setlocale=False))
    except UnicodeEncodeError:
        return True
    return False


def show_finished(terminal: Terminal, finished: Finished, verbosity: int) -> None:
    """Print the verdicts, and what went wrong besides."""
    if not finished.written and not finished.problems:
        return
    terminal.section("rehearsals")
    for summary, directory in finished.written:
        where = shown(directory / "report.html")
        for text, markup in lines(summary, where, verbosity=verbosity, ascii_only=ascii_only()):
            terminal.write_line(text, **markup)
    for problem in finished.problems:
        terminal.write_line(problem, red=True)
