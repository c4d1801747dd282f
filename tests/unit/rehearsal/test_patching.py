# SPDX-License-Identifier: MIT
"""A patch day in memory: the way on which all goes well, each red gate with its way back, and each step that fails."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import DeadlineExceeded, Indeterminate, Refused, Unsupported
from pytest_harehearse.events import GateReached, Noted, StepFinished, StepStarted
from pytest_harehearse.faults import drain as drains
from pytest_harehearse.inventory.model import Node
from pytest_harehearse.rehearsal import cluster as cluster_module
from pytest_harehearse.rehearsal import node as node_module
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.patching import validation, workflow
from pytest_harehearse.rehearsal.patching.errors import GateRed, GateUnknown
from pytest_harehearse.rehearsal.patching.facade import Conduct, Patching
from pytest_harehearse.rehearsal.patching.patches import command, packages, reboot
from pytest_harehearse.rehearsal.patching.validation import Check
from pytest_harehearse.rehearsal.patching.workflow import verdict_of
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.remote.base import Script, Unknown
from pytest_harehearse.safety.journal import Journal
from unit.rehearsal.patch_lab import Hosts

QUICK = {"soak": "1ms", "back": "200ms", "reboot": "200ms"}
PATCH = command("patch-it", reboots=True)


@pytest.fixture
def hosts(monkeypatch):
    for module in (cluster_module, node_module, drains):
        monkeypatch.setattr(module, "POLL_S", 0.001)
    monkeypatch.setattr(drains, "PROOF_S", 0.02)
    monkeypatch.setattr(validation, "POLL_S", 0.001)
    monkeypatch.setattr(validation, "SETTLE_S", 0.02)
    return Hosts()


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path)


@pytest.fixture
def patched(described, hosts, recorder, journal):
    """The cluster and its ``patching``."""

    def make(names=("n1", "n2"), **options):
        hosts.__init__(names)
        nodes = tuple(Node(name) for name in names)
        made = Cluster(
            dataclasses.replace(described, manager="pacemaker", provider="lxd", nodes=nodes, group="web"), hosts,
            hosts.channels,
        )  # fmt: skip
        made.attend(recorder, Striker(made.id, "run-1", journal, recorder))
        return made, Patching(made, **options)

    return make


def steps_of(events):
    begun = {event.step: event for event in events if isinstance(event, StepStarted)}
    return [
        (f"{begun[event.step].name} {begun[event.step].node}".strip(), event.outcome)
        for event in events
        if isinstance(event, StepFinished)
    ]


def test_one_look_between_two_writes_is_no_verdict(patched, hosts, monkeypatch):
    """A cluster that is not whole at one look is looked at again before a gate is red for it."""
    real, looks = hosts.state, itertools.count()

    def blinking(deadline=3.0):
        found = real(deadline)
        return dataclasses.replace(found, incomplete="n2 lags for an instant") if next(looks) % 2 else found

    monkeypatch.setattr(hosts, "state", blinking)
    _, patching = patched()
    assert patching.standby_first(PATCH, **QUICK).gates == {"A": "GO", "B": "GO", "C": "GO"}


def test_all_goes_well(patched, hosts, events):
    """Each node once, the standby first, every gate green with its evidence, and nothing left drained."""
    cluster, patching = patched()
    day = patching.standby_first(PATCH, **QUICK)
    assert hosts.did == [
        "switchover n2", "switchover n1",
        "drain n2", "patch-it n2", "reboot n2", "undrain n2",
        "switchover n2",
        "drain n1", "patch-it n1", "reboot n1", "undrain n1",
    ]  # fmt: skip
    assert day.gates == {"A": "GO", "B": "GO", "C": "GO"}
    assert day.mixed is not None
    assert day.cheap_way_back_until == "gate B"
    assert day.aside == []
    assert cluster.active == "n2"
    assert {outcome for _, outcome in steps_of(events)} == {"done"}
    gate = next(event for event in events if isinstance(event, GateReached))
    assert [(row["name"], row["node"], row["ok"]) for row in gate.evidence] == [
        (name, "n2", True) for name in ("member", "boot id", "kernel", "failed units", "packages", "fencing")
    ]


def test_more_than_two_nodes_and_back_again(patched, hosts):
    """Replicas first, one after the other; asked for, the service returns to the original."""
    cluster, patching = patched(("n1", "n2", "n3"))
    patching.standby_first(PATCH, prove_switchover=False, switchback=True, **QUICK)
    assert [one for one in hosts.did if one.startswith(("patch", "switch"))] == [
        "patch-it n2", "patch-it n3", "switchover n2", "patch-it n1", "switchover n1",
    ]  # fmt: skip
    assert cluster.active == "n1"


def test_a_red_gate_a_sets_the_standby_aside(patched, hosts, events, journal):
    """Users felt nothing: no switchover was made, and what is patched badly is out of the cluster, on purpose."""
    cluster, patching = patched()

    def test_page_is_whole(cluster, node):
        assert node.name != "n2", "the page is empty"

    with pytest.raises(
        GateRed, match=r"gate A is NO-GO: page is whole of n2: AssertionError: the page is empty"
    ) as red:
        patching.standby_first(PATCH, prove_switchover=False, checks=[test_page_is_whole], **QUICK)
    assert str(red.value).endswith(
        "n2 is left aside; n1 serves, and is not patched. What is missing: n2 could not take over: n2 standby drained."
    )
    assert not any(one.startswith("switchover") for one in hosts.did)
    assert "patch-it n1" not in hosts.did
    assert hosts.drained == {"n2"}
    cluster.striker.undo_all()
    assert hosts.drained == {"n2"}
    assert journal.still_open() == []
    assert "n2 is left drained on purpose" in next(event.text for event in events if isinstance(event, Noted))


def test_a_red_gate_b_goes_back(patched, hosts):
    """It broke only once it served: the service returns to the original, which nobody has touched."""
    cluster, patching = patched()

    def serves_well(cluster, node):
        assert cluster.active != "n2", "slow under load"

    with pytest.raises(
        GateRed, match=r"gate B is NO-GO: serves well of n2.*The service is back on n1, which is not patched, after"
    ):
        patching.standby_first(PATCH, prove_switchover=False, checks=[serves_well], **QUICK)
    assert cluster.active == "n1"
    assert "patch-it n1" not in hosts.did


def test_what_is_not_known_is_not_green(patched, hosts):
    """A check that could not be established stops the day at the gate, and is not called a failure."""
    _, patching = patched()

    def backup_is_fresh(cluster, node):
        raise Indeterminate("the backup server does not answer")

    with pytest.raises(
        GateUnknown, match=r"gate A is UNKNOWN: backup is fresh of n2: the backup server does not answer"
    ):
        patching.standby_first(PATCH, prove_switchover=False, checks=[backup_is_fresh], **QUICK)
    assert "patch-it n1" not in hosts.did


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda hosts: hosts.failed["n2"].append("nginx.service"), "failed units of n2: failed since: nginx.service"),
        (
            lambda hosts: hosts.packages["n2"].update(libc="3"),
            "packages of n2: not meant to change: libc; libc 2 ii → 3 ii",
        ),
        (lambda hosts: setattr(hosts, "unfenced", "its device is gone"), "fencing of n2: its device is gone"),
        (lambda hosts: hosts.packages["n2"].update(nginx="1.1 iU\nx 1"), "packages of n2: "),
    ],
)
def test_what_a_node_says_makes_the_gate_red(patched, hosts, monkeypatch, break_it, said):
    """Failed units, packages that nobody meant, fencing that is gone: each by name, in the gate's sentence."""
    _, patching = patched()
    real = hosts.undrain
    monkeypatch.setattr(hosts, "undrain", lambda node, deadline=1: (break_it(hosts), real(node))[1])
    with pytest.raises(GateRed) as red:
        patching.standby_first(reboot(), prove_switchover=False, **QUICK)
    assert said in str(red.value)


