# SPDX-License-Identifier: MIT
"""Recovery: all that was left is undone, nobody else's is touched, and what could not be asked is never clean."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from pytest_harehearse.cli.recover import lines
from pytest_harehearse.errors import HarehearseError, Indeterminate, LabError, Unreachable
from pytest_harehearse.faults.base import Scene
from pytest_harehearse.faults.dead_man import Place
from pytest_harehearse.inventory.model import Cluster, Node
from pytest_harehearse.managers.state import ClusterState, Member
from pytest_harehearse.rehearsal import leftovers, recovery
from pytest_harehearse.rehearsal.leftovers import Left
from pytest_harehearse.rehearsal.recovery import Finding, Recovery, recover
from pytest_harehearse.safety.journal import Journal
from pytest_harehearse.safety.lease import Lease

PLACE = Place("n1", None)
LEFT = Left(PLACE, "undo", "f1", "net_partition", "n1", "", "delete the table", "ann@runner, pid 7", "r-1")
HELD = Lease("i", "r-9", "lab/web", "bob@ci, pid 4", 1e9, 1e9, expired=False, place="n1")


class Manager:
    """Shows what it is told to show, and keeps what was asked of it."""

    name = "pacemaker"

    def __init__(self):
        self.drained, self.maintained, self.constraints = set(), False, []
        self.did = []
        self.trouble = None

    def state(self, deadline=3.0):
        if self.trouble:
            raise self.trouble
        members = tuple(Member(n, "standby", "drained" if n in self.drained else "") for n in ("n1", "n2"))
        return ClusterState(members, maintenance=self.maintained)

    def roles(self, deadline=1.0):
        return {}

    def drain(self, node, deadline=1.0):
        raise AssertionError

    def undrain(self, node, deadline=1.0):
        self.did.append(f"undrain {node}")
        return ""

    def maintenance(self, on, deadline=1.0):
        self.did.append(f"maintenance {on}")
        return ""

    def leftovers(self, deadline=1.0):
        return tuple(self.constraints)

    def remove_leftovers(self, deadline=1.0):
        self.did.append("remove constraints")
        self.constraints.clear()
        return ""


class Lab:
    """Two hosts whose power can be lost."""

    def __init__(self):
        self.power = {"n1": "on", "n2": "on"}

    def power_state(self, node):
        return self.power[node]

    def power_off(self, node, deadline=1.0):
        raise AssertionError

    def power_on(self, node, deadline=1.0):
        self.power[node] = "on"

    def freeze(self, node, deadline=1.0):
        raise AssertionError

    def thaw(self, node, deadline=1.0):
        if self.power[node] == "frozen":
            self.power[node] = "on"


class World:
    """What lies at the places, and what undoing it comes to."""

    def __init__(self):
        self.left, self.unknown, self.fails, self.lease = [], {}, None, None

    def find(self, places):
        return list(self.left), dict(self.unknown)

    def undo(self, left):
        if self.fails is None:
            self.left.remove(left)
        return self.fails


@pytest.fixture
def world(monkeypatch):
    found = World()
    monkeypatch.setattr(leftovers, "find", found.find)
    monkeypatch.setattr(leftovers, "undo", found.undo)
    monkeypatch.setattr(recovery, "AGAIN_S", 0.0)
    monkeypatch.setattr(recovery.lease, "read", lambda places: (found.lease, {}))
    monkeypatch.setattr(recovery.lease, "take_away", lambda places, lease: setattr(found, "lease", None) or {})
    return found


@pytest.fixture
def manager():
    return Manager()


@pytest.fixture
def scene(manager):
    return Scene(
        Cluster("lab", "web", "lab", "pacemaker", (Node("n1"), Node("n2")), provider="lxd"), manager, lab=Lab()
    )


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path)


def entry(journal):
    return journal.open(run="r-1", cluster="lab/web", fault="net_partition", target="n1", undo="delete the table")


def test_nothing_was_left(world, scene, journal):
    """Said once, and nothing is done."""
    found = recover(scene, journal)
    assert found.outcome == "clean"
    assert lines(found) == ["✓ lab/web (lab) is clean: nothing was left"]
    assert scene.manager.did == []


def test_everything_is_undone_and_the_journal_closed(world, scene, journal):
    """Power first, then what lies at the places, what the manager shows, the dead run's lease, and at last the journal."""
    entry(journal)
    world.left.append(LEFT)
    scene.lab.power["n2"] = "off"
    scene.manager.drained.add("n2")
    scene.manager.maintained = True
    scene.manager.constraints.append("cli-prefer-web")
    found = recover(scene, journal)
    assert found.outcome == "clean"
    assert [finding.what for finding in found.findings] == [
        "n2 is off", "net_partition n1 on n1 by ann@runner, pid 7, run r-1", "constraints that a move left: cli-prefer-web",
        "n2 is drained", "the cluster is in maintenance", "net_partition n1, run r-1, in this store's journal",
    ]  # fmt: skip
    assert scene.manager.did == ["remove constraints", "undrain n2", "maintenance False"]
    assert scene.lab.power["n2"] == "on"
    assert journal.still_open() == []
    assert lines(found)[:3] == [
        "✓ lab/web (lab) is clean; 6 undone", "  ✓ n2 is off", "      by power n2 on; undone and verified",
    ]  # fmt: skip


