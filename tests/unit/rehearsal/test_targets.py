# SPDX-License-Identifier: MIT
"""Which nodes a target word means, by the state of the cluster alone."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.managers.state import PRIMARY, REPLICA, UNREACHABLE, ClusterState, Member
from pytest_harehearse.rehearsal.targets import WORDS, chosen, limitation, majority, meant


def state(count, active="n1", gone=()):
    """So many nodes, one active, some of them not reached."""
    return ClusterState(
        tuple(
            Member(name, UNREACHABLE) if name in gone
            else Member(name, PRIMARY, "running", 1, witness_primary=True) if name == active
            else Member(name, REPLICA, "running", 1, 0, streaming=True, witness_primary=False)
            for name in (f"n{number}" for number in range(1, count + 1))
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "numbers"),
    [
        (1, [1, 0, 1, 1, 0, 1]),
        (2, [1, 0, 2, 1, 1, 2]),
        (3, [1, 1, 2, 1, 1, 3]),
        (4, [1, 1, 3, 1, 1, 4]),
        (5, [1, 2, 3, 1, 1, 5]),
    ],
)
def test_how_many_nodes_a_word_means(nodes, numbers):
    assert [meant(word, nodes) for word in WORDS] == numbers


@given(st.integers(1, 9))
def test_a_minority_leaves_a_majority(nodes):
    assert nodes - meant("minority", nodes) == majority(nodes) == meant("majority", nodes)
    assert limitation("minority", nodes) is None or nodes < 3


@given(st.sampled_from(WORDS), st.integers(1, 7), st.sets(st.integers(1, 7)), st.sets(st.integers(1, 7)), st.integers())
def test_what_is_chosen_is_there_and_as_many_as_it_means(word, count, gone, taken, seed):
    gone, taken = {f"n{one}" for one in gone}, {f"n{one}" for one in taken}
    now = state(count, gone=gone)
    found = chosen(word, now, taken, random.Random(seed))
    if isinstance(found, str):
        assert word != "all"
        return
    assert len(found) == len(set(found)) == (meant(word, count) or len(found))
    assert set(found) <= set(now.names)
    assert found == chosen(word, now, taken, random.Random(seed))
    if word not in {"active", "all"}:
        assert not set(found) & (gone | taken)


@pytest.mark.parametrize(
    ("word", "options", "why"),
    [
        ("active", {"active": None}, "no node was active: n1 replica"),
        ("standby", {"gone": ("n2", "n3")}, "no standby was ready: n1 primary"),
        ("majority", {"gone": ("n2", "n3")}, "majority means 2 of 3 nodes, and only n1 could be struck"),
        ("majority", {"gone": ("n1", "n2", "n3")}, "majority means 2 of 3 nodes, and none could be struck"),
    ],
)
def test_why_a_word_means_none(word, options, why):
    found = chosen(word, state(3, **options))
    assert isinstance(found, str)
    assert found.startswith(why)