def test_a_unit_that_had_failed_before_is_no_reason(patched, hosts):
    """It is said, and is not blamed on the patch."""
    _, patching = patched()
    hosts.failed["n2"].append("old.service")
    assert patching.standby_first(reboot(), prove_switchover=False, **QUICK).gates["C"] == "GO"


def test_a_patch_that_fails_keeps_its_node_out(patched, hosts):
    """The original serves, the half-patched node is aside, the message says what the tool said."""
    cluster, patching = patched()
    hosts.status["n2"] = 100
    with pytest.raises(
        GateRed, match=r"gate A is NO-GO: patch of n2: the patch command failed on n2 with status 100: no space"
    ):
        patching.standby_first(PATCH, prove_switchover=False, **QUICK)
    assert hosts.drained == {"n2"}
    assert cluster.active == "n1"


def test_a_node_that_never_comes_back(patched, hosts, events):
    """The wait ends at its deadline, the cluster serves, and nobody pretends that it is whole."""
    cluster, patching = patched()
    hosts.stuck.add("n2")
    with pytest.raises(
        GateRed, match=r"reboot of n2: n2 did not boot within 200 ms; seen last: no route to host"
    ) as red:
        patching.standby_first(PATCH, prove_switchover=False, **QUICK)
    assert isinstance(red.value.__cause__, DeadlineExceeded)
    assert cluster.active == "n1"
    assert steps_of(events)[-2:] == [("reboot n2", "failed"), ("gate", "failed")]


