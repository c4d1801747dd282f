# SPDX-License-Identifier: MIT
"""Between pytest's items and the rehearsal: the only place that translates one into the other."""

from __future__ import annotations

import inspect
import os
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_harehearse.errors import ConfigError, HarehearseError, Indeterminate

if TYPE_CHECKING:
    from pytest_harehearse.rehearsal.controller import Controller
    from pytest_harehearse.rehearsal.phase import Turn
    from pytest_harehearse.rehearsal.session import Part
    from pytest_harehearse.report.allure import Steps

_OUTCOME: pytest.StashKey[tuple[str, str | None]] = pytest.StashKey()
#: What this module raised, not the test: its text says all, a traceback would lead into the plugin.
_OURS: pytest.StashKey[BaseException] = pytest.StashKey()
#: What shows a rehearsal's steps in Allure.
_STEPS: pytest.StashKey[Steps] = pytest.StashKey()
_PASSED = ("passed", None)
_NOT_BEGUN = ("unknown", "the test did not begin")
#: Why the test failed, to tell whether it failed alike again; and its rehearsal's id.
_CAUSE: pytest.StashKey[Cause] = pytest.StashKey()
_REHEARSAL: pytest.StashKey[str] = pytest.StashKey()
#: Of a further run of a test: which rehearsal's plan it tries a part of.
SHRINKS: pytest.StashKey[str] = pytest.StashKey()
PLANNED = "planned only, nothing was touched"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a test failed, as far as another run can fail alike: the kind of error, the test's line, the limits that broke."""

    error: str
    line: int
    broken: frozenset[str]

    def alike(self, other: Cause) -> bool:
        """Return whether two failures are of the same sort."""
        same = (self.error, self.line) == (other.error, other.line)
        return same and (not self.broken or bool(self.broken & other.broken))


def _cause(item: pytest.Item, error: BaseException) -> Cause:
    lines = [
        line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == str(item.path)
    ]
    return Cause(type(error).__name__, lines[-1] if lines else 0, frozenset(getattr(error, "broken", ())))


def failure(item: pytest.Item) -> tuple[str, Cause] | None:
    """Return the id of an item's rehearsal and why it failed; None: it did not, or that is not known."""
    if item.stash.get(_OUTCOME, _NOT_BEGUN)[0] != "failed" or _REHEARSAL not in item.stash or _CAUSE not in item.stash:
        return None
    return item.stash[_REHEARSAL], item.stash[_CAUSE]


def passed(item: pytest.Item) -> bool:
    """Return whether an item's rehearsal passed."""
    return item.stash.get(_OUTCOME, _NOT_BEGUN) == _PASSED


def _marks(item: pytest.Item, name: str) -> list[tuple[tuple[Any, ...], Mapping[str, Any]]]:
    return [(mark.args, mark.kwargs) for mark in item.iter_markers(name)]


def check(items: Sequence[tuple[pytest.Item, str]], controller: Controller, *, listed: bool) -> list[str]:
    """Return what is wrong with the selected rehearsals; every fault once. ``listed``: they will not be run."""
    from pytest_harehearse.rehearsal import marks

    clusters = list(dict.fromkeys(cluster for _, cluster in items))
    problems = dict.fromkeys([] if listed else controller.limitations(clusters))
    if (why := controller.unshrinkable(clusters)) is not None:
        problems[why] = None
    if controller.choice.resume and not problems:
        from pytest_harehearse.history import rundir

        try:
            controller.resume = rundir.find(controller.store, controller.choice.resume)
        except ConfigError as error:
            problems[str(error)] = None
    for item, cluster in items:
        try:
            marks.limits(_marks(item, "rehearsal"))
            controller.unmet(cluster, _marks(item, "needs"))
        except ConfigError as error:
            problems[f"{_nodeid(item)}: {error}"] = None
    return list(problems)


