# SPDX-License-Identifier: MIT
"""The process that conducts xdist's workers: it keeps the run, heals after a worker that died, and counts what is not run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pytest_harehearse.distributed import far
from pytest_harehearse.distributed.names import fitting, together
from pytest_harehearse.distributed.queue import Lost, Queue, Unit
from pytest_harehearse.errors import ConfigError, HarehearseError
from pytest_harehearse.events import PartMissing, RehearsalFinished, RehearsalStarted
from pytest_harehearse.labs import home
from pytest_harehearse.labs.base import lab_of
from pytest_harehearse.rehearsal.controller import Controller
from pytest_harehearse.rehearsal.heal import heal
from pytest_harehearse.rehearsal.recovery import CLEAN, Recovery
from pytest_harehearse.rehearsal.run import Run, start
from pytest_harehearse.rehearsal.signals import Stops
from pytest_harehearse.remote.redact import known_only
from pytest_harehearse.report.live import Shown, header
from pytest_harehearse.report.session import Finished, write_reports
from pytest_harehearse.report.wording import plural
from pytest_harehearse.streams import read_events

#: Modes that keep a file's ordinary tests together.
_BY_FILE: Final = {"loadfile", "loadscope"}


@dataclass(frozen=True, slots=True)
class NotRun:
    """A test that was not run, and why; ``cluster`` empty: it is no rehearsal."""

    nodeid: str
    cluster: str
    reason: str


@dataclass
class Conductor:
    """Of one pytest session that is distributed."""

    controller: Controller
    testrun: str
    mode: str
    say: Callable[[str], None]
    run: Run | None = None
    #: Plans of what is only planned, as workers told of them.
    plans: list[Shown] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _queue: Queue | None = None
    _stops: Stops = field(default_factory=Stops)
    #: The test that a worker died in → that worker, and what it takes along.
    _lost: dict[str, tuple[str, Lost]] = field(default_factory=dict)
    #: How many rehearsals that never were are on the stream.
    _told: int = 0
    _stranded: list[NotRun] = field(default_factory=list)

    # -- what the scheduler asks -------------------------------------------------------------------------------------

    def units(self, nodeids: Sequence[str]) -> list[Unit]:
        """Return the tests of each cluster, and the ordinary ones; empty: there is no rehearsal among them."""
        try:
            clusters = self.controller.inventory.clusters
        except ConfigError:
            # The workers found the same, and say it.
            return []
        found = together(nodeids, clusters)
        if not found:
            return []
        expected = self._expected(found)
        units = [
            Unit(name, tuple(items), name, clusters[name].site, expected.get(name)) for name, items in found.items()
        ]
        mine = {item for items in found.values() for item in items}
        ordinary: dict[str, list[str]] = {}
        for nodeid in nodeids:
            if nodeid not in mine:
                ordinary.setdefault(nodeid.partition("::")[0] if self.mode in _BY_FILE else nodeid, []).append(nodeid)
        # Seconds of ordinary tests are as nothing beside a failover.
        return units + [Unit(name, tuple(items), expected=0.0) for name, items in ordinary.items()]

    def _expected(self, found: dict[str, list[str]]) -> dict[str, float | None]:
        from pytest_harehearse.history import durations

        if len(found) == 1 or not (self.controller.store.is_dir() or self.controller.inventory.history):
            return {}
        try:
            return durations.expected(self.controller.inventory, self.controller.store, found)
        except HarehearseError as error:
            self.say(f"how long each cluster takes is not known, so they go in the order of their tests: {error}")
            return {}

    def begin(self, nodeids: Sequence[str], queue: Queue, workers: int) -> None:
        """Make the run that the workers join, and say what is rehearsed on.

        Raises:
            ConfigError: the store cannot be written.
        """
        self._queue = queue
        controller = self.controller
        controller.selected()
        clusters = sorted({name for nodeid in nodeids for name in fitting(nodeid, controller.inventory.clusters)[:1]})
        real = [name for name in clusters if controller.planned_only(name) is None]
        if real:
            # Whoever is stopped lets the workers undo what they struck.
            self._stops.install()
            clean = known_only(controller.inventory.secrets)
            self.run = start(controller.store, list(controller.choice.argv), clean, self.testrun)
        for line in header({name: controller.told(name) for name in clusters}, controller.store, plan=not real):
            self.say(line.removeprefix("harehearse: "))
        working = plural(min(workers, len(clusters)), "worker")
        self.say(f"{plural(len(clusters), 'cluster')} on {working}, the longest first")

    def lost(self, lost: Lost, worker: str) -> None:
        """Take note of what a worker that died leaves; told once xdist has told of its death."""
        if lost.crashed is not None:
            self._lost[lost.crashed] = (worker, lost)

    def stranded(self, units: Sequence[Unit]) -> None:
        """Take note of tests whose site has no runner."""
        for unit in units:
            why = (
                f"not run: no runner for site {unit.site}, where {unit.cluster} is. Give it one: "
                f"--tx ssh=HOST//env:HAREHEARSE_SITE={unit.site}"
            )
            self._stranded += [NotRun(item, unit.cluster, why) for item in unit.items]

    # -- after a worker died -----------------------------------------------------------------------------------------

    def crashed(self, nodeid: str) -> tuple[NotRun, list[NotRun]] | None:
        """Heal the cluster that a worker died on; return what became of its test, and of those that were to follow.

        None: it was no rehearsal.
        """
        worker, lost = self._lost.pop(nodeid, ("", Lost(nodeid)))
        cluster = next(iter(fitting(nodeid, self.controller.inventory.clusters)), None)
        if cluster is None:
            return None
        if self.controller.planned_only(cluster) is None:
            became = self._healed(cluster)
        else:
            became = "it was only planned, nothing was touched"
        died = NotRun(nodeid, cluster, f"worker {worker} died in it; {became}")
        rest = [
            NotRun(
                item, cluster, f"not run: {cluster} is not settled, for worker {worker} died in {_test(nodeid)} there"
            )
            for item in lost.not_run
        ]
        if self.run is not None:
            self._end_what_began(self.run, worker, died)
            for one in rest:
                self._tell(self.run, one)
        else:
            # There is no report, and pytest shows no reason of what is unknown.
            self.problems += [f"{one.nodeid}: {one.reason}" for one in (died, *rest)]
        return died, rest

    def _healed(self, cluster: str) -> str:
        inventory = self.controller.inventory
        result = heal(inventory, inventory.clusters[cluster], self.controller.store)
        done = sum(finding.done is True for finding in result.findings)
        if result.outcome == CLEAN:
            return f"{cluster} was healed: {done} undone" if done else f"nothing of it was left on {cluster}"
        return f"{cluster} is not known to be whole: {_why(result)}. Heal it: harehearse recover {cluster}"

    def _end_what_began(self, run: Run, worker: str, died: NotRun) -> None:
        """Write the end of the rehearsal that the worker was in; it may not have begun one."""
        path = run.directory / f"events-{worker}.jsonl"
        try:
            stream = list(read_events(path)) if path.is_file() else []
        except (OSError, ValueError) as error:
            self.problems.append(f"What worker {worker} wrote cannot be read: {error}")
            return
        ended = {event.rehearsal for event in stream if isinstance(event, RehearsalFinished)}
        begun = [event.rehearsal for event in stream if isinstance(event, RehearsalStarted)]
        open_ = [rehearsal for rehearsal in begun if rehearsal not in ended]
        if not open_:
            self._tell(run, died)
        for rehearsal in open_:
            run.log.write(RehearsalFinished(rehearsal=rehearsal, outcome="unknown", reason=died.reason))

    def _tell(self, run: Run, one: NotRun) -> None:
        """Write a rehearsal that never was, so that it is not missing."""
        cluster = self.controller.inventory.clusters[one.cluster]
        self._told += 1
        identity = f"not-run-{self._told}"
        run.log.write(
            RehearsalStarted(
                rehearsal=identity, nodeid=one.nodeid, title=_test(one.nodeid), cluster=one.cluster, kind=cluster.kind
            )
        )
        run.log.write(RehearsalFinished(rehearsal=identity, outcome="unknown", reason=one.reason))

    def bring(self, worker: str, run: bytes | str) -> bool:
        """Keep the run of a worker on another machine as a part of this one; return whether it is one.

        Args:
            worker: as gw0.
            run: what was packed there, or why it was not.
        """
        if self.run is None:
            return True
        why = run if isinstance(run, str) else ""
        try:
            if isinstance(run, bytes):
                far.unpack(run, self.run.directory, worker)
        except HarehearseError as error:
            why = str(error)
        if why:
            # Also in a report that is made anew, what is not here is missed.
            self.run.log.write(PartMissing(part=worker, why=why))
            self.problems.append(why)
        return not why

    # -- at the end --------------------------------------------------------------------------------------------------

    def left_over(self) -> list[NotRun]:
        """Return what nobody ran: of sites without a runner, and what waited when the last worker was gone."""
        why = "not run: no worker was left to run it"
        waiting = self._queue.waiting if self._queue is not None else []
        rest = [NotRun(item, unit.cluster, why) for unit in waiting for item in unit.items]
        found = [*self._stranded, *rest]
        if self.run is not None:
            for one in found:
                if one.cluster and self.controller.planned_only(one.cluster) is None:
                    self._tell(self.run, one)
        return found

    def finish(self, exit_status: int) -> Finished:
        """Heal what is still open, remove the labs that workers made, and write the one report of all workers."""
        try:
            with self._stops.undoing(last=True):
                return self._finish(exit_status)
        finally:
            self._stops.restore()

    def _finish(self, exit_status: int) -> Finished:
        run = self.run
        if run is None:
            return Finished(problems=self.problems)
        problems = self.problems
        for cluster in dict.fromkeys(entry.cluster for entry in run.journal.still_open() if entry.run == run.id):
            self.say(f"worker gone with a fault open: {self._healed(cluster)}")
            if left := [entry for entry in run.journal.still_open(cluster) if entry.run == run.id]:
                problems.append(
                    f"{left[0].fault} {left[0].target} is still open on {cluster}: harehearse recover {cluster}"
                )
        problems += self._remove_labs()
        try:
            run.finish(exit_status)
        except OSError as error:
            problems.append(f"The end of the run could not be written to {run.directory}: {error.strerror}")
        finished = Finished(problems=problems)
        write_reports(run, self.controller.inventory, finished)
        return finished

    def _remove_labs(self) -> list[str]:
        inventory, problems = self.controller.inventory, []
        for name, environment in inventory.environments.items():
            state = home.read(home.home_of(inventory.path, name)) if environment.provider else None
            if state is None or state.owner != home.Owner.me():
                continue
            if self.controller.choice.keep_lab or state.keep:
                self.say(f"the lab {name} is kept; remove it: harehearse lab down {name}")
                continue
            try:
                lab_of(inventory, environment).down(self.say)
            except HarehearseError as error:
                problems.append(str(error))
        home.tidy()
        return problems


def _why(result: Recovery) -> str:
    if result.held is not None:
        return f"it is held by {result.held}"
    bad = [f"{finding.what}: {finding.detail}" for finding in result.findings if finding.done is not True]
    return "; ".join([*bad, *result.unknown][:3])


def _test(nodeid: str) -> str:
    return nodeid.partition("::")[2]
