# SPDX-License-Identifier: MIT
"""A cluster's state in words: who is primary, what it lacks, and why."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_harehearse.managers.state import ClusterState, Member

PRIMARY = Member("n1", "primary", "running", timeline=3, witness_primary=True)
SECOND = Member("n2", "replica", "running", timeline=3, lag=0, streaming=True, sync=True, witness_primary=False)
THIRD = dataclasses.replace(SECOND, name="n3")


def state(*members, **more):
    return ClusterState(members or (PRIMARY, SECOND, THIRD), **{"sync_wanted": 2, **more})


def but(member, **changes):
    return dataclasses.replace(member, **changes)


def test_a_redundant_cluster_lacks_nothing():
    """One confirmed primary, every other node streaming from it without lag on its timeline."""
    assert state().redundancy_limitation() is None
    assert state(PRIMARY, sync_wanted=1).redundancy_limitation() is None
    assert state(PRIMARY, SECOND, sync_wanted=5).redundancy_limitation() is None


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (state(pending="Patroni is paused"), "Patroni is paused"),
        (
            state(but(PRIMARY, witness_primary=None), SECOND, THIRD),
            "no confirmed primary (claimed by: n1)",
        ),
        (
            state(but(PRIMARY, state="starting"), SECOND, THIRD),
            "no confirmed primary (claimed by: n1)",
        ),
        (state(SECOND, THIRD), "no confirmed primary (claimed by: nobody)"),
        (
            state(PRIMARY, but(PRIMARY, name="n2"), THIRD),
            "no confirmed primary (claimed by: n1, n2)",
        ),
        (
            state(PRIMARY, Member("n2", "unreachable", problem="its REST API did not answer: x"), THIRD),
            "n2 does not replicate: n2 unreachable (its REST API did not answer: x)",
        ),
        (
            state(PRIMARY, but(SECOND, streaming=False, sync=False), THIRD),
            "n2 does not replicate: n2 replica running timeline 3 lag 0 B",
        ),
        (
            state(PRIMARY, SECOND, but(THIRD, role="starting", state="starting", lag=None, timeline=None)),
            "n3 does not replicate: n3 starting",
        ),
        (
            state(PRIMARY, but(PRIMARY, name="n2", witness_primary=False), THIRD),
            "n2 does not replicate: n2 primary running timeline 3 (not confirmed by itself)",
        ),
        (
            state(PRIMARY, but(SECOND, lag=16), THIRD),
            "n2 lags: n2 replica running timeline 3 lag 16 B sync",
        ),
        (
            state(PRIMARY, SECOND, but(THIRD, lag=None)),
            "n3 lags: n3 replica running timeline 3 lag unknown sync",
        ),
        (state(PRIMARY, SECOND, but(THIRD, timeline=2)), "n3 is on timeline 2, the primary on 3"),
        (state(PRIMARY, SECOND, but(THIRD, timeline=None)), "n3 is on timeline None, the primary on 3"),
        (state(PRIMARY, SECOND, but(THIRD, sync=False)), "1 of 2 standbys are synchronous yet"),
    ],
)
def test_what_is_lacking(found, text):
    """Every reason, the gravest first."""
    assert found.redundancy_limitation() == text


def test_the_active_node_needs_two_witnesses():
    """The manager and the node itself; of two that both claim it, neither is."""
    assert state().active == "n1"
    assert state(but(PRIMARY, witness_primary=False), SECOND).active is None
    assert state(but(PRIMARY, witness_primary=None), SECOND).active is None
    assert state(PRIMARY, but(PRIMARY, name="n2")).active is None
    assert state(SECOND, but(THIRD, witness_primary=True)).active is None


def test_standbys_a_synchronous_one_first():
    """Those that stream now, then by name."""
    found = state(PRIMARY, but(SECOND, sync=False), THIRD, but(SECOND, name="n4", streaming=False))
    assert found.standbys == ("n3", "n2")


def test_the_whole_state_in_one_line():
    """Each node, and what the manager still carries."""
    assert state().describe() == (
        "n1 primary running timeline 3; n2 replica running timeline 3 lag 0 B sync; n3 replica running timeline 3 lag 0 B sync"
    )
    assert state(but(PRIMARY, witness_primary=None), pending="Patroni is paused").describe() == (
        "n1 primary running timeline 3 (not confirmed by itself); Patroni is paused"
    )


def test_a_node_by_its_name():
    """An unknown one is named with those there are."""
    assert state().member("n2") is SECOND
    with pytest.raises(KeyError, match="the cluster has no node 'n9'; its nodes are n1, n2, n3"):
        state().member("n9")


ACTIVE = Member("n1", "active", "running", witness_primary=True)
STANDBY = Member("n2", "standby", ready=True, witness_primary=False)
READY = dataclasses.replace(STANDBY, name="n3")


def hosts(*members, **more):
    return ClusterState(members or (ACTIVE, STANDBY, READY), **more)


def test_a_cluster_of_hosts_lacks_nothing():
    """One confirmed active node, every other ready; nothing replicates, so nothing lags and nobody is synchronous."""
    assert hosts().redundancy_limitation() is None
    assert (hosts().active, hosts().standbys) == ("n1", ("n2", "n3"))
    assert hosts(ACTIVE).redundancy_limitation() is None


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (hosts(pending="the cluster has no quorum"), "the cluster has no quorum"),
        (hosts(but(ACTIVE, witness_primary=None), STANDBY), "no confirmed active node (claimed by: n1)"),
        (hosts(but(ACTIVE, witness_primary=False), STANDBY), "no confirmed active node (claimed by: n1)"),
        (hosts(STANDBY, READY), "no confirmed active node (claimed by: nobody)"),
        (hosts(ACTIVE, but(ACTIVE, name="n2")), "no confirmed active node (claimed by: n1, n2)"),
        (
            hosts(ACTIVE, but(STANDBY, ready=False, state="drained", problem="it is in standby mode")),
            "n2 could not take over: n2 standby drained (it is in standby mode)",
        ),
        (hosts(ACTIVE, but(STANDBY, ready=None)), "n2 could not take over: n2 standby"),
        (
            hosts(ACTIVE, Member("n2", "unreachable", problem="nobody answers")),
            "n2 could not take over: n2 unreachable (nobody answers)",
        ),
        (hosts(ACTIVE, STANDBY, Member("n3", "offline")), "n3 could not take over: n3 offline"),
        (
            hosts(ACTIVE, Member("n2", "active", "in part", problem="web runs there in part")),
            "n2 could not take over: n2 active in part (not confirmed by itself) (web runs there in part)",
        ),
        (hosts(ACTIVE, SECOND), "n2 could not take over: n2 replica running timeline 3 lag 0 B sync"),
        (hosts(PRIMARY, STANDBY), None),
        (hosts(PRIMARY, but(STANDBY, ready=False)), "n2 could not take over: n2 standby"),
        (hosts(incomplete="fencing is disabled"), "fencing is disabled"),
    ],
)
def test_what_a_cluster_of_hosts_lacks(found, text):
    """In its own words; what is not known to be ready is not."""
    assert found.redundancy_limitation() == text


def test_who_is_active_among_hosts():
    """Two witnesses, whatever the manager calls its state."""
    assert but(ACTIVE, state="").confirmed_primary
    assert not but(ACTIVE, witness_primary=None).confirmed_primary
    assert not STANDBY.confirmed_primary
    assert hosts(ACTIVE, but(ACTIVE, name="n2")).active is None
    assert hosts(ACTIVE, but(ACTIVE, name="n2", witness_primary=False)).active == "n1"


def test_standbys_among_hosts():
    """Only who is known to be ready; the manager's order, then by name."""
    found = hosts(
        ACTIVE, READY, STANDBY, but(STANDBY, name="n4", ready=None), but(STANDBY, name="n5", ready=False),
        Member("n6", "offline", ready=True),
    )  # fmt: skip
    assert found.standbys == ("n2", "n3")
    assert hosts(ACTIVE, but(STANDBY, priority=20), but(READY, priority=10)).standbys == ("n3", "n2")


def test_hosts_in_one_line():
    """No lag, no timeline, no notes; what they are not confirmed by is."""
    assert hosts(but(ACTIVE, witness_primary=None), STANDBY, notes=("fencing: n2",)).describe() == (
        "n1 active running (not confirmed by itself); n2 standby"
    )


def test_maintenance_is_not_known_unless_it_is_told():
    """None is neither on nor off."""
    assert hosts().maintenance is None
    assert hosts(maintenance=True).maintenance is True