def test_a_switchover_that_fails_in_the_middle_goes_back(patched, hosts, monkeypatch):
    """The patched node cannot serve, the cluster itself starts it where it was: what cannot serve is set aside."""
    cluster, patching = patched()
    real = hosts.switchover

    def no_service_there(state, to, deadline):
        real(state, to, deadline)
        hosts.active = "n1"
        return "moved"

    monkeypatch.setattr(hosts, "switchover", no_service_there)
    with pytest.raises(GateRed, match=r"gate B is NO-GO: switchover of n2: .*the switchover was accepted"):
        patching.standby_first(PATCH, prove_switchover=False, switchover="50ms", **QUICK)
    assert cluster.active == "n1"
    assert hosts.did[-2:] == ["switchover n2", "drain n2"]


def test_a_patch_that_is_unknown_is_no_failure(patched, hosts, monkeypatch):
    """The connection was lost in the middle: nobody knows, nothing goes on, the node is out of the way."""
    _, patching = patched()
    real = type(hosts.channels["n2"]).run

    def cut(self, command, **options):
        if not isinstance(command, Script) and command[0] == "patch-it" and self.node == "n2":
            return Unknown("the connection was lost", 1.0)
        return real(self, command, **options)

    monkeypatch.setattr(type(hosts.channels["n2"]), "run", cut)
    with pytest.raises(
        GateUnknown, match=r"gate A is UNKNOWN: patch of n2: Whether the patch command was done on n2 is not"
    ):
        patching.standby_first(PATCH, prove_switchover=False, **QUICK)
    assert hosts.drained == {"n2"}


@pytest.mark.parametrize("problem", ["tool", "member"])
def test_nothing_is_done_to_a_cluster_that_cannot_be_patched(patched, hosts, problem):
    """Neither without the tool on every node, nor on a cluster that is not whole."""
    _, patching = patched()
    if problem == "tool":
        with pytest.raises(
            Refused, match=r"command cannot be done, so nothing was patched: n1 has no program 'no-such'"
        ):
            patching.standby_first(command("no-such"), **QUICK)
    else:
        hosts.drained.add("n2")
        with pytest.raises(Refused, match=r"has no active node with a standby, so nothing was patched: n1 active"):
            patching.standby_first(PATCH, **QUICK)
    assert hosts.did == []


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("held", "n3: it cannot be installed: nginx is held there (apt-mark unhold nginx)."),
        ("no_repository", "n3: its package lists could not be fetched: E: Failed to fetch file:/srv/x/Packages."),
    ],
)
def test_one_node_that_cannot_take_the_packages_stops_all(patched, hosts, journal, trouble, said):
    """The dry run is made on every node before the first is touched, the last one too."""
    _, patching = patched(("n1", "n2", "n3"))
    getattr(hosts, trouble).add("n3")
    with pytest.raises(Refused) as refused:
        patching.standby_first(packages("nginx"), **QUICK)
    assert str(refused.value) == f"packages nginx cannot be done, so nothing was patched: {said}"
    assert hosts.did == []
    assert journal.still_open() == []


@pytest.mark.parametrize("trouble", ["behind", "drained"])
def test_a_standby_that_is_not_well_beforehand(patched, hosts, journal, trouble):
    """Not in sync, or drained by somebody else: nothing is done, and their drain is left as it is."""
    cluster, patching = patched(("n1", "n2", "n3"))
    getattr(hosts, trouble).add("n3")
    with pytest.raises(Refused, match=r"^n3 could not take over, so nothing was patched: n1 active running; n2 .*n3 "):
        patching.standby_first(PATCH, **QUICK)
    cluster.striker.undo_all()
    assert hosts.did == []
    assert getattr(hosts, trouble) == {"n3"}
    assert journal.still_open() == []


