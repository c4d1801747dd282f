# SPDX-License-Identifier: MIT
"""One pytest session's clusters: opened when first used, held against others, given back at the end."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_harehearse.clock import now
from pytest_harehearse.errors import DeadlineExceeded, HarehearseError, Indeterminate, Refused
from pytest_harehearse.events import (
    ClusterOpened,
    CommandFinished,
    CommandStarted,
    Event,
    RehearsalFinished,
    RehearsalStarted,
)
from pytest_harehearse.faults import lab_undo
from pytest_harehearse.faults.base import Scene
from pytest_harehearse.faults.dead_man import owner
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.inventory.model import Inventory
from pytest_harehearse.labs import home
from pytest_harehearse.labs.base import Hosts, Lab, lab_of
from pytest_harehearse.rehearsal import leftovers
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.drifting import Drifting
from pytest_harehearse.rehearsal.faults import Faults
from pytest_harehearse.rehearsal.guarding import Guard, NotAllowed
from pytest_harehearse.rehearsal.invariants import REDUNDANCY_S
from pytest_harehearse.rehearsal.judging import judge
from pytest_harehearse.rehearsal.limits import Redundancy
from pytest_harehearse.rehearsal.patching.facade import Conduct, Patching, restarter
from pytest_harehearse.rehearsal.patching.progress import Progress, read
from pytest_harehearse.rehearsal.patching.soak import hurting
from pytest_harehearse.rehearsal.patching.stepping import Ask
from pytest_harehearse.rehearsal.phase import Turn, wait
from pytest_harehearse.rehearsal.recorder import Recorder
from pytest_harehearse.rehearsal.recording import collect
from pytest_harehearse.rehearsal.role_watch import RoleWatch
from pytest_harehearse.rehearsal.run import Run, join, start
from pytest_harehearse.rehearsal.scene import lease_places, places, scene_of
from pytest_harehearse.rehearsal.signals import Stops
from pytest_harehearse.rehearsal.stop_watch import StopWatch, stop_file
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.rehearsal.watching import Probes
from pytest_harehearse.remote.redact import known_only
from pytest_harehearse.safety.arming import Arming, planned_only
from pytest_harehearse.safety.guard import shut, unready
from pytest_harehearse.safety.lease import Holder
from pytest_harehearse.safety.lock import FileLock, Held
from pytest_harehearse.units import show

SETTLE_S = 60.0

#: pytest's exit status after Ctrl-C.
INTERRUPTED = 2


def cluster_lock(inventory: Path, cluster: str, owner: str) -> FileLock:
    """Return the lock that lets one rehearsal at a time touch a cluster, on this machine."""
    digest = hashlib.sha256(f"{inventory.resolve()}\n{cluster}".encode()).hexdigest()[:16]
    return FileLock(home.base() / f"rehearsal-{digest}.lock", owner)


@dataclass(frozen=True, slots=True)
class Part:
    """The part that a worker of xdist takes in a run: which run, by what its starter called it, and the worker's name."""

    testrun: str
    worker: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a test of one cluster works with; the ``rehearsal`` fixture."""

    cluster: Cluster
    probes: Probes
    faults: Faults
    recorder: Recorder
    limits: dict[str, float]
    roles: RoleWatch
    striker: Striker
    patching: Patching
    scene: Scene
    stop: StopWatch
    drift: Drifting

    def redundancy(self) -> Redundancy | None:
        """Return how long it took until every node was back, waiting for it if nobody has; None: nothing was done."""
        recorder = self.recorder
        began = recorder.first_action
        limited = "redundancy" in self.limits
        if began is None or (recorder.aside and not limited):
            return None
        if recorder.redundant_at is None:
            left = max(1.0, self.limits.get("redundancy", REDUNDANCY_S) - (now() - began))
            try:
                self.cluster.until_redundant(within=f"{left:.3f}s")
            except DeadlineExceeded as error:
                # The limit's own judgement says so, beside the others.
                recorder.tell(str(error))
        back = recorder.redundant_at
        return Redundancy(None if back is None else back - began, now() - began)

    def note(self, text: str) -> None:
        """Keep a note in the report, at this instant."""
        self.recorder.note(text)


class Session:
    """Opens clusters and conducts rehearsals on them."""

    def __init__(
        self, inventory: Inventory, store: Path, argv: list[str], *, keep_lab: bool, say: Callable[[str], None],
        arming: Arming | None = None, ask: Ask | None = None, resume: Path | None = None, part: Part | None = None,
    ) -> None:  # fmt: skip
        self._part = part
        self._ask = ask
        self._resume = resume
        self.inventory = inventory
        self.store = store
        self._argv = argv
        self._keep_lab = keep_lab
        self._say = say
        self._arming = arming
        self._run: Run | None = None
        self._clusters: dict[str, Cluster] = {}
        self._labs: dict[str, Lab] = {}
        self._made: list[str] = []
        self._locks: list[FileLock] = []
        self._leases: dict[str, Holder] = {}
        self._ids: set[str] = set()
        #: One a kind, the same for ever: a lab whose pen changes connects anew.
        self._records = {kind: functools.partial(self._record, kind=kind) for kind in ("lab", "production")}
        self._stops = Stops()
        #: The rehearsal that is being conducted, for the fixtures.
        self.current: Rehearsal | None = None

    @property
    def run(self) -> Run:
        """The run; made when first asked for."""
        if self._run is None:
            clean = known_only(self.inventory.secrets)
            if self._part is None:
                self._run = start(self.store, self._argv, clean)
            else:
                self._run = join(self.store, self._part.testrun, self._part.worker, clean)
        return self._run

    @property
    def started(self) -> Run | None:
        """The run, if anything was rehearsed."""
        return self._run

    def open(self, identity: str) -> Cluster:
        """Return a cluster, its lab created if need be, locked against other runs.

        Raises:
            HarehearseError: another run holds it, an earlier fault on it is still open, or its lab cannot be made.
        """
        if identity in self._clusters:
            return self._clusters[identity]
        self._stops.install()
        described = self.inventory.clusters[identity]
        environment = self.inventory.environments[described.environment]
        arming = self._armed(identity)
        if arming is not None:
            self._in_its_window(described)
        lab = self._labs.setdefault(environment.name, lab_of(self.inventory, environment, armed=arming is not None))
        self._hold(identity)
        # First what a worker joins: without it nothing may be made.
        journal = self.run.journal
        made = environment.name not in self._made and lab.up(self._say, keep=self._keep_lab)
        if made:
            journal.close_gone(environment.name)
            # What workers make is removed by who conducts them: others may still rehearse there.
            if self._part is None:
                self._made.append(environment.name)
        if self._resume is not None and environment.name in self._made:
            raise Refused(
                f"{identity}: the lab of {self._resume.name} is gone, and this one is new, so nothing of it is patched. "
                "Begin anew, without --harehearse-resume; to be able to go on, keep the lab: --harehearse-keep-lab"
            )
        if left := journal.still_open(identity):
            raise Indeterminate(
                f"The fault '{left[0].fault} {left[0].target}' from run {left[0].run} is still open on {identity}, so "
                f"nothing was started. Undo it: harehearse recover {identity}. By hand: {left[0].undo}."
            )
        if isinstance(lab, Hosts):
            lab.record_to(self._records[environment.kind])
        reached = lab.reach(described.name)
        cluster = Cluster(reached.cluster, reached.manager, reached.channels)
        self._lease(cluster, lab)
        self._nothing_left(cluster, lab)
        self._clusters[identity] = cluster
        report = lab.report()
        self.run.log.write(
            ClusterOpened(
                cluster=identity, kind=cluster.kind, manager=cluster.manager.name, provider=environment.provider,
                nodes=list(cluster.nodes), lab_up_s=report.up_s, notes=list(report.notes), writes=cluster.writes,
                change=arming.change if arming else "", armed_by=arming.by if arming else "",
            )
        )  # fmt: skip
        return cluster

    def _armed(self, identity: str) -> Arming | None:
        """Return the arming of a production; None for a lab.

        Raises:
            NotAllowed: it is production and not armed.
        """
        described = self.inventory.clusters[identity]
        if (why := planned_only(described, self._arming)) is not None:
            raise NotAllowed(why)
        return self._arming if described.kind == "production" else None

    @staticmethod
    def _in_its_window(described: Described) -> None:
        """Refuse a production outside its windows: not even a lease is taken there.

        Raises:
            NotAllowed: none is open.
        """
        why = unready(described) or shut(described, datetime.now(UTC))
        if why is not None:
            raise NotAllowed(f"{described.id} (PRODUCTION): nothing was started there: {why}.")

    def _lease(self, cluster: Cluster, lab: Lab) -> None:
        """Hold the cluster itself, against other machines, users and stores."""
        places = lease_places(scene_of(cluster, lab))
        if places:
            holder = Holder(places, cluster=cluster.id, run=self.run.id, owner=owner(), seconds=cluster.described.lease)
            self._leases[cluster.id] = holder.take()

    @staticmethod
    def _nothing_left(cluster: Cluster, lab: Lab) -> None:
        """Refuse a cluster on which a killed run left something, whichever store it had."""
        left, _ = leftovers.find(places(scene_of(cluster, lab)))
        if left:
            more = f", and {len(left) - 1} more" if len(left) > 1 else ""
            raise Indeterminate(
                f"An earlier rehearsal left something on {cluster.id}, so nothing was started: {left[0].describe()}{more}. "
                f"Undo it: harehearse recover {cluster.id}."
            )

    def _hold(self, identity: str) -> None:
        since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
        me = f"run {self.run.id} (pid {os.getpid()}), since {since}, until that process ends"
        lock = cluster_lock(self.inventory.path, identity, me)
        try:
            self._locks.append(lock.acquire(within=5.0))
        except Held as held:
            raise Indeterminate(
                f"{identity} is being rehearsed by {held.holder}; one rehearsal at a time. Nothing was started."
            ) from held

    def begin(
        self,
        cluster: Cluster,
        *,
        nodeid: str,
        name: str,
        title: str,
        limits: Mapping[str, float],
        source: str,
        scenario: str = "",
        turn: Turn | None = None,
        seed: str = "",
        shrinks: str = "",
    ) -> Rehearsal:
        """Begin a rehearsal on a healthy cluster; it lasts until :meth:`end`.

        ``shrinks``: the rehearsal whose failing plan it tries a part of.

        Raises:
            NotSettled: the cluster was not healthy; nothing was started, and the rehearsal is recorded as unknown.
        """
        run = self.run
        recorder = Recorder(run.log.write, self.identify(name), cluster.kind)
        arming = self._armed(cluster.id)
        guard = Guard(cluster.described, cluster.manager, arming, rehearsal=recorder.rehearsal, write=run.log.write)
        lab = self._labs.get(cluster.id.partition("/")[0])
        roles = RoleWatch(cluster.manager, recorder)
        striker = Striker(cluster.id, run.id, run.journal, recorder, guard)
        guard.struck = striker.struck_now
        if (lease := self._leases.get(cluster.id)) is not None:
            guard.lease_lost = lambda: lease.lost
        probes = Probes(cluster, run)
        scene = scene_of(cluster, lab)
        if not cluster.channels:
            cluster.pause_timer = functools.partial(lab_undo.timer, scene, "pause", "")
        stop = StopWatch(
            striker, recorder, stop_file(self.store), cluster.described.abort_after, probes.open_now,
            frozenset(cluster.nodes),
        )  # fmt: skip
        striker.calm = probes.calm = stop.calm
        rehearsal = Rehearsal(
            cluster=cluster,
            probes=probes,
            faults=Faults(scene, striker),
            recorder=recorder,
            limits=dict(limits),
            roles=roles,
            striker=striker,
            patching=Patching(
                cluster,
                restart=restarter(scene, striker),
                watch=lambda: probes.watch(settle="1s"),
                hurt=hurting(probes.open_now),
                conduct=Conduct(
                    run.id, scenario, self.inventory.clusters[cluster.id], self._ask, self._came_to(nodeid, cluster.id)
                ),
            ),
            scene=scene,
            stop=stop,
            drift=Drifting(scene, self.store, run.id, recorder.note),
        )
        run.log.write(
            RehearsalStarted(
                rehearsal=recorder.rehearsal, nodeid=nodeid, title=title, cluster=cluster.id, limits=dict(limits),
                source=source, kind=cluster.kind, change=arming.change if arming else "",
                armed_by=arming.by if arming else "", shrinks=shrinks, **_repeat(turn, seed, nodeid),
            )
        )  # fmt: skip
        cluster.attend(recorder, striker, guard)
        self.current = rehearsal
        try:
            stop.refuse()
            cluster.settle(SETTLE_S)
        except BaseException as error:
            self.end("unknown", str(error) or "stopped by the user")
            raise
        roles.start()
        return rehearsal

    def _came_to(self, nodeid: str, cluster: str) -> list[Progress]:
        """Return how far the run that is gone on with came in this test."""
        return read(self._resume, nodeid, cluster) if self._resume else []

    def body(self) -> AbstractContextManager[None]:
        """Watch for stop conditions while the block, the test's body, runs.

        Raises:
            StopCondition: one was met; everything is undone.
        """
        return nullcontext() if self.current is None else self.current.stop.watching()

    def judge(self) -> None:
        """Judge the current rehearsal by its limits, and by what must hold after every one.

        Raises:
            LimitExceeded: a limit or an invariant was broken.
            NotMeasured: one could not be judged.
        """
        if self.current is not None:
            judge(self.current, self.run.log.path, collect=lambda: self._collect(self.current))

    def end(self, outcome: str, reason: str | None) -> None:
        """End the current rehearsal and record its outcome: passed, failed, unknown or skipped.

        Raises:
            KeyboardInterrupt: the run was asked to stop meanwhile; everything was undone first.
        """
        with self._stops.undoing():
            self._end(outcome, reason)

    def _end(self, outcome: str, reason: str | None) -> None:
        rehearsal = self.current
        if rehearsal is None:
            return
        try:
            # Each is done whatever became of the one before; the last of them was put first.
            with ExitStack() as ending:
                ending.callback(rehearsal.roles.stop)
                ending.callback(self._collect, rehearsal)
                ending.callback(rehearsal.striker.undo_all)
        except Exception as error:
            # Without it the cluster is not as it was, or the timeline lies; whoever calls must hear of it.
            outcome, reason = worse(outcome), reason or f"the rehearsal could not be ended well: {error}"
            raise
        finally:
            self.current = None
            rehearsal.cluster.attend(None)
            self.run.log.write(
                RehearsalFinished(rehearsal=rehearsal.recorder.rehearsal, outcome=outcome, reason=reason)
            )

    def _collect(self, rehearsal: Rehearsal | None) -> None:
        """Fetch what the cluster itself recorded of what was done to it, once."""
        began = None if rehearsal is None else rehearsal.recorder.first_action
        if rehearsal is not None and began is not None and not rehearsal.recorder.collected:
            rehearsal.recorder.collected = True
            collect(rehearsal.cluster.manager, rehearsal.recorder, began)

    def _record(self, event: Event, kind: str) -> None:
        """Put a command on the stream, with what its node belongs to and the rehearsal that it was run in."""
        current = self.current
        if isinstance(event, CommandStarted):
            event = dataclasses.replace(event, kind=kind)
        if current is not None and isinstance(event, CommandStarted | CommandFinished):
            event = dataclasses.replace(event, rehearsal=current.recorder.rehearsal)
        try:
            self.run.log.write(event)
        except OSError:
            # What cannot be recorded is not done, but for an undo: the cluster comes before the record.
            if not self._stops.is_undoing:
                raise

    def identify(self, name: str) -> str:
        """Return an id for a rehearsal: safe in a file's name and as an anchor, and used once in the run."""
        plain = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-")[:80]
        if self._part is not None:
            plain = f"{plain}-{self._part.worker}"
        candidate, number = plain, 2
        while candidate in self._ids:
            candidate, number = f"{plain}-{number}", number + 1
        self._ids.add(candidate)
        return candidate

    def close(self, exit_status: int) -> list[str]:
        """Give everything back; return what went wrong with it."""
        try:
            with self._stops.undoing(last=True):
                return self._close(exit_status)
        finally:
            self._stops.restore()

    def _close(self, exit_status: int) -> list[str]:
        problems = []
        stopped = self._stops.reason or "stopped by the user"
        try:
            self.end("unknown", stopped if exit_status == INTERRUPTED else "stopped before its end")
        except Exception as error:  # noqa: BLE001 - said at the end; what was made must be removed all the same
            problems.append(f"The rehearsal could not be ended well: {error}")
        problems += self._give_back_leases()
        for lab in self._labs.values():
            if isinstance(lab, Hosts):
                lab.close()
        for name in self._made:
            # Somebody may have said ``lab up`` meanwhile: then it is theirs.
            if self._keep_lab or self._labs[name].report().keep:
                self._say(f"the lab {name} is kept; remove it: harehearse lab down {name}")
                continue
            try:
                self._labs[name].down(self._say)
            except HarehearseError as error:
                problems.append(str(error))
        for lock in self._locks:
            lock.release()
        if self._locks:
            home.tidy()
        return problems + self._finish_run(exit_status)

    def _finish_run(self, exit_status: int) -> list[str]:
        if self._run is None:
            return []
        try:
            self._run.finish(exit_status)
        except OSError as error:
            return [f"The end of the run could not be written to {self._run.directory}: {error.strerror}"]
        return []

    def _give_back_leases(self) -> list[str]:
        return [
            f"The lease on {cluster} could not be given back, and ends by itself after {show(holder.seconds)}: {text}"
            for cluster, holder in self._leases.items()
            for text in holder.give_back()
        ]


def _repeat(turn: Turn | None, seed: str, nodeid: str) -> dict[str, Any]:
    """Return what an event tells of chance: the seed, and which repeat it is."""
    if turn is None or not turn.number:
        return {"seed": seed}
    return {"repeat": turn.number, "repeats": turn.of, "phase": wait(seed, nodeid), "seed": seed}


def worse(outcome: str) -> str:
    """Return the outcome after something about it turned out not to be known."""
    return "unknown" if outcome == "passed" else outcome
