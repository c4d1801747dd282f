# SPDX-License-Identifier: MIT
"""Fault plans by chance: valid, within what the cluster may lose, the same by the same seed, and made small."""

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from pytest_harehearse.chance.layout import REJOIN_S, Strike, laid_out, majority, most_lost, words
from pytest_harehearse.chance.plans import fault_plans, sample, smallest
from pytest_harehearse.errors import ConfigError
from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.rehearsal.fault_plan import read
from pytest_harehearse.rehearsal.targets import WORDS

NODES = ["n1", "n2", "n3", "n4", "n5"]
FAULTS = ["stack_kill", "node_freeze", "net_partition", "net_degrade", "service_kill", "cpu_pressure"]
counts = st.integers(1, 5)


def begin(table):
    return int(table["at"]["in"][:-1])


def end(table):
    return begin(table) + int(table["for"][:-1])


@given(counts, st.data())
def test_a_plan_is_one_and_keeps_the_quorum(count, data):
    nodes = NODES[:count]
    plan = data.draw(fault_plans(nodes, FAULTS, steps=12))
    assert len(read(plan, nodes)) == len(plan) <= 12
    assert most_lost(plan, nodes) <= max(1, count - majority(count))


@given(counts, st.data(), st.booleans())
def test_no_node_is_struck_while_it_is_lost_nor_twice_by_the_same(count, data, quorum_lost):
    plan = data.draw(fault_plans(NODES[:count], FAULTS, steps=12, quorum_lost=quorum_lost))
    assert [begin(table) for table in plan] == sorted(begin(table) for table in plan)
    for number, one in enumerate(plan):
        for other in plan[number + 1 :]:
            if one["node"] == other["node"] or {one["node"], other["node"]} & set(WORDS):
                lost = CATALOGUE[one["fault"]].loses
                if lost or one["fault"] == other["fault"]:
                    # A word may mean any node, so nothing that could meet it is struck beside it.
                    assert begin(other) >= end(one) + (REJOIN_S if lost else 0)


def test_the_quorum_is_lost_only_when_that_is_asked_for():
    def lost(plan):
        return most_lost(plan, ["n1", "n2", "n3"]) == 2

    named = ["n1", "n2", "n3"]
    plan = find(fault_plans(named, ["stack_kill"], steps=4, quorum_lost=True, targets=named), lost)
    assert plan == [
        {"fault": "stack_kill", "node": "n1", "at": {"in": "0s"}, "for": "1s"},
        {"fault": "stack_kill", "node": "n2", "at": {"in": "0s"}, "for": "1s"},
    ]


def test_what_would_take_the_quorum_is_put_off():
    strikes = [Strike(0, "stack_kill", "n1", 5), Strike(2, "stack_kill", "n2", 5), Strike(0, "net_degrade", "n3", 5)]
    found = [(table["node"], table["at"]["in"]) for table in laid_out(strikes, ["n1", "n2", "n3"])]
    assert found == [("n1", "0s"), ("n2", "35s"), ("n3", "35s")]
    found = [(table["node"], table["at"]["in"]) for table in laid_out(strikes, ["n1", "n2", "n3"], quorum_lost=True)]
    assert found == [("n1", "0s"), ("n2", "2s"), ("n3", "2s")]


@pytest.mark.parametrize(
    ("nodes", "loses", "said"),
    [
        (1, True, ("one", "majority", "active", "all")),
        (2, True, ("one", "active", "standby")),
        (2, False, ("one", "majority", "active", "standby", "all")),
        (3, True, ("one", "minority", "active", "standby")),
        (3, False, WORDS),
        (5, True, ("one", "minority", "active", "standby")),
    ],
)
def test_a_word_is_drawn_when_what_it_means_may_be_lost(nodes, loses, said):
    fault = "stack_kill" if loses else "net_degrade"
    assert words(fault, nodes) == said
    # Whoever asks for it, may lose all.
    assert set(words("stack_kill", nodes, quorum_lost=True)) == set(words("net_degrade", nodes))


