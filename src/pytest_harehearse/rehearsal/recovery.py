# SPDX-License-Identifier: MIT
"""Heal a cluster from whatever killed rehearsals left: found on its nodes, in its lab and in this store's journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from pytest_harehearse.errors import HarehearseError, Indeterminate
from pytest_harehearse.faults.base import Scene
from pytest_harehearse.labs.base import HangControl, Part, PowerControl, StackControl
from pytest_harehearse.managers.base import Manager
from pytest_harehearse.managers.capabilities import Drain, Leftovers, Maintenance
from pytest_harehearse.managers.state import ClusterState
from pytest_harehearse.rehearsal import leftovers
from pytest_harehearse.rehearsal.scene import lease_places, places
from pytest_harehearse.safety import lease
from pytest_harehearse.safety.journal import Entry, Journal

CLEAN: Final = "clean"
NOT_CLEAN: Final = "not clean"
UNKNOWN: Final = "unknown"
#: How long a node that got its power back, or a manager of which something was healed, is given to answer.
AGAIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found; ``done``: True undone, False it could not be, None not known or not tried."""

    what: str
    undo: str
    done: bool | None = None
    detail: str = ""


@dataclass
class Recovery:
    """What became of one cluster."""

    cluster: str
    kind: str
    findings: list[Finding] = field(default_factory=list)
    #: What could not be asked, and why.
    unknown: list[str] = field(default_factory=list)
    #: Who is at work there now; nothing was touched then.
    held: str | None = None
    #: What is there and was not made by us; left alone.
    others: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """clean, not clean or unknown; worst wins, and what could not be asked is never clean."""
        if self.held is not None or any(finding.done is False for finding in self.findings):
            return NOT_CLEAN
        if self.unknown or any(finding.done is None for finding in self.findings):
            return UNKNOWN
        return CLEAN


@dataclass(frozen=True, slots=True)
class _Work:
    """Something to undo: why it failed or is not known is what it returns."""

    what: str
    undo: str
    act: Callable[[], str | None]


def recover(scene: Scene, journal: Journal, *, dry_run: bool = False) -> Recovery:
    """Find everything that was left on a cluster, undo it, prove it.

    Args:
        scene: the cluster, reached.
        journal: of this store; what it says is open is closed once it is undone.
        dry_run: only find.
    """
    found = Recovery(scene.cluster.id, scene.cluster.kind)
    leased, silent = lease.read(lease_places(scene))
    if leased is not None and not leased.expired and not leased.owner_died:
        found.held = leased.describe()
        return found
    left, unknown = leftovers.find(places(scene))
    found.unknown += [f"{name}: {why}" for name, why in {**silent, **unknown}.items()]
    # What takes a node away goes first: then the others can be reached. The lease goes last.
    work = [*_in_the_lab(scene, found), *map(_at_its_place, left), *_of_the_manager(scene, found, left)]
    work += _of_the_lease(scene, leased)
    if dry_run:
        untouched = "not touched: dry run"
        found.findings = [Finding(one.what, one.undo, None, untouched) for one in work]
        found.findings += [
            Finding(_entry(entry), entry.undo, None, untouched) for entry in journal.still_open(scene.cluster.id)
        ]
        return found
    found.findings = [_do(one) for one in work]
    its_lease = None if leased is None else _told(leased)
    if (found.unknown or _stays(found, its_lease)) and any(finding.done for finding in found.findings):
        _look_again(scene, found, its_lease)
    _close(scene, journal, found)
    return found


def _look_again(scene: Scene, found: Recovery, its_lease: str | None) -> None:
    """Ask anew what could not be asked before, as a node that had no power; what is silent to the end stays unknown.

    Args:
        scene: the cluster, reached.
        found: what is known so far.
        its_lease: the finding of the lease that could not be taken away everywhere; None: there was none.
    """
    until = time.monotonic() + AGAIN_S
    while True:
        found.unknown, found.others = [], []
        leased, silent = lease.read(lease_places(scene))
        left, unknown = leftovers.find(places(scene))
        found.unknown += [f"{name}: {why}" for name, why in {**silent, **unknown}.items()]
        if leased is not None and not leased.expired and not leased.owner_died:
            found.held = leased.describe()
            return
        work = [*_in_the_lab(scene, found), *map(_at_its_place, left), *_of_the_manager(scene, found, left)]
        work += _of_the_lease(scene, leased)
        # One that failed before and is tried again is told once, as it is now.
        told = {finding.what: finding for finding in (*found.findings, *map(_do, work))}
        found.findings = list(told.values())
        if leased is None and not silent:
            # A node that was booted meanwhile has it no more.
            found.findings = [
                replace(one, done=True, detail="it lies nowhere any more")
                if one.what == its_lease and not one.done
                else one
                for one in found.findings
            ]
        if (not found.unknown and not _stays(found, its_lease)) or time.monotonic() >= until:
            return
        time.sleep(0.5)


def _of_the_lease(scene: Scene, leased: lease.Lease | None) -> list[_Work]:
    return [] if leased is None else [_Work(_told(leased), "take it away", partial(_take_away, scene, leased))]


def _told(leased: lease.Lease) -> str:
    return f"the lease of {leased.describe()}"


def _stays(found: Recovery, its_lease: str | None) -> bool:
    return any(one.what == its_lease and not one.done for one in found.findings)


def _at_its_place(left: leftovers.Left) -> _Work:
    return _Work(left.describe(), left.undo, partial(leftovers.undo, left))


