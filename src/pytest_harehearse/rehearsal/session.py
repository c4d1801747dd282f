# SPDX-License-Identifier: MIT
"""One pytest session's clusters: opened when first used, held against others, given back at the end."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_harehearse.clock import now
from pytest_harehearse.errors import DeadlineExceeded, HarehearseError, Indeterminate
from pytest_harehearse.events import ClusterOpened, RehearsalFinished, RehearsalStarted
from pytest_harehearse.inventory.model import Inventory
from pytest_harehearse.labs import home
from pytest_harehearse.labs.base import Lab, lab_of
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.limits import Redundancy, judge, raise_for
from pytest_harehearse.rehearsal.recorder import Recorder
from pytest_harehearse.rehearsal.role_watch import RoleWatch
from pytest_harehearse.rehearsal.run import Run, start
from pytest_harehearse.rehearsal.striking import Faults
from pytest_harehearse.rehearsal.watching import Probes
from pytest_harehearse.safety.lock import FileLock, Held

SETTLE_S = 60.0

#: pytest's exit status after Ctrl-C.
INTERRUPTED = 2


def cluster_lock(inventory: Path, cluster: str, owner: str) -> FileLock:
    """Return the lock that lets one rehearsal at a time touch a cluster, on this machine."""
    digest = hashlib.sha256(f"{inventory.resolve()}\n{cluster}".encode()).hexdigest()[:16]
    return FileLock(home.base() / f"rehearsal-{digest}.lock", owner)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a test of one cluster works with; the ``rehearsal`` fixture."""

    cluster: Cluster
    probes: Probes
    faults: Faults
    recorder: Recorder
    limits: dict[str, float]
    roles: RoleWatch

    def redundancy(self) -> Redundancy | None:
        """Return how long it took until every node was back, waiting for it if nobody has; None: nothing was done."""
        recorder = self.recorder
        began = recorder.first_action
        if began is None:
            return None
        if recorder.redundant_at is None:
            left = max(1.0, self.limits["redundancy"] - (now() - began))
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
        self, inventory: Inventory, store: Path, argv: list[str], *, keep_lab: bool, say: Callable[[str], None]
    ) -> None:
        self.inventory = inventory
        self.store = store
        self._argv = argv
        self._keep_lab = keep_lab
        self._say = say
        self._run: Run | None = None
        self._clusters: dict[str, Cluster] = {}
        self._labs: dict[str, Lab] = {}
        self._made: list[str] = []
        self._locks: list[FileLock] = []
        self._ids: set[str] = set()
        #: The rehearsal that is being conducted, for the fixtures.
        self.current: Rehearsal | None = None

    @property
    def run(self) -> Run:
        """The run; made when first asked for."""
        if self._run is None:
            self._run = start(self.store, self._argv)
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
        described = self.inventory.clusters[identity]
        environment = self.inventory.environments[described.environment]
        lab = self._labs.setdefault(environment.name, lab_of(self.inventory, environment))
        self._hold(identity)
        made = environment.name not in self._made and lab.up(self._say, keep=self._keep_lab)
        journal = self.run.journal
        if made:
            self._made.append(environment.name)
            journal.close_gone(environment.name)
        if left := journal.still_open(identity):
            raise Indeterminate(
                f"The fault '{left[0].fault} {left[0].target}' from run {left[0].run} is still open on {identity}, so "
                f"nothing was started. Make the lab anew: harehearse lab down {environment.name}. By hand: "
                f"{left[0].undo}."
            )
        reached = lab.reach(described.name)
        cluster = self._clusters[identity] = Cluster(reached.cluster, reached.manager)
        report = lab.report()
        self.run.log.write(
            ClusterOpened(
                cluster=identity, kind=cluster.kind, manager=cluster.manager.name, provider=environment.provider,
                nodes=list(cluster.nodes), lab_up_s=report.up_s, notes=list(report.notes),
            )
        )  # fmt: skip
        return cluster

    def _hold(self, identity: str) -> None:
        lock = cluster_lock(self.inventory.path, identity, f"run {self.run.id} (pid {os.getpid()})")
        try:
            self._locks.append(lock.acquire(within=5.0))
        except Held as held:
            raise Indeterminate(
                f"{identity} is being rehearsed by {held.holder}; one rehearsal at a time. Nothing was started."
            ) from held

    def begin(
        self, cluster: Cluster, *, nodeid: str, name: str, title: str, limits: Mapping[str, float], source: str
    ) -> Rehearsal:
        """Begin a rehearsal on a healthy cluster; it lasts until :meth:`end`.

        Raises:
            NotSettled: the cluster was not healthy; nothing was started, and the rehearsal is recorded as unknown.
        """
        run = self.run
        recorder = Recorder(run.log.write, self.identify(name))
        lab = self._labs.get(cluster.id.partition("/")[0])
        roles = RoleWatch(cluster.manager, recorder)
        rehearsal = Rehearsal(cluster, Probes(cluster, run), Faults(cluster, lab, run), recorder, dict(limits), roles)
        run.log.write(
            RehearsalStarted(
                rehearsal=recorder.rehearsal, nodeid=nodeid, title=title, cluster=cluster.id, limits=dict(limits),
                source=source,
            )
        )  # fmt: skip
        cluster.attend(recorder)
        self.current = rehearsal
        try:
            cluster.settle(SETTLE_S)
        except BaseException as error:
            self.end("unknown", str(error) or "stopped by the user")
            raise
        roles.start()
        return rehearsal

    def judge(self) -> None:
        """Judge the current rehearsal by its limits.

        Raises:
            LimitExceeded: a limit was broken.
            NotMeasured: a limit could not be judged.
        """
        rehearsal = self.current
        if rehearsal is None:
            return
        redundancy = rehearsal.redundancy() if "redundancy" in rehearsal.limits else None
        raise_for(judge(rehearsal.limits, rehearsal.probes.measured(), redundancy, rehearsal.probes.dual()))

    def end(self, outcome: str, reason: str | None) -> None:
        """End the current rehearsal and record its outcome: passed, failed, unknown or skipped."""
        rehearsal = self.current
        if rehearsal is None:
            return
        self.current = None
        rehearsal.cluster.attend(None)
        try:
            rehearsal.roles.stop()
        except Exception as error:
            # Without its roles the timeline lies; whoever calls must hear of it.
            outcome, reason = worse(outcome), reason or f"watching the roles failed: {error}"
            raise
        finally:
            self.run.log.write(
                RehearsalFinished(rehearsal=rehearsal.recorder.rehearsal, outcome=outcome, reason=reason)
            )

    def identify(self, name: str) -> str:
        """Return an id for a rehearsal: safe in a file's name and as an anchor, and used once in the run."""
        plain = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-")[:80]
        candidate, number = plain, 2
        while candidate in self._ids:
            candidate, number = f"{plain}-{number}", number + 1
        self._ids.add(candidate)
        return candidate

    def close(self, exit_status: int) -> list[str]:
        """Give everything back; return what went wrong with it."""
        problems = []
        try:
            self.end("unknown", "stopped by the user" if exit_status == INTERRUPTED else "stopped before its end")
        except Exception as error:  # noqa: BLE001 - said at the end; what was made must be removed all the same
            problems.append(f"The rehearsal could not be ended well: {error}")
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
        if self._run is not None:
            self._run.finish(exit_status)
        return problems


def worse(outcome: str) -> str:
    """Return the outcome after something about it turned out not to be known."""
    return "unknown" if outcome == "passed" else outcome
