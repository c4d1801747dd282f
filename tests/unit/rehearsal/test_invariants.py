# SPDX-License-Identifier: MIT
"""What is looked for on the cluster after every rehearsal, and what is said when it is not as it must be."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_harehearse.errors import Indeterminate
from pytest_harehearse.faults.dead_man import About, DeadMan, Place
from pytest_harehearse.rehearsal import invariants
from pytest_harehearse.rehearsal.limits import DualSeen, Measured, Redundancy
from pytest_harehearse.remote.base import Script, Unreachable
from pytest_harehearse.remote.local import LocalChannel

ABOUT = About("r-1", "lab/web", "net_partition", "n1", "cut", "delete the table", "me@here, pid 1", 0.0)


class Dead:
    """A channel that reaches nothing."""

    def run(self, *_, **__):
        return Unreachable("no route to it")


@pytest.fixture
def place(tmp_path):
    return Place("n1", LocalChannel("n1"), str(tmp_path / "undo"), as_root=False)


def looked(manager, places=(), *, redundancy=None, limited=False, aside=()):
    found = invariants.look(
        manager, places, rehearsal="r", before=["n1", "n2"], aside=aside, redundancy=redundancy, limited=limited,
        patience=0.0,
    )  # fmt: skip
    return {one.name: (one.verdict, one.evidence) for one in found}


def test_all_is_well(manager, place):
    """Nothing pending, nothing lying there, every node in, redundancy back."""
    assert looked(manager, [place], redundancy=Redundancy(3.0, 4.0)) == {
        invariants.LEFTOVERS: ("passed", "no undo of a fault lies on a node, and the manager has nothing pending"),
        invariants.NODES: ("passed", "all that were in before: n1, n2"),
        invariants.REDUNDANT: ("passed", "3.00 s after the first action, limit 5 min 00 s"),
    }


def test_a_folder_of_ours_is_a_leftover(manager, place):
    """It is named, with what it is and how it is undone by hand; once it is gone all is well."""
    timer = DeadMan("netpartition1", lambda: [place], Script("true", ("netpartition1",)), Script("true"), 60.0)
    timer.arm(ABOUT)
    try:
        verdict, evidence = looked(manager, [place])[invariants.LEFTOVERS]
    finally:
        timer.disarm()
    assert verdict == "failed"
    assert evidence == (
        f"{place.root}/netpartition1 lies on n1 (net_partition of n1, run r-1; by hand: delete the table)"
    )
    assert looked(manager, [place])[invariants.LEFTOVERS][0] == "passed"


def test_a_place_that_does_not_answer_is_unknown(manager):
    """What could not be looked at is no proof of anything."""
    verdict, evidence = looked(manager, [Place("n1", Dead(), "/run/harehearse")])[invariants.LEFTOVERS]
    assert (verdict, evidence) == (
        "unknown", "whether something of ours lies in /run/harehearse on n1 is not known: no route to it",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "evidence"),
    [
        ({"pending": "a switchover is scheduled"}, "the manager has something pending: a switchover is scheduled"),
        ({"maintenance": True}, "the cluster is in maintenance still"),
    ],
)
def test_what_the_manager_keeps_is_a_leftover(manager, changes, evidence):
    """Something scheduled, or maintenance."""
    manager.script = [dataclasses.replace(manager.script[0], **changes)]
    assert looked(manager)[invariants.LEFTOVERS] == ("failed", evidence)


def test_a_node_that_stays_out(manager):
    """It is named with its state; left out on purpose it is not missed, nor is redundancy."""
    state = manager.script[0]
    out = dataclasses.replace(state.members[1], role="offline", streaming=None)
    manager.script = [dataclasses.replace(state, members=(state.members[0], out))]
    found = looked(manager, redundancy=Redundancy(None, 301.0))
    assert found[invariants.NODES][0] == "failed"
    assert found[invariants.NODES][1].startswith("n2 is not: n2 offline")
    assert found[invariants.REDUNDANT] == ("failed", "not yet after 5 min 01 s, limit 5 min 00 s")
    aside = looked(manager, aside={"n2"})
    assert aside[invariants.NODES] == ("passed", "all that were in before: n1; n2 was left out on purpose")
    assert aside[invariants.REDUNDANT] == ("passed", "not to be, for n2 was left out on purpose")


def test_a_manager_that_does_not_answer_is_unknown(manager, monkeypatch):
    """Neither leftovers nor nodes are known then."""

    def state(deadline=3.0):
        raise Indeterminate("no answer")

    monkeypatch.setattr(manager, "state", state)
    found = looked(manager, limited=True)
    why = "the state of the cluster could not be learned: no answer"
    assert found == {invariants.LEFTOVERS: ("unknown", why), invariants.NODES: ("unknown", why)}


@pytest.mark.parametrize(
    ("limits", "dual", "lost", "problem", "told"),
    [
        ({}, None, None, None, {}),
        ({}, DualSeen(), 0, None, {invariants.ONE_ACTIVE: "passed", invariants.WRITES: "passed"}),
        ({}, DualSeen(1.0, 2.0), 3, None, {invariants.ONE_ACTIVE: "failed", invariants.WRITES: "failed"}),
        ({}, DualSeen(problem="no"), None, "no", {invariants.ONE_ACTIVE: "unknown", invariants.WRITES: "unknown"}),
        ({"dual_active": 5.0, "lost_writes": 9.0}, DualSeen(1.0, 2.0), 3, None, {}),
    ],
    ids=["not watched", "well", "broken", "unknown", "limits decide"],
)
def test_what_was_measured(limits, dual, lost, problem, told):
    """Two active nodes and lost writes, unless a limit of the mark decides."""
    measured = [] if lost is None and problem is None else [Measured("w", None, None, lost, problem)]
    found = invariants.judge(limits, measured, dual)
    assert {one.name: one.verdict.value for one in found} == told


def test_how_a_broken_one_is_told():
    """By its name and what was seen."""
    (one,) = invariants.judge({}, [Measured("w", None, None, 3)], None)
    assert invariants.describe(one) == 'invariant "acknowledged writes are kept" broken: 3 of w are lost'
    (one,) = invariants.judge({}, [], DualSeen(problem="the runner stalled"))
    assert invariants.describe(one) == (
        'invariant "never two nodes active at once": unknown, because the runner stalled'
    )
