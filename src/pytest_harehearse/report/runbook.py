# SPDX-License-Identifier: MIT
"""A playbook as a runbook: what a person needs to carry it out in the window, or by hand when there is nothing but a shell."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pytest_harehearse.history.playbooks import Rehearsed, roles
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.rehearsal.patching.by_hand import back_by_hand, by_hand
from pytest_harehearse.rehearsal.patching.playbook import PARTS, Playbook, differing
from pytest_harehearse.rehearsal.patching.steps import Step
from pytest_harehearse.report.md import block, text
from pytest_harehearse.units import show

#: So many rehearsals are listed.
MOST: Final = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One step, as it stands in the runbook."""

    number: int
    step: Step
    hand: tuple[str, ...]
    #: The way back from a gate, by hand.
    back: tuple[str, ...] = ()
    #: Seconds of the rehearsals of this very playbook: how many, median, worst.
    count: int = 0
    median: float | None = None
    worst: float | None = None

    @property
    def took(self) -> str:
        """The measured time in words."""
        if self.median is None or self.worst is None:
            return "not measured yet"
        return f"{show(self.median)} (worst of {self.count}: {show(self.worst)})"


@dataclass(frozen=True, slots=True)
class Runbook:
    """Everything a runbook says, as plain data."""

    title: str
    nodeid: str
    cluster: Described
    book: Playbook
    lines: tuple[Line, ...]
    #: Of this very playbook, and of others of the same test; latest first.
    same: tuple[Rehearsed, ...]
    other: tuple[tuple[Rehearsed, str], ...]
    problems: tuple[str, ...]
    written: str
    rehearse: str
    window: str
    resume: str
    recover: str

    @property
    def rows(self) -> list[tuple[Rehearsed, str]]:
        """Its rehearsals, those of this very playbook first, each with what is different; the latest of them."""
        found = [(one, "this one") for one in self.same] + [(one, f"{why} changed") for one, why in self.other]
        return found[:MOST]

    @property
    def verdict(self) -> str:
        """How well it is rehearsed, in a sentence."""
        passed = [one for one in self.same if one.verdict == "passed"]
        if not self.same:
            return "This playbook was never rehearsed as it stands here: no time in it is known. Rehearse it first."
        whole = [one.whole for one in passed if one.whole is not None]
        felt = [one.interruption for one in passed if one.interruption is not None]
        told = f"Rehearsed {_times(len(self.same))} as it stands here, passed {_times(len(passed))}, last {self.same[0].at[:10]}"
        if whole:
            told += f"; it took {show(statistics.median(whole))} (worst {show(max(whole))})"
        if felt:
            told += f"; users felt interruptions of at most {show(max(felt))} each"
        return told + "."

    @property
    def preconditions(self) -> list[str]:
        """What must hold before the first step."""
        cluster = self.cluster
        found = [
            f"{self.book.original} serves. When another node does, this text is wrong: write it anew with --active NODE.",
            "Every node is in, in sync, and nothing is left over: step 1 looks, and refuses otherwise.",
            f"The patch can be done on every node: {self.book.does}.",
            "The backup is recent, and whoever decides at the gates can be reached.",
        ]
        if cluster.kind == "production":
            found.append(f"The window is open: {', '.join(cluster.windows) or 'none is stated in the inventory'}.")
            found.append(f"The inventory allows it: allow = {list(cluster.allow)}; it must name switchover and patch.")
        return found


def _times(number: int) -> str:
    return {0: "never", 1: "once"}.get(number, f"{number} times")


def runbook(
    book: Playbook, cluster: Described, rehearsals: Sequence[Rehearsed], *, title: str, nodeid: str, written: str,
    problems: Sequence[str] = (), options: str = "",
) -> Runbook:  # fmt: skip
    """Return the runbook of a playbook.

    Args:
        book: the playbook.
        cluster: where it is carried out.
        rehearsals: of its test, on any cluster, latest first.
        title: of the test.
        nodeid: the test as pytest is told it.
        written: the time of writing.
        problems: runs that could not be read.
        options: of pytest, that lead to the same inventory.
    """
    same = tuple(one for one in rehearsals if _same(one, book))
    other = tuple(
        (one, " and ".join(differing(one.parts, book.parts)[:2])) for one in rehearsals if not _same(one, book)
    )
    role = roles([dataclasses.asdict(step) for step in book.steps])
    serves = book.original
    lines = []
    for number, (step, key) in enumerate(zip(book.steps, role, strict=True), start=1):
        took = [one.took[key] for one in same if key in one.took]
        hand = by_hand(
            step, cluster.manager, serves=serves, group=cluster.group or "", hosts=cluster.provider != "embedded"
        )
        back = back_by_hand(step, book.steps, cluster.manager, original=book.original, group=cluster.group or "")
        lines.append(
            Line(
                number, step, hand, back, len(took), statistics.median(took) if took else None, max(took, default=None)
            )
        )
        if step.name in {"switchover", "switchback"}:
            serves = step.node
    test = nodeid.split("[", maxsplit=1)[0]
    base = f"pytest {test} --harehearse-cluster {cluster.id}{options}"
    arm = f" --harehearse-arm {cluster.environment} --harehearse-change CHANGE" if cluster.kind == "production" else ""
    return Runbook(
        title, test, cluster, book, tuple(lines), same, other, tuple(problems), written,
        rehearse=base, window=f"{base}{arm} --harehearse-step",
        resume=f"{base}{arm} --harehearse-step --harehearse-resume RUN", recover=f"harehearse recover {cluster.id}",
    )  # fmt: skip


