# SPDX-License-Identifier: MIT
"""The gates that rehearsals decide: each of them turns, and none says GO of what is not known."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from gate_samples import LAB, NOW, PARTS, PATCH_DAY, PRODUCTION, good, measured, patch_day, rehearsals, service
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.history.gate import rehearsed
from pytest_harehearse.history.gate.decision import IN_LAB, IN_PRODUCTION, Answer, worst
from pytest_harehearse.inventory.model import Gates

OFTEN, EACH, BUDGET = (
    "rehearsed lately and often enough",
    "every scenario passed last time",
    "interruption within the budget",
)
LOST, DUAL = "no acknowledged write lost", "never two nodes active at once"
PREPATCH, BACK = "the service moved before anything was patched", "the way back was rehearsed"


def gates(*found, **how):
    return {gate.name: gate for gate in rehearsed.gates(rehearsals(*found, **how))}


def test_good_rehearsals_say_go():
    """All of them, with runs, ages and where they were measured."""
    found = gates(*good())
    assert {gate.answer for gate in found.values()} == {Answer.GO}
    assert {gate.provenance for gate in found.values()} == {IN_LAB}
    assert all(gate.age is not None and not gate.command for gate in found.values())
    assert found[OFTEN].evidence.startswith("r-2026w48-05 on lab/web")
    assert found[BUDGET].value == "2.30 s"
    assert "5 clean ones leave up to 45% over it possible (95 % sure)" in found[BUDGET].evidence


def test_too_few_is_a_no():
    """With how many are missing, and the command."""
    gate = gates(*good()[:2])[OFTEN]
    assert (gate.answer, gate.value, gate.limit) == (Answer.NO_GO, "2 passed", "3 within 7 d")
    assert gate.remedy == "rehearse planned work 1 more time"
    assert gate.command == "pytest scenarios --harehearse-cluster lab/web"


def test_never_rehearsed_is_unknown():
    """Every gate says so; none says GO."""
    found = gates()
    assert Answer.GO not in {gate.answer for name, gate in found.items() if name != "evidence is sound"}
    assert found[OFTEN].evidence == "none on lab/web was ever kept"


@pytest.mark.parametrize("days", [8, 40, 400])
def test_evidence_expires(days):
    """The same rehearsals, later: never GO."""
    found = gates(*good(), now=NOW + timedelta(days=days))
    assert found[OFTEN].answer is Answer.NO_GO
    assert found[OFTEN].value == "0 passed"
    assert found[EACH].answer is Answer.UNKNOWN
    assert (found[BACK].answer is Answer.GO) == (days < 30)


def test_what_is_yet_to_come_is_no_evidence():
    """A run from a machine whose clock is ahead."""
    assert gates(*good(), now=NOW - timedelta(days=1))[OFTEN].value == "0 passed"


def test_faults_are_no_planned_work():
    """Three crashes that passed do not prove a switchover, and the budget is not held against them."""
    crashed = [measured(n, services=(service(20.0),), faults=("process_kill",)) for n in range(1, 4)]
    found = gates(*crashed)
    assert found[OFTEN].value == "0 passed"
    assert found[BUDGET].answer is Answer.UNKNOWN
    assert gates(*good(), *crashed)[BUDGET].answer is Answer.GO


@pytest.mark.parametrize(
    ("verdict", "answer"), [("failed", Answer.NO_GO), ("unknown", Answer.UNKNOWN), ("unfinished", Answer.UNKNOWN)]
)
def test_the_last_of_a_scenario_counts(verdict, answer):
    """With its reason; a later one that passed mends it."""
    bad = measured(6, verdict=verdict, reason="the page was down for 41 s")
    gate = gates(*good(), bad)[EACH]
    assert (gate.answer, gate.value) == (answer, "2 of 3")
    assert gate.evidence == f"test_failover_planned_switchover {verdict} in r-2026w48-06: the page was down for 41 s"
    assert gates(*good(), bad, measured(7))[EACH].answer is Answer.GO


def test_over_the_budget_is_a_no():
    """Named by run and scenario."""
    gate = gates(*good(), measured(6, services=(service(7.1),)))[BUDGET]
    assert (gate.answer, gate.value, gate.limit) == (Answer.NO_GO, "7.10 s", "≤ 5.00 s")
    assert gate.evidence == "worst of 6: r-2026w48-06 on lab/web, test_failover_planned_switchover"
    assert gate.remedy == "find what takes the 2.10 s over it: harehearse compare and drift name it"


def test_an_open_interruption_is_not_known():
    """However good the others are."""
    gate = gates(*good(), measured(6, services=(service(None),)))[BUDGET]
    assert gate.answer is Answer.UNKNOWN
    assert "not known of 1: r-2026w48-06 on lab/web" in gate.evidence


def test_an_unsound_measurement_is_not_known():
    """Its numbers mean nothing."""
    assert gates(*good(), measured(6, services=(service(1.0, valid=False),)))[BUDGET].answer is Answer.UNKNOWN


def test_without_a_budget_it_is_not_known():
    """With where to set one; a service's own budget is one, too."""
    bare = dataclasses.replace(PRODUCTION, gates=Gates())
    gate = gates(*good(), cluster=bare)[BUDGET]
    assert (gate.answer, gate.limit) == (Answer.UNKNOWN, "not set")
    assert gate.remedy == "set interruption in [environments.production.clusters.web.gates]"
    (page,) = PRODUCTION.services
    tight = dataclasses.replace(bare, services=(dataclasses.replace(page, interruption=1.0),))
    assert gates(*good(), cluster=tight)[BUDGET].answer is Answer.NO_GO


