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
