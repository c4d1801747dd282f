# SPDX-License-Identifier: MIT
"""What the weekly run does, in which order, and what the end of each step means: pure."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_harehearse.cli import exits
from pytest_harehearse.errors import ConfigError
from pytest_harehearse.history.summary import Verdict, worst

if TYPE_CHECKING:
    from pytest_harehearse.inventory.model import Cluster, Inventory

LAB_UP: Final = "lab up"
DRIFT: Final = "drift"
REHEARSE: Final = "rehearse"
COMPARE: Final = "compare"
GATE: Final = "gate"
MERGE: Final = "merge"
LAB_DOWN: Final = "lab down"

ARM: Final = "--harehearse-arm"
#: What weekly passes itself, so that it knows what was rehearsed and where.
_OURS: Final = (
    "--harehearse-cluster",
    "--harehearse-env",
    "--harehearse-config",
    "--harehearse-store",
    "--junitxml",
    "--junit-xml",
)
#: Letters of what a command said last, in a line of a table.
MOST_SAID: Final = 160
_PYTEST_ENDS: Final = {
    2: "was interrupted",
    3: "broke by an error of its own",
    4: "was called wrongly",
    5: "found no test",
}


#: What the exit statuses of a verb mean for the week, and in words; any other: it could not be carried out.
_ANSWERS: Final = {
    DRIFT: {
        exits.OK: (Verdict.PASSED, "none"),
        exits.NO: (Verdict.PASSED, "found; the gate judges it"),
        exits.UNKNOWN: (Verdict.UNKNOWN, "not all could be read"),
    },
    COMPARE: {
        exits.OK: (Verdict.PASSED, "alike"),
        exits.NO: (Verdict.PASSED, "they differ; the gate judges it"),
        exits.UNKNOWN: (Verdict.PASSED, "not to be told yet"),
    },
    GATE: {
        exits.OK: (Verdict.PASSED, "GO"),
        exits.NO: (Verdict.FAILED, "NO-GO"),
        exits.UNKNOWN: (Verdict.UNKNOWN, "UNKNOWN"),
    },
}
_DONE: Final = {exits.OK: (Verdict.PASSED, "done")}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. ``command`` is what follows the interpreter; ``shown`` is what a person types for it."""

    kind: str
    about: str
    command: tuple[str, ...]
    shown: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. ``status`` None: it was stopped, and ``why`` says so."""

    status: int | None
    out: str = ""
    err: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A finished run: where its files are, and (cluster, verdict) of each rehearsal."""

    directory: str
    verdict: Verdict
    rehearsals: tuple[tuple[str, Verdict], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is judged, what is rehearsed for it, and the labs these need."""

    judged: tuple[Cluster, ...]
    rehearsed: tuple[str, ...]
    labs: tuple[str, ...]
    #: Clusters with their twins.
    pairs: tuple[tuple[str, str], ...]
    #: What is not done, and why.
    notes: tuple[str, ...] = field(default=())


def harehearse(kind: str, about: str, *words: str) -> Step:
    """Return a step that is a verb of the command."""
    return Step(kind, about, ("-m", "pytest_harehearse.cli", *words), shlex.join(["harehearse", *words]))


def pytest(about: str, *words: str) -> Step:
    """Return a step that is a run of pytest."""
    return Step(REHEARSE, about, ("-m", "pytest", *words), shlex.join(["pytest", *words]))


def check_words(words: Sequence[str], addopts: str) -> None:
    """Refuse words for pytest that the weekly run passes itself, and an arming that nobody typed.

    Raises:
        ConfigError: says what to do instead.
    """
    problems = [
        f"{word} is set by weekly itself, so it cannot be passed on to pytest. "
        "Name clusters before the --, and use --config, --store and --junit."
        for word in words
        if word.partition("=")[0] in _OURS
    ]
    if ARM in addopts:
        problems.append(
            f"PYTEST_ADDOPTS has {ARM}: a production is never armed by what lies in the environment, so nothing was begun. "
            f"Take it out there; to arm one for this run, type it: harehearse weekly CLUSTER -- {ARM} ENV --harehearse-change ID"
        )
    if problems:
        raise ConfigError(problems)


def armed(words: Sequence[str]) -> set[str]:
    """Return the environments that the words for pytest arm."""
    found = {word.partition("=")[2] for word in words if word.startswith(f"{ARM}=")}
    return found | {value for word, value in itertools.pairwise(words) if word == ARM}


def usual(found: Inventory) -> list[Cluster]:
    """Return the clusters of a weekly run that names none: the productions that have a twin; empty without any."""
    return [one for one in found.clusters.values() if one.kind == "production" and one.twin]


def plan(found: Inventory, chosen: Sequence[Cluster], words: Sequence[str]) -> Plan:
    """Return what is done for the clusters that were chosen.

    Raises:
        ConfigError: a production has no twin to rehearse on, and was not armed by who called.
    """
    acting = armed(words)
    rehearsed: dict[str, None] = {}
    pairs, notes, problems = [], [], []
    for one in chosen:
        if one.kind == "lab" or one.environment in acting:
            rehearsed[one.id] = None
        if one.twin:
            pairs.append((one.id, one.twin))
            if found.clusters[one.twin].kind == "lab" or found.clusters[one.twin].environment in acting:
                rehearsed[one.twin] = None
        else:
            notes.append(f"{one.id} has no twin, so there is nothing to compare it with.")
        if not {one.id, one.twin} & set(rehearsed):
            problems.append(
                f"{one.id} is a production without a lab as its twin, and weekly never arms one, so nothing can be rehearsed "
                f'for it. Name its lab in the inventory: twin = "ENV/NAME". Or arm it yourself, in its window: '
                f"harehearse weekly {one.id} -- {ARM} {one.environment} --harehearse-change ID"
            )
    if problems:
        raise ConfigError(problems)
    labs = {found.clusters[name].environment: None for name in rehearsed if found.clusters[name].kind == "lab"}
    return Plan(tuple(chosen), tuple(rehearsed), tuple(labs), tuple(pairs), tuple(notes))


def judge(kind: str, ended: Ended) -> tuple[Verdict, str]:
    """Return what the end of a step other than the rehearsals means for the week, and a sentence on it.

    Drift and comparison have no say of their own: the gate judges what they find, by the severities and limits of the
    inventory. That they could not be made is unknown.
    """
    status = ended.status
    if status is None:
        return Verdict.UNKNOWN, ended.why
    answer = _ANSWERS.get(kind, _DONE).get(status)
    # An error ends with 1 too, as "no" does: a verb that was carried out has something to show.
    if answer is None or (kind in _ANSWERS and not ended.out.strip()):
        return Verdict.UNKNOWN, f"could not be done: {_end(status)}{_last(ended)}"
    return answer


def judge_rehearsals(ended: Ended, runs: Sequence[Rehearsed], wanted: Sequence[str]) -> tuple[Verdict, str]:
    """Return what pytest's end means, with the runs that it finished and the clusters that were to be rehearsed."""
    status = ended.status
    if status is None:
        return Verdict.UNKNOWN, ended.why
    counted = [verdict for run in runs for _, verdict in run.rehearsals]
    failed = Verdict.FAILED in counted
    if status not in {0, 1} and not failed:
        return Verdict.UNKNOWN, f"pytest {_PYTEST_ENDS.get(status, f'could not be run: {_end(status)}')}"
    parts = [
        f"{counted.count(verdict)} {verdict.value}"
        for verdict in (Verdict.PASSED, Verdict.FAILED, Verdict.UNKNOWN, Verdict.UNFINISHED)
        if verdict in counted
    ]
    missing = [name for name in wanted if not any(name == cluster for run in runs for cluster, _ in run.rehearsals)]
    verdict = worst([run.verdict for run in runs])
    if missing:
        parts.append(f"nothing was rehearsed on {', '.join(missing)}")
        verdict = Verdict.FAILED if verdict is Verdict.FAILED else Verdict.UNKNOWN
    if status == 1 and not set(counted) - {Verdict.PASSED}:
        parts.append("pytest had failures or errors outside of rehearsals")
        verdict = Verdict.UNKNOWN if missing else Verdict.FAILED
    return verdict if verdict is not Verdict.UNFINISHED else Verdict.UNKNOWN, "; ".join(parts)


def status(verdicts: Sequence[Verdict]) -> int:
    """Return the exit status that the verdicts of all steps come to; of none, unknown."""
    return {Verdict.PASSED: exits.OK, Verdict.FAILED: exits.NO}.get(worst(list(verdicts)), exits.UNKNOWN)


def _end(status: int) -> str:
    return f"ended by signal {-status}" if status < 0 else f"exit status {status}"


def _last(ended: Ended) -> str:
    lines = [line.strip() for line in ended.err.splitlines() if line.strip()]
    return f"; it said: {lines[-1][:MOST_SAID]}" if lines else ""