def close_worker(config: Any, exitstatus: int) -> None:
    """Give everything back in a worker of xdist, and tell who conducts it what went wrong; that one writes the report."""
    from pytest_harehearse.fixtures import KEY

    began = config.stash[KEY].began if KEY in config.stash else None
    if began is None:
        return
    problems = began.close(exitstatus)
    if began.started is not None and not began.started.worker:
        from pytest_harehearse.distributed.worker import run_of

        config.workeroutput["harehearse_part"] = run_of(config.workerinput, began.started.directory)
    config.workeroutput["harehearse_problems"] = problems


def replay(controller: Controller) -> None:
    """Take seed and repeats of the run that is replayed, once; without one nothing is done.

    Raises:
        ConfigError: there is no such run, it cannot be read, or it has no seed.
    """
    wanted = controller.choice.replay
    if wanted is None or controller.replayed is not None:
        return
    from pytest_harehearse.events import RehearsalStarted
    from pytest_harehearse.history import rundir
    from pytest_harehearse.streams import read_run

    directory = rundir.find(controller.store, wanted)
    try:
        begun = [event for event in read_run(directory) if isinstance(event, RehearsalStarted) and event.seed]
    except (OSError, ValueError) as error:
        raise ConfigError(f"The run in {directory} cannot be replayed: {error}") from error
    if not begun:
        raise ConfigError(
            f"The run in {directory} has no seed, so nothing of it was drawn by chance, or an older version made it. Run its "
            "tests without --harehearse-replay."
        )
    controller.replayed = begun[0].seed, max(begun[0].repeats, 1)


def plan_numbers(definition: pytest.Item) -> list[int]:
    """Return the numbers of the fault plans that a test asks for by its mark.

    Raises:
        ConfigError: the mark says what cannot be meant.
    """
    from pytest_harehearse.chance.drawn import chance

    try:
        wanted = chance(_marks(definition, "chance"))
    except ConfigError as error:
        raise ConfigError(f"{_nodeid(definition)}: {error}") from None
    return list(range(1, wanted.plans + 1))


def no_turns() -> list[Turn]:
    """Return what a test is parametrised with while no cluster is known; it is never run."""
    from pytest_harehearse.rehearsal.phase import Turn

    return [Turn("no cluster")]


def turn(item: pytest.Item) -> Turn:
    """Return the cluster of an item's rehearsal, and which repeat it is."""
    from pytest_harehearse.fixtures import PARAMETER

    found: Turn = item.callspec.params[PARAMETER]  # type: ignore[attr-defined]
    return found


def _nodeid(item: pytest.Item) -> str:
    """Return the item's id as it can be typed where pytest was started, wherever its rootdir is."""
    path = os.path.relpath(item.path, item.config.invocation_params.dir)
    return "::".join([path, *item.nodeid.split("::")[1:]])


def worker_problem(config: pytest.Config, controller: Controller | None = None) -> str | None:
    """Return why this worker of xdist must not rehearse; None: it may, or this is none.

    Args:
        config: pytest's.
        controller: of this worker; None: what it reads is not known yet.
    """
    worker = getattr(config, "workerinput", None)
    if worker is None:
        return None
    from pytest_harehearse.distributed.worker import inventory_problem, problem

    found = problem(worker)
    return found if found is not None or controller is None else inventory_problem(worker, controller.inventory.path)


def part(worker: Mapping[str, Any]) -> tuple[Part | None, list[str]]:
    """Return the part that a worker of xdist takes in a run, and how that was called."""
    from pytest_harehearse.distributed.worker import part as taken

    return taken(worker), list(worker["harehearse"]["argv"])


def plan(item: pytest.Item, call: pytest.CallInfo[None], controller: Controller) -> dict[str, Any] | None:
    """Return the plan of an item for the process that conducts the workers, once; None: there is none, or it is here."""
    if call.when != "teardown" or not hasattr(item.config, "workerinput"):
        return None
    mine = next((one for one in reversed(controller.plans) if one[0] == _nodeid(item)), None)
    if mine is None:
        return None
    from dataclasses import asdict

    from pytest_harehearse.report.live import shown_plan

    return asdict(shown_plan(*mine, controller.unasked(mine[2].cluster.id)))


