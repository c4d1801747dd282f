# SPDX-License-Identifier: MIT
"""Drain, maintenance, fence, cleanup and the prediction of a switchover: recorded, undone, and refused where unknown."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_harehearse.errors import (
    DeadlineExceeded,
    HarehearseError,
    Indeterminate,
    Refused,
    Unreachable,
    Unsupported,
)
from pytest_harehearse.faults import drain as drains
from pytest_harehearse.managers.capabilities import Prediction
from pytest_harehearse.managers.state import ClusterState, Member
from pytest_harehearse.rehearsal import cluster as module
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.safety.journal import Journal


class Pacemaker:
    """A manager of two nodes that can do everything, in memory; what it is told is kept."""

    name = "pacemaker"

    def __init__(self):
        self.active = "n1"
        self.drained, self.left_alone = set(), False
        self.told = []
        self.error: Exception | None = None
        self.prediction: object = Prediction({"web": ("n2",)})

    def state(self, deadline=3.0):
        return ClusterState(tuple(self._member(name) for name in ("n1", "n2")), maintenance=self.left_alone)

    def _member(self, name):
        if name == self.active:
            return Member(name, "active", "running", witness_primary=True)
        return Member(name, "standby", ready=name not in self.drained, witness_primary=False)

    def roles(self, deadline=1.0):
        raise AssertionError

    def _tell(self, *what):
        self.told.append(what)
        if self.error is not None:
            raise self.error
        return f"{what[0]} done"

    def drain(self, node, deadline=120.0):
        said = self._tell("drain", node, deadline)
        self.drained.add(node)
        if node == self.active:
            self.active = "n2" if node == "n1" else "n1"
        return said

    def undrain(self, node, deadline=120.0):
        said = self._tell("undrain", node, deadline)
        self.drained.discard(node)
        return said

    def maintenance(self, on, deadline=60.0):
        said = self._tell("maintenance", on, deadline)
        self.left_alone = on
        return said

    def fence(self, node, action="reboot", deadline=120.0):
        return self._tell("fence", node, action, deadline)

    def fencing_history(self, deadline=10.0):
        return ()

    def cleanup(self, resource=None, deadline=60.0):
        return self._tell("cleanup", resource)

    def switchover_limitation(self, state, to):
        return None

    def choose_target(self, state):
        return next(iter(state.standbys), None)

    def describe_switchover(self, leader, to):
        return f"move to {to}"

    def switchover(self, state, to, deadline):
        said = self._tell("switchover", to)
        self.active = to
        return said

    def predict_switchover(self, to, deadline=10.0):
        if isinstance(self.prediction, Exception):
            raise self.prediction
        return self.prediction

    def predict_node_fail(self, node, deadline=10.0):
        raise AssertionError


@pytest.fixture
def manager(monkeypatch):
    monkeypatch.setattr(module, "POLL_S", 0.001)
    monkeypatch.setattr(drains, "POLL_S", 0.001)
    monkeypatch.setattr(drains, "PROOF_S", 0.02)
    return Pacemaker()


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path)


@pytest.fixture
def pacemaker(described, manager, recorder, journal):
    made = Cluster(dataclasses.replace(described, manager="pacemaker", group="web"), manager)
    made.attend(recorder, Striker(made.id, "run-1", journal, recorder))
    return made


class Reader:
    """A manager that only reads."""

    name = "reader"

    def state(self, deadline=3.0):
        raise AssertionError

    roles = state


@pytest.fixture
def reader(described, recorder, journal):
    made = Cluster(described, Reader())
    made.attend(recorder, Striker(made.id, "run-1", journal, recorder))
    return made


def told(events):
    """What was done, to whom, and what came of it; notes by their text."""
    begun = {e.action: e for e in events if type(e).__name__ == "ActionStarted"}
    return [
        (begun[e.action].name, begun[e.action].target, e.outcome, e.detail)
        if type(e).__name__ == "ActionFinished"
        else e.text
        for e in events
        if type(e).__name__ in {"ActionFinished", "Noted"}
    ]


def test_drain_and_undrain(pacemaker, manager, journal, events):
    """By node or by name; in the journal meanwhile."""
    pacemaker.drain(pacemaker.nodes["n1"], within="7s")
    assert pacemaker.active == "n2"
    assert pacemaker.standbys == ()
    (entry,) = journal.still_open("lab/web")
    assert (entry.fault, entry.target, entry.undo) == ("drain", "n1", "let n1 run resources again")
    pacemaker.undrain("n1")
    assert pacemaker.standbys == ("n1",)
    assert journal.still_open() == []
    assert manager.told == [("drain", "n1", 7.0), ("undrain", "n1", 7.0)]
    assert told(events) == [("drain", "n1", "done", "drain done"), ("undrain", "n1", "done", "")]


def test_a_drain_without_an_undrain(pacemaker, manager, journal):
    """Is undone at the end of the test."""
    pacemaker.drain("n2")
    pacemaker.striker.undo_all()
    assert [what[0] for what in manager.told] == ["drain", "undrain"]
    assert journal.still_open() == []


def test_an_undrain_of_what_was_not_drained_here(pacemaker, manager, events):
    """Does nothing: somebody else may have drained it."""
    pacemaker.undrain("n2")
    assert manager.told == []
    assert events == []


@pytest.mark.parametrize("error", [Refused("no"), DeadlineExceeded("web still on n1"), Unreachable("no route")])
def test_a_drain_that_fails(pacemaker, manager, journal, events, error):
    """The manager's word; it may have been done in part, so it is still to be undone."""
    manager.error = error
    with pytest.raises(type(error), match=str(error)):
        pacemaker.drain("n1")
    assert told(events)[0][2] == ("unknown" if isinstance(error, Indeterminate) else "failed")
    assert len(journal.still_open()) == 1


