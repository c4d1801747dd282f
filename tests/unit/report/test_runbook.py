# SPDX-License-Identifier: MIT
"""The runbook of a playbook: as a person reads it, with and without rehearsals, and with hostile names in it."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_harehearse.history.playbooks import Rehearsed, roles
from pytest_harehearse.inventory.model import Cluster, Node
from pytest_harehearse.rehearsal.patching import steps
from pytest_harehearse.rehearsal.patching.by_hand import back_by_hand, by_hand
from pytest_harehearse.rehearsal.patching.patches import packages
from pytest_harehearse.rehearsal.patching.playbook import PARTS, Playbook, differing, playbook
from pytest_harehearse.rehearsal.patching.steps import Step
from pytest_harehearse.report import runbook

CLUSTER = Cluster(
    "prod", "web", "production", "pacemaker", (Node("web1"), Node("web2")), group="g_web", allow=("switchover", "patch"),
    windows=("Tue 01:00-03:00 Europe/Berlin",), contacts=("On call: +49 30 1234",), notes="Tell the shop before gate B.",
)  # fmt: skip
PATCH = packages("openssl", manager="apt", reboots=True)
STEPS = steps.standby_first(PATCH, "web1", ["web2"], drains=True, prove=True, switchback=False)
NODEID = "rehearsals/test_failover_patch.py::test_patch[prod/web]"


def book(**changes):
    made = playbook(PATCH, STEPS, "web1", scenario="0123", described=CLUSTER)
    return dataclasses.replace(made, parts={**made.parts, "version": "1.0", **changes})


def past(run="r-1", verdict="passed", cluster="lab/web", seconds=2.0, **parts):
    took = {role: seconds + number for number, role in enumerate(roles([dataclasses.asdict(step) for step in STEPS]))}
    return Rehearsed(
        run, "2026-11-20T10:00:00+00:00", cluster, "lab", verdict, "f", {**book().parts, "inventory": "other", **parts},
        took, 60.0 + seconds, 0.5,
    )  # fmt: skip


def written(*rehearsals, cluster=CLUSTER, made=None, problems=()):
    return runbook.runbook(
        made or book(), cluster, rehearsals, title="Patch <the> standby *first*", nodeid=NODEID, written="2026-11-23 12:00 UTC",
        problems=problems,
    )  # fmt: skip


def test_the_runbook_is_golden(snapshot):
    """Rehearsed twice as it stands, once as another playbook; one run could not be read."""
    found = written(past("r-3", seconds=4.0), past("r-2"), past("r-1", patch="reboot: x"), problems=["r-0: torn"])
    assert runbook.markdown(found) == snapshot


def test_the_page_is_golden(snapshot):
    """The same as a page."""
    assert runbook.html(written(past("r-3", seconds=4.0), past("r-1", patch="reboot: x"))) == snapshot


@pytest.mark.parametrize(
    ("rehearsals", "said"),
    [
        ((), "This playbook was never rehearsed as it stands here: no time in it is known. Rehearse it first."),
        ((past(version="0.9"),),
         "This playbook was never rehearsed as it stands here: no time in it is known. Rehearse it first."),
        ((past(verdict="failed"),), "Rehearsed once as it stands here, passed never, last 2026-11-20."),
        ((past(seconds=4.0), past(), past(verdict="unknown")),
         "Rehearsed 3 times as it stands here, passed 2 times, last 2026-11-20; it took 1 min 03 s (worst 1 min 04 s); "  # noqa: ISC004
         "users felt interruptions of at most 500 ms each."),
    ],
)  # fmt: skip
def test_how_well_it_is_rehearsed(rehearsals, said):
    """Only rehearsals of this very playbook count, and times only of those that passed."""
    assert written(*rehearsals).verdict == said


def test_the_times_of_a_step_are_those_of_its_role():
    """In the lab the nodes have other names; the median and the worst are of the same turn."""
    found = written(past("r-3", seconds=4.0), past("r-2"), past("r-1", seconds=9.0, scenario="other"))
    assert [line.took for line in found.lines[:2]] == ["3.00 s (worst of 2: 4.00 s)", "4.00 s (worst of 2: 5.00 s)"]


def test_hostile_names_do_nothing():
    """Neither in the page nor in Markdown."""
    evil = dataclasses.replace(CLUSTER, contacts=("<script>alert(1)</script>",), notes="`x` | [a](b)\x1b[2J")
    page, text = runbook.html(written(cluster=evil)), runbook.markdown(written(cluster=evil))
    assert "<script>alert" not in page + text
    assert "\x1b" not in page + text
    assert r"\`x\` \| \[a\](b)" in text


@pytest.mark.parametrize("manager", ["pacemaker", "patroni", "sentinel", "keepalived"])
def test_every_step_can_be_done_by_hand(manager):
    """No step that does something is without a line, and no name is left to be filled in."""
    for step in STEPS:
        lines = by_hand(step, manager, serves="web1", group="g_web")
        assert lines or step.name in {"gate", "audit"} or manager == "keepalived", step.id
        assert not any("{" in line for line in lines)


def test_names_are_quoted():
    """A name that a shell would take apart stays whole."""
    lines = by_hand(Step("switchover", "", "a;b"), "pacemaker", serves="n1", group="g web")
    assert lines[0] == "any node: crm_resource --resource 'g web' --move --node 'a;b'"


def test_the_way_back_by_hand():
    """At gate A the patched node is set aside, at gate B the service moves back, after it nothing is cheap."""
    gate = {step.gate: step for step in STEPS if step.gate}
    assert back_by_hand(gate["A"], STEPS, "pacemaker", original="web1", group="g") == (
        "any node: crm_attribute --node web2 --name standby --update on --lifetime forever",
    )
    assert back_by_hand(gate["B"], STEPS, "patroni", original="web1")[0] == (
        "any node: patronictl switchover --leader web2 --candidate web1 --force"
    )
    assert back_by_hand(gate["C"], STEPS, "pacemaker", original="web1") == ()


def test_a_fingerprint_is_of_the_parts():
    """Which node serves today makes no other playbook; another order, patch, text, version or inventory does."""
    swapped = steps.standby_first(PATCH, "web2", ["web1"], drains=True, prove=True, switchback=False)
    same = playbook(PATCH, swapped, "web2", scenario="0123", described=CLUSTER)
    mine = playbook(PATCH, STEPS, "web1", scenario="0123", described=CLUSTER)
    assert same.fingerprint == mine.fingerprint
    others = [
        playbook(packages("nginx", manager="apt", reboots=True), STEPS, "web1", scenario="0123", described=CLUSTER),
        playbook(PATCH, STEPS[:-1], "web1", scenario="0123", described=CLUSTER),
        playbook(PATCH, STEPS, "web1", scenario="x", described=CLUSTER),
        playbook(PATCH, STEPS, "web1", scenario="0123", described=dataclasses.replace(CLUSTER, lease=9.0)),
        book(version="2"),
    ]
    assert len({one.fingerprint for one in others} | {mine.fingerprint}) == 6
    assert [differing(mine.parts, one.parts) for one in others[:4]] == [
        [PARTS["patch"]], [PARTS["steps"]], [PARTS["scenario"]], [PARTS["inventory"]],
    ]  # fmt: skip
    windows = dataclasses.replace(CLUSTER, windows=(), contacts=(), notes="")
    assert playbook(PATCH, STEPS, "web1", scenario="0123", described=windows).fingerprint == mine.fingerprint
    assert isinstance(mine, Playbook)
