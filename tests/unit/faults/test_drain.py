# SPDX-License-Identifier: MIT
"""Standby and maintenance prove their effect and their undo by the cluster's state, within a deadline."""

from __future__ import annotations

import pytest

from pytest_harehearse.errors import DeadlineExceeded, HarehearseError, Refused
from pytest_harehearse.faults import drain as module
from pytest_harehearse.faults.dead_man import LASTING, about
from pytest_harehearse.faults.drain import Drained, InMaintenance
from pytest_harehearse.managers.base import Manager
from pytest_harehearse.managers.state import ClusterState, Member
from pytest_harehearse.remote.base import Done, Script, Unreachable

ACTIVE = Member("n1", "active", "running", witness_primary=True)
READY = Member("n2", "standby", ready=True, witness_primary=False)
OUT = Member("n1", "standby", "drained", ready=False, witness_primary=False, problem="it is in standby mode")
SILENT = Member("n1", "unreachable", problem="nobody answers")


def state(first, second=READY, **more):
    return ClusterState((first, second), **more)


NORMAL = state(ACTIVE, maintenance=False)
DRAINED = state(OUT, Member("n2", "active", "running", witness_primary=True), maintenance=False)
BACK = state(Member("n1", "standby", ready=True, witness_primary=False), DRAINED.members[1], maintenance=False)


class Drains:
    """A manager whose states come from ``script``, the last for ever; what it is told changes the script."""

    name = "pacemaker"

    def __init__(self, *script):
        self.script = list(script) or [NORMAL]
        self.told, self.error = [], None

    def state(self, deadline=3.0):
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def roles(self, deadline=1.0):
        raise AssertionError

    def _tell(self, what, *after):
        self.told.append(what)
        if self.error is not None:
            raise self.error
        self.script = list(after)
        return f"{what} done"

    def drain(self, node, deadline=120.0):
        return self._tell(f"drain {node} within {deadline:g}", DRAINED)

    def undrain(self, node, deadline=120.0):
        return self._tell(f"undrain {node} within {deadline:g}", BACK)

    def maintenance(self, on, deadline=60.0):
        return self._tell(f"maintenance {on} within {deadline:g}", state(ACTIVE, maintenance=on))


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(module, "PROOF_S", 0.02)
    monkeypatch.setattr(module, "POLL_S", 0.002)


def test_drain_and_undrain():
    """The whole life; each step is told once, with its deadline."""
    manager = Drains()
    assert isinstance(manager, Manager)
    fault = Drained(manager, "n1", 7.0)
    assert fault.limitation() is None
    assert fault.strike() == "drain n1 within 7 done"
    assert fault.effect() is None
    fault.undo()
    assert fault.undone() is None
    assert manager.told == ["drain n1 within 7", "undrain n1 within 7"]


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (NORMAL, "it is still in use: n1 active running"),
        (BACK, "it is still in use: n1 standby"),
        (
            state(Member("n1", "active", "in part", problem="web runs there in part")),
            "it is still in use: n1 active in part (not confirmed by itself) (web runs there in part)",
        ),
        (
            state(Member("n1", "replica", "running", 1, 0, streaming=True)),
            "it is still in use: n1 replica running timeline 1 lag 0 B",
        ),
        (state(SILENT), "its state is not known: n1 unreachable (nobody answers)"),
        (ClusterState((READY,)), "its manager does not tell the state of n1"),
    ],
)
def test_a_drain_whose_effect_is_not_proved(seen, text):
    """What is in use is not drained, and silence proves nothing; the wait ends."""
    assert Drained(Drains(seen), "n1").effect() == text


def test_a_drain_that_is_seen_a_moment_later(monkeypatch):
    """The manager has seen it; the nodes' own views may lag."""
    monkeypatch.setattr(module, "PROOF_S", 30.0)
    assert Drained(Drains(NORMAL, state(SILENT), DRAINED), "n1").effect() is None


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (DRAINED, "it is still kept out: n1 standby drained (it is in standby mode)"),
        (
            state(Member("n1", "offline", problem="its Pacemaker is stopped")),
            "it is still kept out: n1 offline (its Pacemaker is stopped)",
        ),
        (state(SILENT), "its state is not known: n1 unreachable (nobody answers)"),
        (ClusterState((READY,)), "its manager does not tell the state of n1"),
        (
            state(Member("n1", "active", "in part")),
            "it is still kept out: n1 active in part (not confirmed by itself)",
        ),
    ],
)
def test_a_drain_that_is_not_undone(seen, text):
    """Says what was seen last, once its deadline passed."""
    assert Drained(Drains(seen), "n1", deadline=0.02).undone() == text