def test_a_word_is_put_off_by_its_worst_case():
    """It could mean the node that is lost, or together with it too many."""
    strikes = [
        Strike(0, "stack_kill", "n1", 5),
        Strike(0, "node_freeze", "one", 5),
        Strike(0, "net_degrade", "active", 5),
    ]
    found = [(table["node"], table["at"]["in"]) for table in laid_out(strikes, NODES)]
    assert found == [("n1", "0s"), ("one", "35s"), ("active", "70s")]
    beside = [Strike(0, "net_degrade", "active", 5), Strike(0, "cpu_pressure", "all", 5)]
    assert [table["at"]["in"] for table in laid_out(beside, NODES)] == ["0s", "0s"]


def test_a_majority_is_lost_only_when_that_is_asked_for():
    def majorities(**asked):
        plans = sample(fault_plans(NODES[:3], ["stack_kill"], steps=6, **asked), "s", 40)
        return [table for plan in plans for table in plan if table["node"] in {"majority", "all"}]

    assert majorities() == []
    assert majorities(quorum_lost=True) != []


def test_every_word_is_drawn():
    plans = sample(fault_plans(NODES[:3], FAULTS, steps=6), "s", 60)
    assert {table["node"] for plan in plans for table in plan} == {*NODES[:3], *WORDS}


@pytest.mark.parametrize("seed", ["", "2026w48 lab/web", "ü\n"])
def test_a_seed_always_gives_the_same_and_they_differ(seed):
    strategy = fault_plans(NODES[:3], FAULTS)
    plans = sample(strategy, seed, 3)
    assert sample(strategy, seed, 3) == plans
    assert len({repr(plan) for plan in plans}) == 3


def test_weeks_differ():
    strategy = fault_plans(NODES[:3], FAULTS, steps=6)
    assert sample(strategy, "2026w48 lab/web", 2) != sample(strategy, "2026w49 lab/web", 2)
    assert max(len(plan) for plan in sample(strategy, "2026w48 lab/web", 6)) > 2


PLANTED = (("stack_kill", "n2"), ("net_degrade", "n1"), ("node_freeze", "n3"))


def broken(plan):
    """A cluster in memory that breaks by three faults in this order, whatever is between them."""
    left = list(PLANTED)
    for table in plan:
        if left and (table["fault"], table["node"]) == left[0]:
            left.pop(0)
    return not left


def test_a_planted_bug_of_three_faults_is_found_and_shrunk_to_three_steps():
    strategy = fault_plans(["n1", "n2", "n3"], FAULTS[:4], steps=12, targets=["n1", "n2", "n3"])
    plans = (plan for week in range(1, 400) for plan in sample(strategy, f"2026w{week}", 4))
    found = next(plan for plan in plans if broken(plan))
    assert len(found) > 3
    assert [(table["fault"], table["node"]) for table in smallest(found, broken)] == list(PLANTED)
    # And by Hypothesis itself, which makes the times small, too.
    least = find(strategy, broken, settings=settings(max_examples=20_000, database=None))
    assert [(table["fault"], table["node"]) for table in least] == list(PLANTED)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.sets(st.integers(0, 9), min_size=1, max_size=4))
def test_the_smallest_part_fails_and_none_of_its_parts_does(values, needed):
    plan = [{"fault": str(value)} for value in values]

    def fails(part):
        return needed <= {int(table["fault"]) for table in part}

    if not fails(plan):
        with pytest.raises(ConfigError, match="does not fail"):
            smallest(plan, fails)
        return
    found = smallest(plan, fails)
    assert fails(found)
    for number in range(len(found)):
        assert not fails(found[:number] + found[number + 1 :])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"faults": ["net_partitoin"]}, "there is no fault 'net_partitoin'"),
        ({"faults": []}, "no fault or no node to draw from"),
        ({"nodes": []}, "no fault or no node to draw from"),
        ({"steps": 0}, "steps=0 would strike nothing"),
        (
            {"targets": ["actve"]},
            "there is no target 'actve'; there are n1, and the words one, minority, majority, active, ",
        ),
        (
            {"targets": ["minority"]},
            "minority would always lose more of 1 nodes than may be lost, or means none of them.",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(changes, said):
    with pytest.raises(ConfigError) as refused:
        fault_plans(**{"nodes": ["n1"], "faults": ["stack_kill"], "steps": 3, **changes})
    assert said in str(refused.value)


def test_more_plans_than_there_are_are_refused():
    with pytest.raises(ConfigError, match=r"^Fault plans by chance: 5 are wanted, and there are only "):
        sample(st.just([{"fault": "stack_kill"}]), "s", 5)