def _same(one: Rehearsed, book: Playbook) -> bool:
    """Return whether what was rehearsed is what will run: all but the cluster itself, which may be its twin."""
    return all(one.parts.get(part) == book.parts.get(part) for part in PARTS if part != "inventory")


def markdown(found: Runbook) -> str:
    """Return the runbook as Markdown."""
    cluster, book = found.cluster, found.book
    nodes = ", ".join(node.name for node in cluster.nodes)
    about = (
        f"**{text(cluster.id)}** ({'PRODUCTION' if cluster.kind == 'production' else cluster.kind}, {cluster.manager}; "
        f"nodes {text(nodes)}) · patch: {text(book.does)} · fingerprint `{book.fingerprint}`"
    )
    out = [f"# Playbook: {text(found.title)}", "", about, "", text(found.verdict), "", f"Written {found.written}."]
    if cluster.contacts or cluster.notes:
        out += ["", "## Contacts and notes", ""]
        out += [f"* {text(one)}" for one in cluster.contacts]
        out += ["", text(cluster.notes)] if cluster.notes else []
    out += ["", "## Before you begin", ""]
    out += [f"* [ ] {text(one)}" for one in found.preconditions]
    out += ["", "## Let it be carried out", "", "Rehearse it:", "", *block(found.rehearse, language="sh")]
    out += ["", "In the window, with a question at every gate:", "", *block(found.window, language="sh")]
    out += ["", "It stopped, and you want to go on:", "", *block(found.resume, language="sh")]
    out += [
        "",
        "Its runner died: first undo what it left, from any machine that reaches the nodes:",
        "",
        *block(found.recover, language="sh"),
    ]
    out += ["", "## Step by step, also by hand", ""]
    for line in found.lines:
        out += _step(line, cluster)
    out += ["## How well it is rehearsed", ""]
    if found.rows:
        out += [
            "| Run | When | Cluster | Verdict | Workflow | Longest interruption | Playbook |",
            "|:--|:--|:--|:--|--:|--:|:--|",
        ]
        out += [
            f"| {text(one.run)} | {one.at[:16].replace('T', ' ')} | {text(one.cluster)} ({one.kind}) | {one.verdict} "
            f"| {_length(one.whole)} | {_length(one.interruption)} | {text(why)} |"
            for one, why in found.rows
        ]
    else:
        out.append("Never.")
    out += [f"* not read: {text(one)}" for one in found.problems[:MOST]]
    return "\n".join(out) + "\n"


def _length(value: float | None) -> str:
    return "not known" if value is None else show(value)


def _step(line: Line, cluster: Described) -> list[str]:
    step = line.step
    out = [f"### {line.number}. {text(step.title)}", ""]
    if step.gate:
        who = ", ".join(cluster.contacts) or "whoever signs for the window"
        out += [f"**Go or no-go.** Decides: {text(who)}. GO only if every check since the gate before is green.", ""]
    if line.hand:
        out += [*block(*line.hand, language="sh"), ""]
    if step.expected:
        out.append(f"* Expected: {text(step.expected)}")
    if not step.gate:
        out.append(f"* Takes: {line.took}")
    if step.way_back:
        out.append(f"* If not: {text(step.way_back)}")
    if line.back:
        out += ["", *block(*line.back, language="sh")]
    return [*out, ""]


def html(found: Runbook) -> str:
    """Return the runbook as one self-contained HTML page."""
    from pytest_harehearse.report.html import environment

    return environment().get_template("playbook.html.j2").render(r=found, length=_length)
