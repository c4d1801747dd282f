# SPDX-License-Identifier: MIT
"""The model a plan runs against does what it should, and tells it."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import Refused, Unsupported
from pytest_harehearse.faults.power import NodePowerOff
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.inventory.model import Node
from pytest_harehearse.rehearsal.faults import Faults
from pytest_harehearse.rehearsal.plan import Plan, PlannedCluster, PlannedProbes
from pytest_harehearse.rehearsal.scene import scene_of


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
    with Faults(scene_of(plan.cluster, None, planned=True), plan.striker).stack_kill("n1"):
        assert plan.cluster.active == "n2"
        assert plan.cluster.standbys == ()
    assert plan.cluster.standbys == ("n1",)
    assert plan.lines[-1] == "undo       stack_kill n1: start the cluster manager of n1 again"
    with (
        pytest.raises(Unsupported, match="lab/web has no node 'n9'"),
        Faults(scene_of(plan.cluster, None, planned=True), plan.striker).stack_kill("n9"),
    ):
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


@pytest.fixture
def pacemaker(described):
    """The plan of a rehearsal on three nodes under Pacemaker."""
    nodes = tuple(Node(name) for name in ("n1", "n2", "n3"))
    return Plan(PlannedCluster(dataclasses.replace(described, manager="pacemaker", nodes=nodes)), {})


def test_a_drain(pacemaker):
    """What ran there runs elsewhere; the node is no target until it is undrained."""
    cluster = pacemaker.cluster
    cluster.drain(cluster.nodes["n1"])
    assert (cluster.active, cluster.standbys) == ("n2", ("n3",))
    with pytest.raises(Refused, match="n1 could not take over"):
        cluster.switchover(to="n1")
    cluster.undrain("n1")
    assert (cluster.active, cluster.standbys) == ("n2", ("n1", "n3"))
    cluster.undrain("n1")
    assert pacemaker.lines == [
        "action     drain n1: take every resource off n1 and keep them off",
        "  undo     let n1 run resources again (on disk before the strike)",
        "  expected nothing of the cluster runs on n1; what ran there runs elsewhere",
        "undrain    n1: let n1 run resources again",
    ]


def test_what_the_test_leaves_open_is_undone_in_the_plan_too(pacemaker):
    """As it would be for real: the last first."""
    pacemaker.cluster.drain("n1")
    pacemaker.cluster.drain("n2")
    pacemaker.striker.undo_all()
    assert pacemaker.lines[-2:] == [
        "undrain    n2: let n2 run resources again", "undrain    n1: let n1 run resources again",
    ]  # fmt: skip
    pacemaker.striker.undo_all()
    assert len(pacemaker.lines) == 8
    assert pacemaker.cluster.standbys == ("n1", "n2")


def test_maintenance(pacemaker):
    """Nothing moves."""
    with pacemaker.cluster.maintenance():
        assert pacemaker.cluster.active == "n1"
    assert pacemaker.lines == [
        "action     maintenance on web: let the cluster manager start, stop and watch nothing",
        "  undo     let the cluster manager manage again (on disk before the strike)",
        "  expected nothing changes, and nothing would be restarted",
        "maintenance off web: let the cluster manager manage again",
    ]
    assert pacemaker.cluster.state().redundancy_limitation() is None


def test_fence_and_cleanup(pacemaker):
    """Actions without an undo; a fenced node comes back as a standby."""
    cluster = pacemaker.cluster
    cluster.fence("n1")
    assert (cluster.active, cluster.standbys) == ("n2", ("n1", "n3"))
    cluster.cleanup()
    assert pacemaker.lines == [
        "action     fence n1: the cluster reboots n1 by its own fencing",
        "action     cleanup web: forget failed actions",
    ]


def test_a_node_of_the_plan(pacemaker):
    """Its reboot is told, what it would answer is not known."""
    node = pacemaker.cluster.nodes["n1"]
    assert (str(node), node.boot_id, node.kernel) == ("n1", "planned only", "planned only")
    assert node.reboot(within="2min") == 0.0
    assert pacemaker.cluster.active == "n2"
    assert pacemaker.lines == [
        "action     reboot n1: systemctl reboot, up again within 2 min 00 s",
        "  undo     none needed; proved by a changed boot id",
        "  expected what ran on n1 runs elsewhere meanwhile",
    ]
    for ask in (lambda: node.host, node.clock, lambda: node.run("uptime", "-p")):
        with pytest.raises(Unsupported, match="not known"):
            ask()


def test_a_node_is_not_lost_to_a_drained_one(pacemaker):
    """What is kept out takes nothing over; who comes back does."""
    cluster = pacemaker.cluster
    faults = Faults(scene_of(cluster, None, planned=True), pacemaker.striker)
    cluster.drain("n2")
    with faults.node_power_off("n1"):
        assert cluster.active == "n3"
        with faults.node_power_off("n3"):
            assert cluster.active is None
            cluster.undrain("n2")
            assert cluster.active == "n2"
    assert cluster.standbys == ("n1", "n3")


@pytest.mark.parametrize("fault", ["service_kill", "node_freeze", "node_power_off"])
def test_what_a_fault_does_to_the_model(pacemaker, fault):
    """A killed service is restarted in place; a node that is frozen or off is lost."""
    with getattr(Faults(scene_of(pacemaker.cluster, None, planned=True), pacemaker.striker), fault)("n1"):
        assert pacemaker.cluster.active == ("n1" if fault == "service_kill" else "n2")
    assert len(pacemaker.cluster.standbys) == 2


def test_a_killed_service_does_not_undrain(pacemaker):
    """Each undo takes back what was its own."""
    pacemaker.cluster.drain("n2")
    with Faults(scene_of(pacemaker.cluster, None, planned=True), pacemaker.striker).service_kill("n2"):
        pass
    assert pacemaker.cluster.standbys == ("n3",)


def test_a_fault_is_undone_when_the_test_fails_in_it(pacemaker):
    """As it would be for real."""
    with (
        pytest.raises(AssertionError, match="too long"),
        Faults(scene_of(pacemaker.cluster, None, planned=True), pacemaker.striker).node_power_off("n1"),
    ):
        raise AssertionError("too long")
    assert pacemaker.lines[-1] == "undo       node_power_off n1: power n1 on again"


STEPS = st.tuples(st.sampled_from(["drain", "undrain", "off", "on", "fence", "reboot", "move"]), st.integers(0, 3))


@given(st.lists(STEPS, max_size=15))
def test_whoever_is_left_is_active(steps):
    """Whatever was drained, lost and brought back: one that is in use is active, if any is."""
    names = [f"n{number}" for number in range(4)]
    cluster = PlannedCluster(Described("lab", "web", "lab", "pacemaker", tuple(Node(name) for name in names)))
    plan = Plan(cluster, {})
    drained, lost = [], []
    for step, number in steps:
        name = names[number]
        if step == "drain":
            cluster.drain(name)
            drained.append(name)
        elif step == "undrain" and drained.count(name) == 1:
            cluster.undrain(name)
            drained.remove(name)
        elif step == "off":
            plan.striker.strike(NodePowerOff(None, name))
            lost.append(name)
        elif step == "on" and lost.count(name) == 1:
            plan.striker.undo("node_power_off", name)
            lost.remove(name)
        elif step == "fence" and name not in lost:
            cluster.fence(name)
        elif step == "reboot" and name not in lost:
            cluster.nodes[name].reboot()
        elif step == "move" and cluster.standbys:
            assert cluster.switchover() == cluster.active
        free = set(names) - set(drained) - set(lost)
        assert cluster.active in free if free else cluster.active not in lost
        assert set(cluster.standbys) <= free - {cluster.active}
        if free:
            assert set(cluster.standbys) == free - {cluster.active}


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
            with Faults(scene_of(plan.cluster, None, planned=True), plan.striker).stack_kill(before):
                assert cluster.active not in {None, before}
        assert cluster.active in names
        assert cluster.state().redundancy_limitation() is None