def test_a_drain_whose_effect_is_not_seen(pacemaker, manager, journal):
    """The manager said done, the state does not: unknown."""
    manager.drain = lambda node, deadline: "done"
    with pytest.raises(Indeterminate) as caught:
        pacemaker.drain("n1")
    assert str(caught.value) == ("drain on n1 did not take effect for certain: it is still in use: n1 active running.")
    assert len(journal.still_open()) == 1


def test_maintenance(pacemaker, manager, journal, events):
    """On while the block runs, and off after it, whatever happens in it."""
    seen = []

    def too_long():
        seen.append((manager.left_alone, [entry.undo for entry in journal.still_open()]))
        raise AssertionError("too long")

    with pytest.raises(AssertionError, match="too long"), pacemaker.maintenance(within="7s"):
        too_long()
    assert seen == [(True, ["let the cluster manager manage again"])]
    assert not manager.left_alone
    assert journal.still_open() == []
    assert manager.told == [("maintenance", True, 7.0), ("maintenance", False, 7.0)]
    assert [action[:3] for action in told(events)] == [
        ("maintenance on", "web", "done"), ("maintenance off", "web", "done"),
    ]  # fmt: skip


def test_maintenance_that_could_not_begin_for_certain(pacemaker, manager, journal):
    """Is switched off at once: nobody would restart anything meanwhile."""
    manager.error = Indeterminate("no answer")
    with pytest.raises(Indeterminate), pacemaker.maintenance():
        raise AssertionError
    assert manager.told == [("maintenance", True, 60.0), ("maintenance", False, 60.0)]
    assert len(journal.still_open()) == 1
    manager.error = None
    pacemaker.striker.undo_all()
    assert journal.still_open() == []


def test_a_fence(pacemaker, manager, events):
    """By the cluster itself; nothing is left to undo."""
    pacemaker.fence(pacemaker.nodes["n2"], within="9s")
    assert manager.told == [("fence", "n2", "reboot", 9.0)]
    assert told(events) == [("fence", "n2", "done", "fence done")]
    assert events[0].detail == "the cluster reboots n2 by its own fencing"


@pytest.mark.parametrize(
    ("error", "outcome"), [(Refused("no device"), "failed"), (Indeterminate("no word"), "unknown")]
)
def test_a_fence_that_fails(pacemaker, manager, events, error, outcome):
    """The fencer's word."""
    manager.error = error
    with pytest.raises(type(error), match=str(error)):
        pacemaker.fence("n2")
    assert told(events) == [("fence", "n2", outcome, str(error))]