def test_a_dry_run_touches_nothing(world, scene, journal):
    """It lists the same, and is not clean by that."""
    entry(journal)
    world.left.append(LEFT)
    scene.lab.power["n2"] = "frozen"
    found = recover(scene, journal, dry_run=True)
    assert found.outcome == "unknown"
    assert {finding.detail for finding in found.findings} == {"not touched: dry run"}
    assert len(found.findings) == 3
    assert world.left == [LEFT]
    assert scene.lab.power["n2"] == "frozen"
    assert len(journal.still_open()) == 1


def test_a_run_that_is_alive_is_left_alone(world, scene, journal):
    """Its faults are meant: who, since when and until when is said instead."""
    world.lease = HELD
    world.left.append(LEFT)
    found = recover(scene, journal)
    assert found.outcome == "not clean"
    assert world.left == [LEFT]
    (line,) = lines(found)
    assert line.startswith("✗ lab/web (lab) is being rehearsed on by run r-9 of bob@ci, pid 4, since 2001")
    assert line.endswith("; nothing was touched")


def test_what_fails_is_not_clean_and_keeps_the_journal_open(world, scene, journal):
    """The words of the node are shown, with the way to do it by hand."""
    entry(journal)
    world.left.append(LEFT)
    world.fails = "nft is not there any more"
    found = recover(scene, journal)
    assert found.outcome == "not clean"
    assert "      by hand: delete the table; nft is not there any more" in lines(found)
    assert len(journal.still_open()) == 1
    assert found.findings[-1].detail == "it stays open until everything else is clean"


@pytest.mark.parametrize("how", ["place", "undo", "manager"])
def test_what_cannot_be_asked_is_never_clean(world, scene, journal, how):
    """Neither a node that is silent, nor an undo without an answer, nor a manager that tells nothing."""
    if how == "place":
        world.unknown["n2"] = "no route to host"
    elif how == "undo":
        world.left.append(LEFT)
        world.fails = "not known: the connection was lost"
    else:
        scene.manager.trouble = Unreachable("no node answers")
    found = recover(scene, journal)
    assert found.outcome == "unknown"
    assert lines(found)[0] == "? lab/web (lab) is not known to be clean"


def test_in_production_only_what_is_ours(world, journal):
    """A standby flag or a constraint that nothing of ours speaks for is told, and left alone."""
    manager = Manager()
    manager.drained.add("n2")
    manager.constraints.append("cli-ban-web")
    cluster = Cluster("prod", "web", "production", "pacemaker", (Node("n1"), Node("n2")))
    found = recover(Scene(cluster, manager), journal)
    assert found.outcome == "clean"
    assert manager.did == []
    assert lines(found) == [
        "✓ prod/web (PRODUCTION) is clean: nothing was left",
        "  · left alone, not ours: constraints that a move left: cli-ban-web: nothing here says that a rehearsal made it",
        "  · left alone, not ours: n2 is drained: nothing here says that a rehearsal made it",
    ]


def test_an_error_of_a_manager_is_a_finding(world, scene, journal, monkeypatch):
    """One thing that cannot be undone does not stop the others."""

    def refuse(node, deadline=1.0):
        raise HarehearseError("no quorum")

    monkeypatch.setattr(scene.manager, "undrain", refuse)
    scene.manager.drained.add("n1")
    scene.manager.maintained = True
    found = recover(scene, journal)
    assert found.findings[0] == Finding("n1 is drained", "undrain n1", done=False, detail="no quorum")
    assert scene.manager.did == ["maintenance False"]