def begin(item: pytest.Item, identity: str, controller: Controller) -> None:
    """Begin the item's rehearsal, or its plan; skip it when the cluster lacks what it needs."""
    from pytest_harehearse.rehearsal import marks

    item.stash[_OUTCOME] = _NOT_BEGUN
    reason = controller.unmet(identity, _marks(item, "needs"))
    if reason is not None:
        pytest.skip(reason)
    limits = marks.limits(_marks(item, "rehearsal"))
    function = getattr(item, "function", None)
    title = ((getattr(function, "__doc__", None) or "").strip() or item.name).splitlines()[0].rstrip(".")
    if controller.planned_only(identity) is not None:
        controller.plan(identity, _nodeid(item), title, limits, _scenario(function))
        return
    source = f"{_nodeid(item).partition('::')[0]}:{(item.reportinfo()[1] or 0) + 1}"
    try:
        cluster = controller.open(identity)
    except BaseException as error:
        _ours(item, error)
        controller.not_begun(
            *_outcome(error), nodeid=_nodeid(item), title=title, cluster=identity, limits=limits, source=source
        )
        raise
    try:
        controller.session.begin(
            cluster, nodeid=_nodeid(item), name=item.name, title=title, limits=limits, source=source,
            scenario=_scenario(function), turn=turn(item), seed=controller.seed, shrinks=item.stash.get(SHRINKS, ""),
        )  # fmt: skip
    except HarehearseError as error:
        _ours(item, error)
        raise
    if controller.session.current is not None:
        item.stash[_REHEARSAL] = controller.session.current.recorder.rehearsal
    if SHRINKS in item.stash:
        # What is handed over to others is the rehearsal that failed, not what made its plan smaller.
        return
    if item.config.getoption("allure_report_dir", None) and controller.session.current is not None:
        from pytest_harehearse.report.allure import Steps

        recorder, steps = controller.session.current.recorder, Steps()
        item.stash[_STEPS] = steps
        recorder.sink = steps.follow(recorder.sink)


def _scenario(function: Any) -> str:
    """Return a digest of the test's own text, by which a playbook is known; empty when Python does not have it."""
    from pytest_harehearse.rehearsal.patching.playbook import digest

    try:
        return digest(inspect.getsource(function)) if function is not None else ""
    except (OSError, TypeError):
        return ""


@contextmanager
def body(item: pytest.Item, controller: Controller) -> Iterator[None]:
    """Watch for stop conditions while the block, the test's function, runs."""
    from pytest_harehearse.rehearsal.phase import wait
    from pytest_harehearse.rehearsal.stop_watch import StopCondition

    try:
        with controller.session.body():
            if turn(item).number and controller.session.current is not None:
                seconds = wait(controller.seed, _nodeid(item))
                controller.session.current.note(
                    f"random phase: begun {seconds:.2f} s after the cluster was found whole"
                )
                time.sleep(seconds)
            yield
    except StopCondition as error:
        _ours(item, error)
        raise


def judge(item: pytest.Item, controller: Controller) -> None:
    """Judge the limits of the item's rehearsal."""
    try:
        controller.session.judge()
    except HarehearseError as error:
        _ours(item, error)
        raise


def _ours(item: pytest.Item, error: BaseException) -> None:
    if isinstance(error, HarehearseError):
        item.stash[_OURS] = error