def test_a_drain_that_somebody_makes_meanwhile_is_not_taken_over(patched, hosts, monkeypatch):
    """After the preflight a person drains the standby: it is not patched, and nobody lets it in behind their back."""
    cluster, patching = patched()
    real = hosts.switchover

    def person(state, to, deadline):
        hosts.drained |= {"n2"} if to == "n1" else set()
        return real(state, to, deadline)

    monkeypatch.setattr(hosts, "switchover", person)
    with pytest.raises(DeadlineExceeded, match=r"not redundant within 200 ms, because n2 could not take over"):
        patching.standby_first(PATCH, prove_switchover=True, **QUICK)
    cluster.striker.undo_all()
    assert hosts.did == ["switchover n2", "switchover n1"]
    assert hosts.drained == {"n2"}
    assert cluster.active == "n1"


def test_a_drain_right_before_ours_is_not_taken_over(patched, hosts, monkeypatch):
    """The person came between the preflight and our drain: the node is theirs, not patched, and stays drained."""
    cluster, patching = patched()
    real = workflow.facts
    monkeypatch.setattr(workflow, "facts", lambda channel: (hosts.drained.add("n2"), real(channel))[1])
    with pytest.raises(
        GateRed, match=r"gate A is NO-GO: drain of n2: .*n2 is drained already, and not by this rehearsal"
    ):
        patching.standby_first(PATCH, prove_switchover=False, **QUICK)
    cluster.striker.undo_all()
    assert not [one for one in hosts.did if one.startswith(("patch-it", "reboot", "undrain", "switchover"))]
    assert hosts.drained == {"n2"}
    assert cluster.active == "n1"


def test_a_cluster_of_one_has_no_standby(patched, hosts):
    """There is nothing that could serve meanwhile, and that is said instead of tried."""
    _, patching = patched(("n1",))
    with pytest.raises(Unsupported, match=r"lab/web has one node, so there is no standby to patch first\.$"):
        patching.standby_first(PATCH, **QUICK)
    with pytest.raises(
        Refused, match=r"the order n1 cannot be followed, so nothing was patched; name two or more of n1"
    ):
        patching.nodes(["n1"], PATCH, **QUICK)
    assert hosts.did == []


def test_a_node_that_is_fenced_during_its_reboot(patched, hosts):
    """It boots once more than was asked for: waited for within the same deadline, rebooted by us only once."""
    cluster, patching = patched()
    hosts.fenced["n2"] = 4
    day = patching.standby_first(PATCH, prove_switchover=False, soak="1ms", back="5s", reboot="10s")
    assert hosts.fenced == {"n2": 0}
    assert day.gates == {"A": "GO", "B": "GO", "C": "GO"}
    assert [one for one in hosts.did if one.endswith("n2")].count("reboot n2") == 1
    assert hosts.drained == set()
    assert cluster.state().redundancy_limitation() is None


@pytest.mark.parametrize("prove", [True, False])
def test_a_switchover_that_is_refused(patched, hosts, prove):
    """The manager is asked before anything is patched; what it says only later is no word against the patched standby."""
    cluster, patching = patched()
    hosts.stays = "web would not stay on n2"
    with pytest.raises(
        Refused, match=r"the service could not move to n2, so nothing was patched: web would not stay on n2"
    ):
        patching.standby_first(PATCH, prove_switchover=prove, **QUICK)
    assert (cluster.active, hosts.did) == ("n1", [])


def test_a_switchover_that_is_refused_after_gate_a(patched, hosts):
    """The original serves on; the standby is patched and well, so it stays in and the cluster redundant."""
    cluster, patching = patched()
    real, hosts.stays = hosts.undrain, None

    def undrain(node, deadline=120.0):
        hosts.stays = "web would not stay on n2"
        return real(node, deadline)

    hosts.undrain = undrain
    with pytest.raises(GateRed, match=r"gate B is NO-GO: switchover of web: .*would not stay on n2") as red:
        patching.standby_first(PATCH, prove_switchover=False, **QUICK)
    assert str(red.value).endswith("Every node is in and in sync.")
    assert (cluster.active, hosts.drained) == ("n1", set())
    assert "patch-it n1" not in hosts.did


