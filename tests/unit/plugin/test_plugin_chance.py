# SPDX-License-Identifier: MIT
"""Fault plans by chance: an item for each, the same by the same seed, shown in the plan and in the report."""

import ast

import pytest

TEST = """
import pytest

@pytest.mark.chance(plans=2, steps=3, faults=["stack_kill", "node_freeze"])
def test_failover_chance(cluster, faults, fault_plan):
    faults.play_through(fault_plan)
"""
SHORT = """
PLAN = [
    {"fault": "stack_kill", "node": "n2", "for": "100ms"},
    {"fault": "stack_kill", "node": "n1", "at": {"in": "300ms"}, "for": "100ms"},
]

def test_failover_short(cluster, faults):
    faults.play_through(PLAN)
"""


def planned(project, *options):
    result = project.runpytest("--harehearse-plan", *options)
    return result, [
        line.strip() for line in result.stdout.lines if "PLAN = " in line or line.lstrip().startswith("fault ")
    ]


def test_each_plan_is_a_test_of_its_own_and_a_seed_gives_the_same_again(static):
    static.makepyfile(TEST)
    result, first = planned(static, "--harehearse-seed=s1")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(
        ["*::test_failover_chance[[]lab/web-plan1[]]", "*::test_failover_chance[[]lab/web-plan2[]]"]
    )
    told = [line.partition("PLAN = ")[2] for line in first if "PLAN = " in line]
    plans = [ast.literal_eval(text) for text in told]
    assert len(plans) == 2
    assert plans[0] != plans[1]
    assert all(table["fault"] in {"stack_kill", "node_freeze"} for plan in plans for table in plan)
    _, again = planned(static, "--harehearse-seed=s1")
    assert [line for line in again if "PLAN = " in line] == [line for line in first if "PLAN = " in line]
    _, other = planned(static, "--harehearse-seed=s2")
    assert [line for line in other if "PLAN = " in line] != [line for line in first if "PLAN = " in line]


def test_a_plan_is_played_to_its_end(static, summary):
    static.makepyfile(SHORT)
    static.runpytest().assert_outcomes(passed=1)
    [one] = summary()["rehearsals"]
    assert [(fault["target"], fault["undone"]) for fault in one["faults"]] == [("n2", "done"), ("n1", "done")]


def test_a_plan_without_an_end_is_not_played_through(static, summary):
    static.makepyfile(SHORT.replace(', "for": "100ms"', "", 1))
    static.runpytest().assert_outcomes(failed=1)
    assert summary()["rehearsals"][0]["reason"] == (
        'A plan that is played through has an end: say "for" how long of stack_kill n2.'
    )
    assert summary()["rehearsals"][0]["faults"] == []


WORDS = """
import pytest

@pytest.mark.chance(plans=1, steps=1, faults=["stack_kill"], targets=["standby"])
def test_failover_chance(cluster, faults, fault_plan):
    assert [table["node"] for table in fault_plan] == ["standby"]
    faults.play_through([{"fault": "stack_kill", "node": "standby", "for": "100ms"}])
    faults.play_through([{"fault": "stack_kill", "node": "active", "for": "100ms"}])
    faults.flap("stack_kill", "active", times=2, on="10ms", off="10ms")
"""


def test_a_word_means_the_node_that_it_is_when_it_is_struck(static, summary):
    static.makepyfile(WORDS)
    static.runpytest().assert_outcomes(passed=1)
    [one] = summary()["rehearsals"]
    # In this lab the other node is active once the active one was struck.
    assert [fault["target"] for fault in one["faults"]] == ["n2", "n1", "n2", "n1"]
    assert [note.partition(": ")[2] for note in one["notes"] if "means" in note] == [
        "stack_kill standby means n2 now", "stack_kill active means n1 now",
    ]  # fmt: skip


def test_a_planned_run_tells_the_word_with_what_it_means_in_the_model(static):
    static.makepyfile(WORDS)
    result = static.runpytest("--harehearse-plan")
    result.stdout.fnmatch_lines(
        [
            "*action     fault stack_kill (standby, at once, for 100 ms) n2: *",
            "*action     fault stack_kill (active, at once, for 100 ms) n1: *",
            "*action     fault stack_kill (active, at once, for 10 ms, 2 times, 10 ms apart) *",
        ]
    )


MACHINE = """
from pytest_harehearse.chance.machine import ClusterMachine, run_machine

class Ours(ClusterMachine):
    strikes = ("stack_kill", "service_kill")

def test_failover_machine(cluster, faults):
    run_machine(Ours, cluster, faults, steps=8)
"""


def test_a_planned_run_tells_the_machine_and_draws_nothing(static):
    static.makepyfile(MACHINE)
    result = static.runpytest("--harehearse-plan")
    result.assert_outcomes(skipped=1)
    said = " ".join(result.stdout.str().split())
    assert (
        "machine Ours: 1 sequence of at most 8 steps, drawn when it runs: strike stack_kill, service_kill, heal, switchover, wait, "
        "and rules of its own"
    ) in said


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("plans=0", "chance(plans=0): a number from 1 to 100 is wanted."),
        ("steps=True", "chance(steps=True): a number from 1 to 100 is wanted."),
        (
            "plan=3",
            "The mark chance takes keywords only (plans=, steps=, faults=, quorum_lost=, targets=), not 'plan'.",
        ),
        ("3", "The mark chance takes keywords only (plans=, steps=, faults=, quorum_lost=, targets=), not 3."),
        ('faults="stack_kill"', "chance(faults='stack_kill'): a list of faults is wanted, of service_kill, "),
        (
            'targets="active"',
            "chance(targets='active'): a list of nodes and of one, minority, majority, active, standby, all is wanted.",
        ),
    ],
)
def test_a_mark_that_cannot_be_meant_is_refused(static, said, why):
    file = static.makepyfile(TEST.replace('plans=2, steps=3, faults=["stack_kill", "node_freeze"]', said))
    result = static.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().startswith(f"ERROR: {file.name}::test_failover_chance: {why}")
    assert not (static.path / ".harehearse").exists()


def test_a_cluster_that_can_take_none_of_the_faults_is_told(static):
    static.makepyfile(TEST.replace('"stack_kill", "node_freeze"', '"fence_fail"'))
    result = static.runpytest("--harehearse-plan")
    assert "No fault plan can be drawn for lab/web: of fence_fail it can take none." in result.stdout.str()