def test_lost_writes_are_a_no():
    """Counted by run."""
    found = gates(*good(), measured(6, services=(service(mode="write", lost=3),)))
    assert (found[LOST].answer, found[LOST].value, found[LOST].evidence) == (
        Answer.NO_GO,
        "3 lost",
        "3 in r-2026w48-06",
    )


def test_writes_that_were_not_audited_are_not_known():
    """Nothing lost of what nobody looked up is no evidence; a cluster without writes has nothing to lose."""
    writing = measured(6, services=(service(mode="write"),))
    audited = measured(7, services=(service(mode="write", lost=0),))
    assert gates(*good())[LOST].value == "nothing is written"
    assert (gates(audited)[LOST].answer, gates(audited)[LOST].value) == (Answer.GO, "0 lost")
    gate = gates(*good(), writing, audited)[LOST]
    assert (gate.answer, gate.evidence) == (
        Answer.UNKNOWN, "the writes could not be looked up in r-2026w48-06 on lab/web",
    )  # fmt: skip


def test_two_active_nodes_are_a_no():
    """Also in a rehearsal with a fault."""
    gate = gates(*good(), measured(6, dual=1.5, faults=("net_partition",)))[DUAL]
    assert (gate.answer, gate.value, gate.evidence) == (Answer.NO_GO, "1.50 s", "in r-2026w48-06 on lab/web")
    unasked = [dataclasses.replace(one, dual=None) for one in good()]
    assert gates(*unasked)[DUAL].answer is Answer.UNKNOWN


def test_the_way_back_must_have_been_taken():
    """By a rehearsal that passed."""
    assert gates(*good()[:4])[BACK].answer is Answer.NO_GO
    failed = dataclasses.replace(good()[4], verdict="failed")
    assert gates(*good()[:4], failed)[BACK].answer is Answer.NO_GO


def test_the_service_must_have_moved_before():
    """A patch day without that step does not do it."""
    day = measured(1, scenario=PATCH_DAY, patch_days=(patch_day(prepatch=False),))
    assert gates(day)[PREPATCH].answer is Answer.NO_GO
    assert gates(day, measured(2))[PREPATCH].answer is Answer.GO


def test_damaged_runs_prove_nothing():
    """What they leave open is unknown, not no."""
    damaged = {f"r-2026w48-{n:02d}": "its run.json was changed after it was written" for n in range(1, 6)}
    found = gates(*good(), damaged=damaged)
    assert {gate.answer for gate in found.values()} == {Answer.UNKNOWN}
    assert found["evidence is sound"].value == "5 damaged"
    assert "r-2026w48-01: its run.json was changed after it was written" in found["evidence is sound"].evidence


def test_production_and_lab_are_told_apart():
    """By where the evidence was measured."""
    there = [measured(n, cluster=PRODUCTION) for n in range(6, 9)]
    found = gates(*good(), *there)
    assert found[OFTEN].provenance == f"{IN_LAB} and {IN_PRODUCTION}"
    assert gates(*there)[OFTEN].provenance == IN_PRODUCTION