def test_nodes_that_would_get_other_versions(patched, hosts, monkeypatch):
    """Their repositories differ: found out before the first is touched."""
    _, patching = patched()
    monkeypatch.setattr(
        type(packages("x")), "candidates", lambda self, node, channel: {"nginx": "2.0" if node == "n1" else "1.0"}
    )
    with pytest.raises(Refused) as refused:
        patching.standby_first(packages("nginx"), **QUICK)
    assert str(refused.value) == (
        "packages nginx would not be the same on every node, so nothing was patched: nginx 1.0 on n2; nginx 2.0 on n1. Their "
        "repositories differ."
    )
    assert hosts.did == []


def test_the_way_back_on_purpose(patched, hosts, events):
    """Green but for the purpose: the original serves again, and the rehearsal goes on."""
    cluster, patching = patched()
    day = patching.rehearse_rollback(PATCH, **QUICK)
    assert day.gates == {"A": "GO", "B": "NO-GO"}
    assert cluster.active == "n1"
    assert "patch-it n1" not in hosts.did
    assert day.took["way back"] >= 0
    assert any("red on purpose" in event.text for event in events if isinstance(event, Noted))


def test_a_gate_that_is_really_red_is_no_rehearsal(patched, hosts):
    """A rollback that had a reason must not pass as one that was only tried."""
    _, patching = patched()

    def never(cluster, node):
        raise AssertionError("broken")

    with pytest.raises(GateRed, match=r"gate A is NO-GO: never of n2: AssertionError: broken"):
        patching.rehearse_rollback(PATCH, gate="A", checks=[never], **QUICK)
    with pytest.raises(TypeError, match=r"takes 'A' or 'B', not 'C'"):
        patching.rehearse_rollback(PATCH, gate="C")


def test_an_order_of_ones_own(patched, hosts):
    """The active node first, if one insists: the service leaves it before."""
    _, patching = patched(("n1", "n2", "n3"))
    day = patching.nodes(["n1", "n3"], PATCH, **QUICK)
    assert hosts.did == [
        "switchover n3", "drain n1", "patch-it n1", "reboot n1", "undrain n1",
        "switchover n1", "drain n3", "patch-it n3", "reboot n3", "undrain n3",
    ]  # fmt: skip
    assert day.gates == {"C": "GO"}
    for wrong in ([], ["n1"], ["n1", "n1"], ["n1", "n9"]):
        with pytest.raises(
            Refused, match=r"cannot be followed, so nothing was patched; name two or more of n1, n2, n3"
        ):
            patching.nodes(wrong, PATCH)


def test_in_place(patched, hosts):
    """Nothing moves: the manager looks away while the active node is patched; without such a mode it is not done."""
    cluster, patching = patched()
    patching.in_place(PATCH, **QUICK)
    assert hosts.did == ["maintenance on", "patch-it n1", "reboot n1", "maintenance off"]
    assert cluster.active == "n1"
    cluster._described = dataclasses.replace(cluster.described, manager="sentinel", provider="embedded")
    with pytest.raises(Unsupported, match=r"pacemaker has no maintenance mode, so that the service would move away"):
        patching.in_place(PATCH)


def test_a_person_may_say_no_at_a_gate(patched, hosts):
    """Asked with the evidence at every green gate; a no takes the way back."""
    asked = []

    def ask(step, evidence):
        asked.append((step.gate, len(evidence)))
        return "back" if step.gate == "B" else "go"

    cluster, patching = patched(conduct=Conduct(ask=ask))
    with pytest.raises(GateRed, match=r"gate B is NO-GO: whoever decides of web: back"):
        patching.standby_first(PATCH, prove_switchover=False, **QUICK)
    assert asked == [("A", 6), ("B", 1)]
    assert cluster.active == "n1"


def test_limits_that_there_are(patched):
    """A typing error in a deadline is told, with what there is."""
    _, patching = patched()
    with pytest.raises(TypeError, match=r"unknown limit rebot; there are patch, reboot, switchover, drain, back, soak"):
        patching.standby_first(PATCH, rebot="5min")


@given(st.lists(st.sampled_from([True, False, None])))
def test_the_verdict_of_a_gate(found):
    """Worst wins; nothing looked at is not known, never GO."""
    verdict = verdict_of([Check("x", "n", ok=ok, detail="") for ok in found])
    assert (verdict == "NO-GO") is (False in found)
    assert (verdict == "GO") is (bool(found) and all(ok is True for ok in found))
