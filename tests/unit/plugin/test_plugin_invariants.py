# SPDX-License-Identifier: MIT
"""After every rehearsal its invariants are asserted, unasked; and an outcome of a fault, where the test asked for one."""

from __future__ import annotations

TEST = """
import time
from pathlib import Path
import pytest
from static_lab import world
"""


def ran(static, body):
    static.makepyfile(test_it=TEST + body)
    return static.runpytest_inprocess("-v")


def invariants(summary):
    (rehearsal,) = summary()["rehearsals"]
    return {one["name"]: one["verdict"] for one in rehearsal["invariants"]}


def test_what_holds_is_told(static, summary):
    """A rehearsal that acted: leftovers, nodes and redundancy are looked at without a mark, and stand in run.json."""
    ran(static, "def test_it(cluster):\n    cluster.switchover()\n").assert_outcomes(passed=1)
    assert invariants(summary) == {
        "nothing is left behind": "passed", "every node is in again": "passed", "redundancy is back": "passed",
    }  # fmt: skip


def test_a_mark_decides_in_its_place(static, summary):
    """A limit on redundancy is judged once, as a limit."""
    body = "@pytest.mark.rehearsal(redundancy='1min')\ndef test_it(cluster):\n    cluster.switchover()\n"
    ran(static, body).assert_outcomes(passed=1)
    assert "redundancy is back" not in invariants(summary)


def test_nothing_done_is_nothing_looked_at(static, summary, world):
    """A rehearsal without an action asks the cluster nothing afterwards."""
    ran(static, "def test_it(cluster):\n    pass\n").assert_outcomes(passed=1)
    assert invariants(summary) == {}


def test_a_node_that_stays_out_fails_a_rehearsal_that_had_passed(static, summary, monkeypatch):
    """The reason names the invariant and the node."""
    from pytest_harehearse.rehearsal import invariants as module
    from pytest_harehearse.rehearsal import session

    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    monkeypatch.setattr(session, "REDUNDANCY_S", 1.0)
    monkeypatch.setattr(module, "REDUNDANCY_S", 1.0)
    monkeypatch.setattr(module.look, "__kwdefaults__", {**module.look.__kwdefaults__, "patience": 0.1})
    body = "def test_it(cluster):\n    cluster.switchover()\n    cluster.manager.killed.add('n1')\n"
    result = ran(static, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*invariant "every node is in again" broken: n1 is not: n1 unreachable*'])
    assert invariants(summary)["every node is in again"] == "failed"
    assert summary()["rehearsals"][0]["verdict"] == "failed"


def test_two_active_nodes_fail_it_unasked(static, summary):
    """Both nodes say yes for a second during a switchover; the test asserted nothing of the kind."""
    body = """
world.claims = Path("claims").resolve()
world.claims.mkdir(exist_ok=True)
world.both = 1.0

def test_it(cluster, probes):
    with probes.watch(settle="1s"):
        cluster.switchover()
"""
    result = ran(static, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*invariant "never two nodes active at once" broken: two were, for*'])
    assert invariants(summary)["never two nodes active at once"] == "failed"


def test_another_outcome_than_asked_for_fails_it(static, summary):
    """Killing the stack of the standby has no effect on users; asked for was a takeover."""
    body = """
def test_it(cluster, probes, faults):
    with probes.watch(settle="1s"):
        with faults.node_power_off("n2", expect="recovers_on_peer"):
            time.sleep(1)
"""
    result = ran(static, body.replace("node_power_off", "stack_kill"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*outcome of stack_kill on n2: expected recovers_on_peer, observed no_effect, because no other node took over*"
        ]
    )
    (fault,) = summary()["rehearsals"][0]["faults"]
    assert (fault["asserted"], fault["agrees"], fault["observed"]) == (True, False, "no_effect")
    assert [step["name"] for step in fault["steps"]][-2:] == ["undone", "verified"]


def test_another_outcome_than_usual_is_a_note(static, summary):
    """The same without asking: the rehearsal passes, and the report tells of the difference."""
    body = """
def test_it(cluster, probes, faults):
    with probes.watch(settle="1s"):
        with faults.stack_kill("n2"):
            time.sleep(1)
"""
    result = ran(static, body)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*n2 cluster manager killed: expected recovers_on_peer, observed*no_effect*"])


def test_an_outcome_that_does_not_exist(static):
    """It is refused before anything is touched, with the ones there are."""
    result = ran(static, "def test_it(cluster, faults):\n    faults.stack_kill('n1', expect='fence')\n")
    result.stdout.fnmatch_lines(["*There is no outcome expect='fence' of a fault. Did you mean 'fenced'? There are *"])


def test_a_fault_over_early_without_fencing_is_unknown(static, monkeypatch):
    """Expected was that the node is fenced, which ends the fault; no fencing was recorded, so the timer may have been it."""
    from pytest_harehearse.faults.stack import StackKill

    monkeypatch.setattr(StackKill, "ended_early", property(lambda _: "somebody undid it"))
    body = """
def test_it(cluster, probes, faults):
    with probes.watch(settle="1s"):
        with faults.stack_kill("n2", expect="fenced"):
            time.sleep(0.5)
"""
    result = ran(static, body)
    result.stdout.fnmatch_lines(
        ["*stack_kill on n2 was over before its time, so what was seen proves little: somebody*"]
    )