def playbook(*found, wanted=PARTS, problem=None, **how):
    return rehearsed.playbook(rehearsals(*found, **how), wanted, problem)


def test_the_same_playbook_but_for_the_cluster():
    """The lab's part of the inventory is another one by nature."""
    gate = playbook(*good(), wanted={**PARTS, "inventory": "of production"})
    assert (gate.answer, gate.value, gate.evidence) == (Answer.GO, "f1", "r-2026w48-04 on lab/web")


@pytest.mark.parametrize(
    ("part", "words"),
    [("patch", "the patch"), ("scenario", "the test's own text"), ("steps", "the order of the steps")],
)
def test_another_playbook_is_a_no(part, words):
    """Named by what differs."""
    gate = playbook(*good(), wanted={**PARTS, part: "another"})
    assert gate.answer is Answer.NO_GO
    assert gate.evidence == f"r-2026w48-04 on lab/web had another one: {words}"


def test_on_the_cluster_itself_its_own_part_counts():
    """A lab that was changed since is another playbook."""
    gate = playbook(*good(), wanted={**PARTS, "inventory": "changed"}, cluster=LAB)
    assert gate.evidence.endswith("the cluster in the inventory")


def test_a_playbook_that_cannot_be_planned():
    """Is not known, for the reason."""
    gate = playbook(*good(), wanted=None, problem="test_x.py is gone")
    assert (gate.answer, gate.evidence) == (Answer.UNKNOWN, "test_x.py is gone")
    assert playbook(*good()[:3]).answer is Answer.NO_GO


# -- properties --------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_more_clean_ones_leave_less_doubt(one, other):
    """The bound falls with the number, and is a share."""
    assert 0 < rehearsed.bound(one) <= 1
    assert (one < other) <= (rehearsed.bound(one) >= rehearsed.bound(other))


def test_the_rule_of_three():
    """Of 300 clean ones about 1 % may be over it; of none, all."""
    assert rehearsed.bound(300) == pytest.approx(3 / 300, rel=0.01)
    assert rehearsed.bound(59) < 0.05 < rehearsed.bound(58)
    assert rehearsed.bound(0) == 1.0


UPPERS = st.none() | st.floats(0, 60)
ONE = st.builds(
    lambda hours, upper, verdict, lost, dual, valid: (hours, upper, verdict, lost, dual, valid),
    st.floats(0, 24 * 60), UPPERS, st.sampled_from(["passed", "failed", "unknown", "unfinished"]),
    st.none() | st.integers(0, 5), st.none() | st.sampled_from([0.0, 0.5]), st.booleans(),
)  # fmt: skip


@given(st.lists(ONE, max_size=12))
def test_go_is_never_said_of_what_is_bad_or_not_known(rows):
    """Whatever was rehearsed, and in whatever order."""
    found = [
        measured(
            number, hours=hours, verdict=verdict, dual=dual, services=(service(upper, mode="write", lost=lost, valid=valid),)
        )
        for number, (hours, upper, verdict, lost, dual, valid) in enumerate(rows)
    ]  # fmt: skip
    known = rehearsals(*found)
    named = {gate.name: gate.answer for gate in rehearsed.gates(known)}
    fresh = known.planned
    if named[OFTEN] is Answer.GO:
        assert sum(one.verdict == "passed" for one in fresh) >= 3
    if named[BUDGET] is Answer.GO:
        assert fresh
        assert all(one.at_one_go is not None and one.at_one_go <= 5 for one in fresh)
    if named[LOST] is Answer.GO:
        assert fresh
        assert not any(each.lost for one in fresh for each in one.services)
    if named[DUAL] is Answer.GO:
        assert not any(one.dual for one in fresh)


@given(st.lists(st.sampled_from(list(Answer)), max_size=6))
def test_the_whole_is_go_only_if_all_are(answers):
    """And no gate at all is nothing known."""
    assert (worst(answers) is Answer.GO) == (bool(answers) and set(answers) == {Answer.GO})
    assert (worst(answers) is Answer.NO_GO) == (Answer.NO_GO in answers)
