# SPDX-License-Identifier: MIT
"""``harehearse weekly``: drift, rehearsals, comparison and gate, one after the other, and what they come to."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pytest_harehearse.cli import common, exits, weekly_hook, weekly_run
from pytest_harehearse.cli import weekly_plan as plans
from pytest_harehearse.cli.common import config_option, say, store_option
from pytest_harehearse.cli.weekly_plan import Ended, Plan, Rehearsed, Step
from pytest_harehearse.errors import ConfigError, HarehearseError
from pytest_harehearse.history.summary import Verdict
from pytest_harehearse.report import md
from pytest_harehearse.report import weekly as report
from pytest_harehearse.report.wording import plain, plural, sign
from pytest_harehearse.units import seconds, show

if TYPE_CHECKING:
    from pytest_harehearse.inventory.model import Inventory

#: A lab is removed within this, also when the time of the whole is over.
DOWN_S: Final = 600.0
#: The reports in the summary, the most important first.
ORDER: Final = (plans.GATE, plans.REHEARSE, plans.COMPARE, plans.DRIFT, plans.LAB_UP, plans.LAB_DOWN)
#: The key under which click keeps what stood after ``--``.
_WORDS: Final = "pytest_harehearse.weekly"


class Weekly(click.Command):
    """Takes what stands after ``--`` for pytest."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Set the words for pytest aside."""
        ctx.meta[_WORDS] = []
        if "--" in args:
            cut = args.index("--")
            ctx.meta[_WORDS] = args[cut + 1 :]
            args = args[:cut]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Say in the usage that there may be words for pytest."""
        return [*super().collect_usage_pieces(ctx), "[-- PYTEST ARGS…]"]


@dataclass
class Week:
    """One weekly run: carries its steps out and keeps what came of them."""

    run: weekly_run.Run
    deadline: float
    #: Arguments that name the inventory and the store to our verbs.
    config: tuple[str, ...]
    store: tuple[str, ...]
    #: Where there is no summary to read it in, each report is printed.
    shows: bool
    done: list[report.StepDone] = field(default_factory=list)
    #: Directories of the runs that pytest finished.
    runs: list[str] = field(default_factory=list)

    def verb(self, kind: str, about: str, *words: str, within: float | None = None) -> bool:
        """Carry out a verb; return whether it could be."""
        # To create a lab takes no store.
        store = () if kind == plans.LAB_UP else self.store
        step = plans.harehearse(kind, about, *words, *self.config, *store)
        of_lab = kind in {plans.LAB_UP, plans.LAB_DOWN}
        # What a lab's making says takes minutes, and is read meanwhile.
        ended, took = self._carry_out(step, capture=not of_lab, within=within)
        if ended.err.strip():
            say(ended.err.rstrip("\n"), err=True)
        verdict, said = plans.judge(kind, ended)
        markdown = ended.out
        if verdict is not Verdict.PASSED and not markdown.strip():
            markdown = f"# {kind} {md.text(about)}\n\n{report.trouble(ended.err.strip() or said)}"
        self._close(step, verdict, said, took, markdown)
        return verdict is Verdict.PASSED

    def asks(self, *words: str) -> Ended:
        """Return what a verb answers that is no step."""
        command = plans.harehearse("", "", *words, *self.config).command
        return self.run(command, within=self._left(), capture=True, environ={})

    def rehearse(self, step: Step, wanted: Sequence[str]) -> None:
        """Carry out the rehearsals."""
        with tempfile.TemporaryDirectory(prefix="harehearse-") as folder:
            to = Path(folder) / "runs.jsonl"
            ended, took = self._carry_out(step, capture=False, environ=weekly_hook.environ(to))
            runs = finished(to)
        self.runs += [run.directory for run in runs]
        verdict, said = plans.judge_rehearsals(ended, runs, wanted)
        self._close(step, verdict, said, took, "\n\n".join(_report(run) for run in runs))

    def merge(self, target: Path) -> None:
        """Put the runs into one folder, to be taken elsewhere; a folder that lacks them is a step that could not be done."""
        from pytest_harehearse.history.merge import merge

        began = time.monotonic()
        step = plans.harehearse(plans.MERGE, str(target), "report", "--merge", str(target), *self.runs)
        verdict, said = Verdict.UNKNOWN, "could not be done: pytest finished no run"
        try:
            if self.runs:
                parts = merge([Path(run) for run in self.runs], target).parts
                verdict, said = Verdict.PASSED, plural(len(parts), "run")
        except (HarehearseError, OSError) as error:
            said = f"could not be done: {error}"
        self._close(step, verdict, said, time.monotonic() - began, "")

    def _left(self) -> float:
        return max(1.0, self.deadline - time.monotonic())

    def _carry_out(
        self, step: Step, *, capture: bool, within: float | None = None, environ: dict[str, str] | None = None
    ) -> tuple[Ended, float]:
        say(f"$ {plain(step.shown)}")
        began = time.monotonic()
        if within is None and began >= self.deadline:
            return Ended(None, why="not begun: the time given by --within was over"), 0.0
        try:
            ended = self.run(step.command, within=within or self._left(), capture=capture, environ=environ or {})
        except KeyboardInterrupt:
            self._close(step, Verdict.UNKNOWN, "was stopped from outside", time.monotonic() - began, "")
            raise
        return ended, time.monotonic() - began

    def _close(self, step: Step, verdict: Verdict, said: str, took: float, markdown: str) -> None:
        self.done.append(report.StepDone(step.kind, step.about, step.shown, verdict, plain(said), took, markdown))
        if self.shows and markdown.strip() and step.kind != plans.REHEARSE:
            say(markdown.rstrip("\n"))
        say(f"{sign(verdict)} {step.kind} {plain(step.about)}: {plain(said)} ({show(took)})")


def finished(path: Path) -> list[Rehearsed]:
    """Return the runs that pytest handed over."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        one: dict[str, Any] = json.loads(line)
        rehearsals = tuple((each["cluster"], Verdict(each["verdict"])) for each in one["rehearsals"])
        found.append(Rehearsed(one["directory"], Verdict(one["verdict"]), rehearsals))
    return found