@pytest.mark.parametrize("seen", [BACK, NORMAL])
def test_an_undrain_is_waited_for(seen):
    """Its resources may be starting; standby or active again, it is undone."""
    manager = Drains(DRAINED, state(SILENT), ClusterState((READY,)), seen)
    assert Drained(manager, "n1", deadline=30.0).undone() is None


@pytest.mark.parametrize("error", [Refused("no"), DeadlineExceeded("web still on n1")])
def test_a_drain_that_fails(error):
    """The manager's error goes on; nothing is claimed."""
    manager = Drains()
    manager.error = error
    fault = Drained(manager, "n1")
    with pytest.raises(type(error), match=str(error)):
        fault.strike()
    assert fault.effect() is not None
    with pytest.raises(type(error), match=str(error)):
        fault.undo()


class Reader:
    """A manager that only reads."""

    name = "reader"

    def state(self, deadline=3.0):
        return NORMAL

    def roles(self, deadline=1.0):
        return {}


class Teller:
    """Something that drains, and cannot be asked whether it did."""

    def drain(self, node, deadline=120.0):
        return "done"

    undrain = drain

    def maintenance(self, on, deadline=60.0):
        return "done"


def test_a_manager_that_cannot():
    """Is named before anything is touched; a strike there is a mistake of the caller."""
    for fault, text in (
        (Drained(Reader(), "n1"), "its manager cannot drain a node"),
        (InMaintenance(Reader(), "web"), "its manager has no maintenance mode"),
    ):
        assert fault.limitation() == text
        for act in (fault.strike, fault.undo):
            with pytest.raises(TypeError, match=text):
                act()


def test_a_manager_that_does_not_tell():
    """Its word alone is no proof, and nothing is waited for."""
    for fault in (Drained(Teller(), "n1", 600.0), InMaintenance(Teller(), "web", 600.0)):
        assert fault.limitation() is None
        assert fault.strike() == "done"
        assert fault.effect() == "its manager does not tell its state"
        assert fault.undone() == "its manager does not tell its state"


def test_maintenance():
    """The whole life."""
    manager = Drains()
    fault = InMaintenance(manager, "web", 7.0)
    assert fault.limitation() is None
    assert fault.effect() == "maintenance is off"
    assert fault.strike() == "maintenance True within 7 done"
    assert fault.effect() is None
    fault.undo()
    assert fault.undone() is None
    assert manager.told == ["maintenance True within 7", "maintenance False within 7"]


@pytest.mark.parametrize(
    ("seen", "effect", "undone"),
    [
        (state(ACTIVE, maintenance=True), None, "maintenance is on"),
        (state(ACTIVE, maintenance=False), "maintenance is off", None),
        (
            state(SILENT, Member("n2", "unreachable")),
            "whether it is in maintenance is not told: n1 unreachable (nobody answers); n2 unreachable",
            "whether it is in maintenance is not told: n1 unreachable (nobody answers); n2 unreachable",
        ),
    ],
)
def test_what_the_state_says_of_maintenance(seen, effect, undone):
    """On, off, or not told: then neither the strike nor the undo is proved."""
    fault = InMaintenance(Drains(seen), "web", deadline=0.02)
    assert (fault.effect(), fault.undone()) == (effect, undone)


def test_maintenance_that_is_refused():
    """The manager's error goes on."""
    manager = Drains()
    manager.error = Refused("no quorum")
    fault = InMaintenance(manager, "web")
    with pytest.raises(Refused, match="no quorum"):
        fault.strike()
    assert fault.effect() == "maintenance is off"


def test_their_words():
    """What a person would do by hand."""
    drained, held = Drained(None, "n1"), InMaintenance(None, "web")
    assert (drained.name, drained.target, drained.strike_text, drained.undo_text) == (
        "drain", "n1", "take every resource off n1 and keep them off", "let n1 run resources again",
    )  # fmt: skip
    assert (held.name, held.target, held.strike_text, held.undo_text) == (
        "maintenance", "web", "let the cluster manager start, stop and watch nothing",
        "let the cluster manager manage again",
    )  # fmt: skip