def test_a_cleanup(pacemaker, manager, events):
    """Of all resources."""
    pacemaker.cleanup()
    assert manager.told == [("cleanup", None)]
    assert told(events) == [("cleanup", "web", "done", "cleanup done")]


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda c: c.drain("n1"), "lab/web cannot do drain, so nothing was touched: its manager cannot drain a node."),
        (
            lambda c: c.maintenance().__enter__(),
            "lab/web cannot do maintenance, so nothing was touched: its manager has no maintenance mode.",
        ),
        (lambda c: c.fence("n1"), "lab/web: reader has no fencing, so nothing was touched."),
        (lambda c: c.cleanup(), "lab/web: reader has no failed actions to forget, so nothing was touched."),
    ],
)
def test_a_manager_that_cannot(reader, journal, events, act, text):
    """Is said before anything is touched."""
    with pytest.raises(Unsupported) as caught:
        act(reader)
    assert str(caught.value) == text
    assert events == []
    assert not journal.path.exists()


@pytest.mark.parametrize("act", ["drain", "undrain", "fence"])
def test_an_unknown_node(pacemaker, manager, events, act):
    """Is named with those there are."""
    with pytest.raises(Unsupported, match=r"^lab/web has no node 'n9'; its nodes are n1, n2\.$"):
        getattr(pacemaker, act)("n9")
    assert (manager.told, events) == ([], [])


def test_a_deadline_without_a_unit(pacemaker, manager):
    """Is an error before anything is done."""
    for act in (lambda: pacemaker.drain("n1", within=5), lambda: pacemaker.fence("n1", within="5")):
        with pytest.raises(ValueError, match="unit"):
            act()
    assert manager.told == []


def test_between_tests_nothing_is_done(pacemaker, manager):
    """There is no rehearsal to undo it."""
    pacemaker.attend(None)
    for act in (
        lambda: pacemaker.drain("n1"), lambda: pacemaker.undrain("n1"), lambda: pacemaker.maintenance().__enter__(),
        lambda: pacemaker.fence("n1"), pacemaker.cleanup,
    ):  # fmt: skip
        with pytest.raises(HarehearseError, match=r"^lab/web was acted on outside a test\."):
            act()
    assert manager.told == []


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (("n2",), "pacemaker predicted that n2 would be active, as it came."),
        (("n1",), "pacemaker predicted that n1 would be active, but n2 is active."),
        (("n1", "n2"), "pacemaker predicted that n1, n2 would be active, but n2 is active."),
        ((), "pacemaker predicted that no node would be active, but n2 is active."),
    ],
)
def test_what_was_predicted_beside_what_came(pacemaker, manager, events, where, text):
    """The cluster's own scheduler was asked beforehand; the report tells both."""
    manager.prediction = Prediction({"web": where, "other": ("n1",)})
    assert pacemaker.switchover() == "n2"
    assert told(events) == [("switchover", "n1 → n2", "done", "switchover done"), text]


@pytest.mark.parametrize(
    "error", [Indeterminate("it broke off"), Unsupported("it broke off"), Unreachable("it broke off")]
)
def test_a_prediction_that_could_not_be_made(pacemaker, manager, events, error):
    """Is noted, and no reason against the switchover."""
    manager.prediction = error
    assert pacemaker.switchover() == "n2"
    assert told(events) == [
        "What the manager expects of the switchover is not known: it broke off",
        ("switchover", "n1 → n2", "done", "switchover done"),
    ]


def test_no_prediction_where_none_can_be_told(described, manager, recorder, events):
    """Without a group it is not known of what; without the capability there is nobody to ask."""
    manager.prediction = AssertionError("asked")
    cluster = Cluster(described, manager)
    cluster.attend(recorder)
    assert cluster.switchover() == "n2"
    assert [type(event).__name__ for event in events] == ["ActionStarted", "ActionFinished"]


def test_whether_anything_is_written_to(described, manager):
    """By the inventory alone."""
    assert not Cluster(described, manager).writes
    writing = dataclasses.replace(described.services[0], mode="write")
    assert Cluster(dataclasses.replace(described, services=(writing,)), manager).writes