def _report(run: Rehearsed) -> str:
    try:
        return (Path(run.directory) / "report.md").read_text(encoding="utf-8")
    except OSError as error:
        return report.trouble(f"The report of {run.directory} cannot be read: {error}")


@contextlib.contextmanager
def labs(week: Week, plan: Plan, found: Inventory) -> Iterator[None]:
    """Have the labs up that are needed, from the first step to the last; remove those that were not up before."""
    made: list[str] = []
    try:
        for name in plan.labs:
            if week.asks("lab", "status", name, "--json").status == exits.OK:
                continue
            if found.environments[name].provider != "hosts":
                made.append(name)
            week.verb(plans.LAB_UP, name, "lab", "up", name)
        yield
    finally:
        for name in made:
            week.verb(plans.LAB_DOWN, name, "lab", "down", name, within=DOWN_S)


def go(week: Week, plan: Plan, found: Inventory, step: Step, window: str) -> None:
    """Go through every step; one that fails keeps none of the others from being gone through."""
    with labs(week, plan, found):
        names = dict.fromkeys([*(one.id for one in plan.judged), *plan.rehearsed])
        for name in names:
            week.verb(plans.DRIFT, name, "drift", name, "--format", "md")
        for name, twin in plan.pairs:
            week.verb(plans.DRIFT, f"{name} against {twin}", "drift", name, "--against", twin, "--format", "md")
        week.rehearse(step, plan.rehearsed)
        for name, twin in plan.pairs:
            week.verb(plans.COMPARE, f"{twin} with {name}", "compare", twin, name, "--format", "md")
        for one in plan.judged:
            when = ["--window", window] if window else []
            week.verb(plans.GATE, one.id, "gate", one.id, *when, "--format", "md")


def runner() -> weekly_run.Run:
    """Return what runs commands; a test puts another one here."""
    return weekly_run.run


@click.command(cls=Weekly)
@click.argument("clusters", metavar="[CLUSTER…]", nargs=-1)
@click.option(
    "--window", metavar="WHEN", default="", help="Hold the gate against a window: see harehearse gate --help."
)
@click.option(
    "--summary", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Append the Markdown of all steps to FILE, as $GITHUB_STEP_SUMMARY. Default: print it.",
)  # fmt: skip
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Have pytest write JUnit XML to FILE.",
)
@click.option(
    "--merge", "target", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Put the runs into a new folder DIR, for a report with those of other runners: see harehearse report --merge.",
)  # fmt: skip
@click.option("--within", default="6h", show_default=True, metavar="DURATION", help="The whole is stopped after this.")
@config_option
@store_option
@click.pass_context
def command(
    ctx: click.Context, clusters: tuple[str, ...], window: str, summary: Path | None, junit: Path | None, target: Path | None,
    within: str, config: Path | None, store: Path | None,
) -> int:  # fmt: skip
    """Look for drift, rehearse, compare and gate: what a timer or a CI job does every week.

    CLUSTER defaults to every production that has a twin, which is rehearsed in its stead; without any, to the clusters of
    the default environment. Labs that are not up are created first and removed last. A step that fails does not keep the
    next from being gone through. Productions are only read; arming one is up to you, after the --.

    \b
    Exit status: 0 every rehearsal passed and every gate says GO · 1 one failed, or NO-GO · 2 unknown, also when a step
    could not be carried out · 64 a wrong option, inventory or cluster
    """  # noqa: D301 - \b is click's
    words: list[str] = ctx.meta[_WORDS]
    plans.check_words(words, os.environ.get("PYTEST_ADDOPTS", ""))
    found = common.inventory(config)
    chosen = (plans.usual(found) if not clusters else None) or common.clusters(found, clusters)
    plan = plans.plan(found, chosen, words)
    length = _length(within)
    named = ("--config", str(config or os.path.relpath(found.path)))
    stored = ("--store", str(store)) if store else ()
    week = Week(runner(), time.monotonic() + length, named, stored, shows=summary is None)
    step = _pytest(plan, found, store, junit, words)
    for note in plan.notes:
        say(note)
    try:
        with weekly_run.stoppable():
            go(week, plan, found, step, window)
    finally:
        if target is not None:
            week.merge(target)
        _write(summary, week, plan.notes)
    return plans.status([one.verdict for one in week.done])


def _length(within: str) -> float:
    length = seconds(within)
    if length <= 0:
        raise ConfigError(f"--within {within}: nothing can be done in that; write for example 6h")
    return length


def _pytest(plan: Plan, found: Inventory, store: Path | None, junit: Path | None, words: Sequence[str]) -> Step:
    ours = ["--harehearse-config", os.path.relpath(found.path)]
    ours += ["--harehearse-store", str(store)] if store else []
    for name in plan.rehearsed:
        ours += ["--harehearse-cluster", name]
    ours += [f"--junitxml={junit}"] if junit else []
    return plans.pytest(", ".join(plan.rehearsed), *ours, *words)


def _write(summary: Path | None, week: Week, notes: Sequence[str]) -> None:
    """Say what it came to, and write the summary.

    Raises:
        HarehearseError: it cannot be written.
    """
    say(report.headline(week.done))
    if summary is None:
        return
    try:
        with summary.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(report.render(week.done, notes, ORDER))
    except OSError as error:
        raise HarehearseError(f"The summary cannot be written to {summary}: {error.strerror or error}.") from error