def test_the_worst_counts():
    """Somebody at work, then a failure, then what is not known."""
    assert Recovery("c", "lab", [Finding("x", "y", done=True)]).outcome == "clean"
    assert Recovery("c", "lab", [Finding("x", "y")]).outcome == "unknown"
    assert (
        Recovery("c", "lab", [Finding("x", "y"), Finding("x", "y", done=False)], ["n1: silent"]).outcome == "not clean"
    )


def test_a_manager_that_never_answered_is_not_forgotten(world, scene, journal, monkeypatch):
    """A node got its power back and could be asked then: what the manager could not tell is still not known."""
    scene.lab.power["n2"] = "off"
    monkeypatch.setattr(
        leftovers,
        "find",
        lambda places: ([], {"n2": "no route to host"} if scene.lab.power["n2"] == "off" else {}),
    )
    scene.manager.trouble = Unreachable("no node answers")
    entry(journal)
    found = recover(scene, journal)
    assert found.outcome == "unknown"
    assert found.unknown == ["what the manager shows: no node answers"]
    assert len(journal.still_open()) == 1


STALE = replace(HELD, expired=True)
OF_IT = "the lease of run r-9 of bob@ci"


@pytest.mark.parametrize("booted", ["holds it still", "holds nothing"])
def test_a_lease_on_a_node_that_boots_is_taken_away_once_it_answers(world, scene, journal, monkeypatch, booted):
    """A frozen node was fenced when it went on: it is silent for as long as it boots."""
    monkeypatch.setattr(recovery, "AGAIN_S", 30.0)
    entry(journal)
    world.left.append(LEFT)
    world.lease = STALE
    tries = []

    def take_away(places, lease):
        tries.append(lease)
        if len(tries) == 1:
            if booted == "holds nothing":
                world.lease = None
            return {"n1": "no connection within 5.00 s"}
        world.lease = None
        return {}

    monkeypatch.setattr(recovery.lease, "take_away", take_away)
    found = recover(scene, journal)
    assert found.outcome == "clean"
    assert journal.still_open() == []
    [of_it] = [finding for finding in found.findings if finding.what.startswith(OF_IT)]
    assert of_it.done is True
    assert of_it.detail == ("undone and verified" if booted == "holds it still" else "it lies nowhere any more")


def test_a_lease_that_cannot_be_taken_away_to_the_end_is_told(world, scene, journal, monkeypatch):
    monkeypatch.setattr(recovery, "AGAIN_S", 0.1)
    world.left.append(LEFT)
    world.lease = STALE
    monkeypatch.setattr(recovery.lease, "take_away", lambda places, lease: {"n1": "no connection within 5.00 s"})
    found = recover(scene, journal)
    assert found.outcome == "not clean"
    assert [finding.detail for finding in found.findings if finding.what.startswith(OF_IT)] == [
        "n1: no connection within 5.00 s"
    ]


def test_an_undo_whose_end_is_not_known_is_unknown(world, scene, journal, monkeypatch):
    """Sent and not answered is neither undone nor refused."""

    def silent(node, deadline=1.0):
        raise Indeterminate("no answer within 60 s")

    monkeypatch.setattr(scene.manager, "undrain", silent)
    scene.manager.drained.add("n1")
    found = recover(scene, journal)
    assert found.outcome == "unknown"
    assert found.findings == [Finding("n1 is drained", "undrain n1", None, "not known: no answer within 60 s")]


def test_a_lab_that_cannot_tell_of_a_node_does_not_stop_the_rest(world, scene, journal, monkeypatch):
    """What lies at the places is undone all the same, and it is not clean."""

    def power_state(node):
        raise LabError("LXD does not answer")

    monkeypatch.setattr(scene.lab, "power_state", power_state)
    world.left.append(LEFT)
    found = recover(scene, journal)
    assert world.left == []
    assert found.outcome == "unknown"
    assert found.unknown == [f"what the lab shows of {node}: LXD does not answer" for node in ("n1", "n2")]


def test_a_journal_on_a_full_disk_is_told_beside_what_was_undone(world, scene, journal, monkeypatch):
    """What was undone on the nodes is not hidden by it; it is not called clean."""
    entry(journal)
    world.left.append(LEFT)

    def full(entry, how):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal, "close", full)
    found = recover(scene, journal)
    assert found.outcome == "unknown"
    assert [finding.done for finding in found.findings] == [True, None]
    assert found.findings[-1].detail == (
        f"undone, but the journal cannot say so: {journal.path}: No space left on device; make it writable, do it again"
    )