def told(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Return the phase's error as it is shown when it was not the test that raised it; None when pytest knows best."""
    if call.excinfo is None or item.stash.get(_OURS, None) is not call.excinfo.value:
        return None
    return call.excinfo.getrepr(style="value")


def blank(report: pytest.TestReport, call: pytest.CallInfo[None], controller: Controller) -> None:
    """Take the inventory's secrets out of what pytest and others print of a rehearsal; what holds none is left as it is."""
    from pytest_harehearse.remote.redact import known_only

    clean = known_only(controller.inventory.secrets)
    if clean is None:
        return
    if isinstance(report.longrepr, tuple):
        path, line, text = report.longrepr
        report.longrepr = (path, line, clean(text))
    elif report.longrepr is not None and (text := clean(str(report.longrepr))) != str(report.longrepr):
        report.longrepr = text
    report.sections = [(name, clean(text)) for name, text in report.sections]
    error = call.excinfo.value if call.excinfo is not None else None
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        # Other plugins make their own words of the error itself.
        error.args = tuple(clean(word) if isinstance(word, str) else word for word in error.args)
        error = error.__cause__ or error.__context__


def _outcome(error: BaseException) -> tuple[str, str]:
    if isinstance(error, pytest.skip.Exception):
        return "skipped", str(error)
    if isinstance(error, Indeterminate):
        return "unknown", str(error)
    if isinstance(error, KeyboardInterrupt):
        return "unknown", str(error) or "stopped by the user"
    text = str(error) or type(error).__name__
    expected = isinstance(error, AssertionError | HarehearseError | pytest.fail.Exception)
    return "failed", text if expected else f"{type(error).__name__}: {text}"


def keep_error(item: pytest.Item, error: BaseException) -> None:
    """Remember how the rehearsal went, until its fixtures are torn down too; the first trouble counts."""
    if item.stash.get(_OUTCOME, _NOT_BEGUN) in {_NOT_BEGUN, _PASSED}:
        item.stash[_OUTCOME] = _outcome(error)
        item.stash[_CAUSE] = _cause(item, error)


def keep(item: pytest.Item, call: pytest.CallInfo[None]) -> bool:
    """Remember how a phase went; return whether its truth was not established."""
    if call.excinfo is not None:
        keep_error(item, call.excinfo.value)
    elif call.when == "call":
        item.stash[_OUTCOME] = _PASSED
    return call.excinfo is not None and isinstance(call.excinfo.value, Indeterminate)


def end(item: pytest.Item, controller: Controller) -> None:
    """End the item's rehearsal and record its outcome."""
    session = controller.began
    if session is None:
        return
    current = session.current
    try:
        session.end(*item.stash.get(_OUTCOME, _NOT_BEGUN))
    finally:
        if (steps := item.stash.get(_STEPS, None)) is not None:
            steps.close()
    run = session.started
    if current is not None and run is not None and SHRINKS not in item.stash:
        _hand_over(item, run.directory, current.recorder.rehearsal)


def _hand_over(item: pytest.Item, directory: Path, rehearsal: str) -> None:
    """Tell JUnit's XML and Allure of a rehearsal, where they are asked for; what cannot be read of it is told, too."""
    junit, allured = item.config.getoption("xmlpath", None), item.stash.get(_STEPS, None) is not None
    if not junit and not allured:
        return
    from pytest_harehearse.history.build import build
    from pytest_harehearse.report.junit import properties

    try:
        summary = build(directory, rehearsal)
        if allured:
            from pytest_harehearse.report.allure import attach

            attach(summary, directory)
    except (OSError, ValueError) as error:
        item.user_properties.append(("harehearse.problem", str(error)))
        return
    page = str(directory / "report.html")
    item.user_properties += [pair for one in summary.rehearsals for pair in properties(summary.run, one, page)]


def end_plan(controller: Controller, reason: str, error: Exception | None) -> None:
    """End the item's plan; it is reported as skipped, for nothing was rehearsed: because it was asked for, or ``reason``."""
    controller.plans[-1][2].striker.undo_all()
    if error is not None:
        controller.planned_up_to(f"{type(error).__name__}: {error}")
    pytest.skip(PLANNED if controller.choice.plan else reason)