# -- what somebody else did --------------------------------------------------------------------------------------------


def test_a_node_that_is_drained_already():
    """The undo would let in again what somebody keeps out, so nothing is touched; another node's does not matter."""
    manager = Drains(DRAINED)
    assert Drained(manager, "n1").limitation() == (
        "n1 is drained already, and not by this rehearsal, whose undo would let it in again"
    )
    assert Drained(manager, "n2").limitation() is None
    assert manager.told == []


def test_a_cluster_that_is_in_maintenance_already():
    """The undo would end what somebody is at."""
    manager = Drains(state(ACTIVE, maintenance=True))
    assert InMaintenance(manager, "web").limitation() == (
        "web is in maintenance already, and not by this rehearsal, whose undo would end it"
    )
    assert manager.told == []


def test_a_maintenance_that_is_not_told():
    """It may be somebody's, so nothing is touched; a state that is not told for a moment is asked again."""
    manager = Drains(state(ACTIVE))
    assert InMaintenance(manager, "web").limitation() == (
        "whether it is in maintenance is not told: n1 active running; n2 standby; the undo might end what somebody else is at"
    )
    assert manager.told == []
    assert InMaintenance(Drains(state(ACTIVE), NORMAL), "web").limitation() is None
    assert "already" in InMaintenance(Drains(state(ACTIVE), state(ACTIVE, maintenance=True)), "web").limitation()


# -- the timer ---------------------------------------------------------------------------------------------------------


class Undoes(Drains):
    """A manager that can be undone by scripts on its nodes."""

    def drain_undo(self, node):
        return Script("undrain $1", (node,)), Script("look $1", (node,))

    def maintenance_undo(self):
        return Script("end it"), Script("look")


class Channel:
    """A node that does what it is told, or is silent."""

    def __init__(self, node, silent=False):
        self.node, self.silent, self.ran = node, silent, []

    def run(self, command, *, deadline, root=True, stdin=None):
        self.ran.append((command, root))
        return Unreachable("no route to host", 0.0) if self.silent else Done(0, b"", b"", 0.0)


ABOUT = about(run="r", cluster="lab/web", fault="drain", target="n1", strike="", undo="")


def channels(*silent):
    return {node: Channel(node, node in silent) for node in ("n1", "n2")}


@pytest.mark.parametrize(
    ("kind", "target", "undo", "undone"),
    [
        (Drained, "n1", "set -- n1\nundrain $1", "set -- n1\nlook $1"),
        (InMaintenance, "web", "set -- \nend it", "set -- \nlook"),
    ],
)
def test_its_undo_lies_on_every_node(kind, target, undo, undone):
    """As root, where it survives a reboot: any of them can do it, and the drained one is rebooted when it is patched."""
    nodes = channels()
    fault = kind(Undoes(), target, channels=nodes, dead_man=33.0)
    assert fault.dead_man == 33.0
    assert [node.ran for node in nodes.values()] == [[], []]
    fault.arm(ABOUT)
    fault.disarm()
    for node in nodes.values():
        (armed, as_root), (disarmed, _) = node.ran
        assert (armed.arguments[0], *armed.arguments[2:5]) == (LASTING, "33", undo, undone)
        assert as_root
        assert disarmed.arguments == armed.arguments[:2]


def test_one_node_is_enough_for_its_undo():
    """A node that does not answer is no obstacle, and one that was made anew did not end it early."""
    nodes = channels("n1")
    fault = Drained(Undoes(), "n1", channels=nodes)
    fault.arm(ABOUT)
    fault.disarm()
    assert fault.ended_early is None


def test_without_any_node_it_is_not_drained():
    """Nothing is done that only we could undo."""
    fault = Drained(Undoes(), "n1", channels=channels("n1", "n2"))
    with pytest.raises(
        HarehearseError, match=r"^drain was not struck, for its timer is not armed: n1: no route to host"
    ):
        fault.arm(ABOUT)


def test_where_nothing_could_run_it_there_is_no_timer():
    """A plan has no channels, and some managers have no words for it on a node."""
    assert Drained(Undoes(), "n1").dead_man is None
    assert Drained(Drains(), "n1", channels=channels()).dead_man is None
    assert InMaintenance(Drains(), "web", channels=channels()).dead_man is None
