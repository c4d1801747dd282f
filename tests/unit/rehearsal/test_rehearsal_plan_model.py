# SPDX-License-Identifier: MIT
"""The model a plan runs against does what it should, and tells it."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import Refused
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.inventory.model import Node
from pytest_harehearse.rehearsal.plan import Plan, PlannedCluster, PlannedFaults, PlannedProbes


@pytest.fixture
def plan(described):
    return Plan(PlannedCluster(described), {"interruption": 5.0, "lost_writes": 0.0})


def test_the_limits_come_first(plan):
    """As the mark says them."""
    assert plan.lines == ["limit      interruption ≤ 5.00 s", "limit      lost writes ≤ 0"]


def test_a_switchover_there_and_back(plan):
    """The model moves, and each way back is named."""
    cluster = plan.cluster
    assert cluster.switchover() == "n2"
    assert cluster.active == "n2"
    assert cluster.switchover(to="n1") == "n1"
    text = "\n".join(plan.lines)
    assert "action     switchover n1 → n2: patroni: move the service from n1 to n2" in text
    assert "undo     none needed; the way back is a switchover n2 → n1" in text


def test_a_way_of_switching_over(described):
    """Its name stands in the plan; one that the manager does not have is refused, as it would be for real."""
    plan = Plan(PlannedCluster(dataclasses.replace(described, manager="sentinel")), {})
    plan.cluster.switchover(how="classic")
    assert "action     switchover n1 → n2: sentinel: move the service from n1 to n2 (classic)" in plan.lines
    with pytest.raises(Refused, match="sentinel has no switchover 'quick', so nothing was touched; valid are coord"):
        plan.cluster.switchover(how="quick")


def test_waits_are_told_not_waited(plan):
    """The condition is not asked, but must be there."""
    plan.cluster.until("never true", bool, within="1h")
    plan.cluster.until_redundant(within="2min")
    assert plan.lines[-2:] == [
        "wait       never true, within 1 h 00 min",
        "wait       every node is back and in sync, within 2 min 00 s",
    ]
    with pytest.raises(TypeError, match="needs a condition"):
        plan.cluster.until("x")


def test_a_fault_takes_the_node_out_and_back(plan):
    """Another node is active meanwhile."""
    with PlannedFaults(plan).stack_kill("n1"):
        assert plan.cluster.active == "n2"
        assert plan.cluster.standbys == ()
    assert plan.cluster.standbys == ("n1",)
    assert plan.lines[-1] == "undo       stack_kill n1: start the cluster manager of n1 again"
    with pytest.raises(Refused, match="lab/web has no node 'n9'"), PlannedFaults(plan).stack_kill("n9"):
        pass


def test_a_watch_measures_nothing(plan):
    """Its values fit every assertion, and say that they are none."""
    with PlannedProbes(plan).watch("page") as seen:
        pass
    assert plan.lines[-2].startswith("watch      page (tcp read every ")
    assert "api" not in plan.lines[-2]
    assert seen.interruption <= "1ms"
    assert not seen.interruption.valid
    assert "planned only" in seen.interruption.reason


def test_a_note_is_told(plan):
    """As written."""
    plan.note("mind the gap")
    assert plan.lines[-1] == "note       mind the gap"


def test_each_plan_begins_anew(described):
    """The cluster lives as long as the session, its model only as long as a rehearsal."""
    cluster = PlannedCluster(described)
    first = Plan(cluster, {})
    cluster.switchover()
    second = Plan(cluster, {})
    assert cluster.active == "n1"
    cluster.switchover()
    assert first.lines == second.lines


@given(st.lists(st.sampled_from(["switchover", "kill"]), max_size=10), st.integers(2, 5))
def test_the_model_always_has_an_active_node(steps, nodes):
    """Whatever is done to it, as long as one is left."""
    names = [f"n{number}" for number in range(nodes)]
    cluster = PlannedCluster(Described("lab", "web", "lab", "patroni", tuple(Node(name) for name in names)))
    plan = Plan(cluster, {})
    for step in steps:
        before = cluster.active
        if step == "switchover":
            assert cluster.switchover() == cluster.active != before
        else:
            with PlannedFaults(plan).stack_kill(before):
                assert cluster.active not in {None, before}
        assert cluster.active in names
        assert cluster.state().redundancy_limitation() is None
