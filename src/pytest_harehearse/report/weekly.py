# SPDX-License-Identifier: MIT
"""The weekly run as Markdown: for the summary of a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pytest_harehearse.history.summary import Verdict, worst
from pytest_harehearse.report import wording
from pytest_harehearse.report.md import block, table, text
from pytest_harehearse.units import show

#: GitHub refuses a summary of more than 1 MiB as a whole; what is longer stays out by sections, the least important first.
MOST_BYTES: Final = 1_000_000
WORDS: Final = {Verdict.PASSED: "PASSED", Verdict.FAILED: "FAILED"}


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step that was gone through: what it was, what came of it, and its own report."""

    kind: str
    about: str
    shown: str
    verdict: Verdict
    said: str
    #: Seconds.
    took: float
    markdown: str = ""


def headline(done: Sequence[StepDone]) -> str:
    """Return what the week came to, in a line."""
    bad = [f"{one.kind} {one.about}: {one.said}" for one in done if one.verdict is Verdict.FAILED]
    unknown = [f"{one.kind} {one.about}" for one in done if one.verdict not in {Verdict.PASSED, Verdict.FAILED}]
    verdict = worst([one.verdict for one in done])
    parts = [*bad, *([f"not known: {', '.join(unknown)}"] if unknown else [])]
    why = "; ".join(parts) or ("every rehearsal passed, and every gate says GO" if done else "nothing was done")
    return wording.plain(f"{wording.sign(verdict)} {WORDS.get(verdict, 'UNKNOWN')}: {why}")


def render(done: Sequence[StepDone], notes: Sequence[str], order: Sequence[str], most: int = MOST_BYTES) -> str:
    """Return the summary: what it came to, each step in a row, and the steps' own reports.

    Args:
        done: the steps as they were gone through.
        notes: what was not done, and why.
        order: kinds of steps whose reports are shown, the most important first.
        most: bytes of UTF-8 that may be written.
    """
    rows = [
        (
            f"{wording.sign(one.verdict)} {one.kind}",
            text(one.about),
            text(one.said),
            show(one.took),
            f"`{_code(one.shown)}`",
        )
        for one in done
    ]
    found = [f"# {text(headline(done))}", *table(("Step", "Of", "Result", "Took", "Command"), rows, (3,))]
    found += [f"- {text(note)}" for note in notes]
    whole = "\n".join(found).rstrip("\n") + "\n"
    for one in sorted(
        (one for one in done if one.markdown and one.kind in order), key=lambda one: order.index(one.kind)
    ):
        section = f"\n{lower(one.markdown).strip()}\n"
        if len((whole + section).encode()) > most - 300:
            section = f"\n- The report of {one.kind} {text(one.about)[:100]} is too long to be shown here.\n"
        if len((whole + section).encode()) <= most:
            whole += section
    return whole


def trouble(said: str) -> str:
    """Return what a command that could not be carried out said, as it is."""
    return "\n".join(block(*said.strip().splitlines()[-20:], language="text"))


def lower(markdown: str) -> str:
    """Return Markdown with each heading one level down, so that it stands below another; code stays as it is."""
    found, fence = [], ""
    for line in markdown.splitlines():
        ticks = line.lstrip()[: len(line.lstrip()) - len(line.lstrip().lstrip("`"))]
        if not fence and len(ticks) >= 3:
            fence = ticks
        elif fence and line.strip() == fence:
            fence = ""
        elif not fence and line.startswith("#"):
            line = f"#{line}"  # noqa: PLW2901 - the line as it is now
        found.append(line)
    return "\n".join(found)


def _code(command: str) -> str:
    """Return a command as it may stand between backticks in a cell of a table."""
    return wording.plain(command).replace("`", "'").replace("|", "\\|")