def _entry(entry: Entry) -> str:
    return f"{entry.fault} {entry.target}, run {entry.run}, in this store's journal"


def _do(work: _Work) -> Finding:
    try:
        why = work.act()
    except Indeterminate as error:
        why = f"not known: {error}"
    except HarehearseError as error:
        why = str(error)
    if why is None:
        return Finding(work.what, work.undo, done=True, detail="undone and verified")
    return Finding(work.what, work.undo, done=None if why.startswith("not known") else False, detail=why)


def _take_away(scene: Scene, found: lease.Lease) -> str | None:
    trouble = lease.take_away(lease_places(scene), found)
    return "; ".join(f"{name}: {why}" for name, why in trouble.items()) or None


def _in_the_lab(scene: Scene, found: Recovery) -> list[_Work]:
    """Return what a lab, which is ours as a whole, shows to be wrong with its nodes."""
    work: list[_Work] = []
    for node in scene.nodes:
        try:
            work += _of_node(scene.lab, scene.cluster.name, node)
        except HarehearseError as error:
            found.unknown.append(f"what the lab shows of {node}: {error}")
    return work


def _of_node(lab: object, cluster: str, node: str) -> list[_Work]:
    found: list[_Work] = []
    if isinstance(lab, PowerControl) and (state := lab.power_state(node)) in {"off", "frozen"}:
        found.append(_Work(f"{node} is {state}", f"power {node} on", partial(_power, lab, node)))
    if isinstance(lab, HangControl):
        parts: tuple[Part, ...] = ("node", "dcs", "dcs-majority")
        stopped = {part: pids for part in parts if (pids := lab.hung(cluster, node, part))}
        found += [
            _Work(
                f"processes of {node} are stopped: {', '.join(map(str, pids))}", "let them go on (SIGCONT)",
                partial(_go_on, lab, cluster, node, part),
            )
            for part, pids in stopped.items()
        ]  # fmt: skip
    if isinstance(lab, StackControl) and not lab.stack_processes(cluster, node):
        found.append(_Work(f"nothing runs on {node}", f"start {node} again", partial(_start, lab, cluster, node)))
    return found


def _power(lab: PowerControl, node: str) -> str | None:
    lab.thaw(node)
    lab.power_on(node)
    state = lab.power_state(node)
    return None if state == "on" else f"{node} is {state}"


def _go_on(lab: HangControl, cluster: str, node: str, part: Part) -> str | None:
    lab.go_on(cluster, node, part)
    pids = lab.hung(cluster, node, part)
    return f"still stopped: {pids}" if pids else None


def _start(lab: StackControl, cluster: str, node: str) -> str | None:
    lab.start_stack(cluster, node)
    return None if lab.stack_processes(cluster, node) else f"nothing runs on {node} even now"


def _of_the_manager(scene: Scene, found: Recovery, left: list[leftovers.Left]) -> list[_Work]:
    """Return what the manager shows: in a lab it is ours; elsewhere it may be somebody's, and is only told."""
    manager, ours = scene.manager, scene.cluster.kind == "lab"
    work: list[_Work] = []
    try:
        if isinstance(manager, Leftovers) and (names := ", ".join(manager.leftovers())):
            work.append(_Work(f"constraints that a move left: {names}", "remove them", partial(_remove, manager)))
        if isinstance(manager, Manager):
            work += _kept_out(manager, manager.state(), {(one.fault, one.target) for one in left})
    except HarehearseError as error:
        found.unknown.append(f"what the manager shows: {error}")
    if ours:
        return work
    found.others += [f"{one.what}: nothing here says that a rehearsal made it" for one in work]
    return []


def _kept_out(manager: Manager, state: ClusterState, known: set[tuple[str, str]]) -> list[_Work]:
    """Return the nodes in standby mode, and the maintenance, of which no undo lies anywhere."""
    work = [
        _Work(f"{member.name} is drained", f"undrain {member.name}", partial(_undrain, manager, member.name))
        for member in state.members
        if member.state == "drained" and ("drain", member.name) not in known and isinstance(manager, Drain)
    ]
    if state.maintenance and not any(fault == "maintenance" for fault, _ in known) and isinstance(manager, Maintenance):
        work.append(_Work("the cluster is in maintenance", "end it", partial(_end_maintenance, manager)))
    return work


def _undrain(manager: Drain, node: str) -> str | None:
    manager.undrain(node)
    return None


def _end_maintenance(manager: Maintenance) -> str | None:
    manager.maintenance(on=False)
    return None


def _remove(manager: Leftovers) -> str | None:
    manager.remove_leftovers()
    names = manager.leftovers()
    return f"still there: {', '.join(names)}" if names else None


def _close(scene: Scene, journal: Journal, found: Recovery) -> None:
    """Close what the journal has open, once nothing of it can be left anywhere."""
    for entry in journal.still_open(scene.cluster.id):
        if found.outcome != CLEAN:
            found.findings.append(
                Finding(_entry(entry), entry.undo, None, "it stays open until everything else is clean")
            )
            continue
        try:
            journal.close(entry, "recovered: nothing of it is left at any place")
        except OSError as error:
            why = f"undone, but the journal cannot say so: {journal.path}: {error.strerror}; make it writable, do it again"
            found.findings.append(Finding(_entry(entry), entry.undo, None, why))
            continue
        found.findings.append(
            Finding(_entry(entry), entry.undo, done=True, detail="closed: nothing of it is left at any place")
        )
