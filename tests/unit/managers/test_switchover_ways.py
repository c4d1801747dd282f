# SPDX-License-Identifier: MIT

"""A switchover in one of several ways, and one whose target the manager chooses by itself."""

from __future__ import annotations

import pytest

from pytest_harehearse.errors import DeadlineExceeded, Refused
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.inventory.model import Node
from pytest_harehearse.managers.state import PRIMARY, REPLICA, ClusterState, Member
from pytest_harehearse.rehearsal import cluster as module
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.recorder import Recorder

NAMES = ("c1", "c2", "c3")


def healthy(*actives):
    return ClusterState(
        tuple(
            Member(name, PRIMARY, "running", witness_primary=True)
            if name in actives
            else Member(name, REPLICA, "running", lag=0, streaming=True, witness_primary=False)
            for name in NAMES
        )
    )


class Plain:
    """A manager with one way and a target of one's own; goes through ``script`` once it was asked."""

    name = "sentinel"

    def __init__(self, *script):
        self.script = [healthy("c1"), *script]
        self.asked = []

    def state(self, deadline=3.0):
        return self.script.pop(0) if self.asked and len(self.script) > 1 else self.script[0]

    def roles(self, deadline=1.0):
        return {}

    def switchover_limitation(self, state, to):
        return None

    def choose_target(self, state):
        return "c2"

    def describe_switchover(self, leader, to):
        return f"{leader} to {to}"

    def switchover(self, state, to, deadline):
        self.asked.append((getattr(self, "way", None), to))
        return "OK"


class Ways(Plain):
    """Two ways, and its own choice of two."""

    switchover_ways = ("coordinated", "classic")
    way = "coordinated"

    def by(self, way):
        self.way = way
        return self

    def candidates(self, state):
        return ("c2", "c3")


@pytest.fixture
def rehearsed(monkeypatch):
    """Make a cluster of a manager, and the events that come of it."""
    monkeypatch.setattr(module, "POLL_S", 0.001)

    def make(manager):
        events = []
        made = Cluster(Described("lab", "carts", "lab", "sentinel", tuple(Node(name) for name in NAMES)), manager)
        made.attend(Recorder(events.append, "r"))
        return made, events

    return make


def test_the_first_way_is_the_default(rehearsed):
    """And any other can be named."""
    cluster, _ = rehearsed(Ways(healthy("c2")))
    assert cluster.switchover(within="2s") == "c2"
    assert cluster.manager.asked == [("coordinated", "c2")]
    cluster, _ = rehearsed(Ways(healthy("c2")))
    assert cluster.switchover(how="classic", within="2s") == "c2"
    assert cluster.manager.asked == [("classic", "c2")]


@pytest.mark.parametrize(
    ("manager", "valid"),
    [(Ways, "valid are coordinated, classic"), (Plain, "it has one way only, without a name")],
)
def test_an_unknown_way_is_refused(rehearsed, manager, valid):
    """Before anything is touched; the valid ones are named."""
    cluster, events = rehearsed(manager(healthy("c2")))
    with pytest.raises(Refused) as caught:
        cluster.switchover(how="sideways")
    assert str(caught.value) == f"lab/carts: sentinel has no switchover 'sideways', so nothing was touched; {valid}."
    assert (events, cluster.manager.asked) == ([], [])


def test_where_the_manager_chooses_each_of_its_choices_is_right(rehearsed):
    """It went to the other of two equals; that one is returned, and both were announced."""
    cluster, events = rehearsed(Ways(healthy("c3")))
    assert cluster.switchover(within="2s") == "c3"
    assert (events[0].target, events[0].detail) == ("c1 → c2 or c3", "c1 to c2 or c3")


def test_a_named_target_is_the_only_right_one(rehearsed):
    """Another node that became active instead is a failure, also where the manager takes the target itself."""
    cluster, _ = rehearsed(Ways(healthy("c3")))
    with pytest.raises(DeadlineExceeded, match="but c2 was not seen active within 50 ms; seen last: c1 replica"):
        cluster.switchover(to="c2", within="50ms")
    cluster, _ = rehearsed(Plain(healthy("c3")))
    with pytest.raises(DeadlineExceeded, match="but c2 was not seen active"):
        cluster.switchover(within="50ms")


def test_two_primaries_are_not_the_end(rehearsed):
    """It waits until the target is the only one."""
    two = healthy("c1", "c2")
    manager = Ways(two, two, two, healthy("c2"))
    cluster, _ = rehearsed(manager)
    assert cluster.switchover(how="classic", within="5s") == "c2"
    assert len(manager.script) == 1
    cluster, _ = rehearsed(Ways(two))
    with pytest.raises(DeadlineExceeded, match="but c2 or c3 was not seen active within 50 ms; seen last: c1 primary"):
        cluster.switchover(how="classic", within="50ms")
