# SPDX-License-Identifier: MIT
"""What other tools get wrong, each by name: the same situation, and that we do not. Real servers: tests/real/test_peers_*."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

import pytest_harehearse
from pytest_harehearse import clock
from pytest_harehearse.errors import DeadlineExceeded, HarehearseError, Indeterminate, NotSettled, Unsupported
from pytest_harehearse.faults import power, stack
from pytest_harehearse.faults.base import Armed, Scene
from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.faults.partition import partition
from pytest_harehearse.inventory.load import load
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.inventory.model import Node
from pytest_harehearse.managers import pacemaker
from pytest_harehearse.managers.state import PRIMARY, REPLICA, UNREACHABLE, ClusterState, Member
from pytest_harehearse.probes.attempts import Attempt, Outcome
from pytest_harehearse.probes.interruption import outages
from pytest_harehearse.probes.measurement import measure
from pytest_harehearse.probes.schedule import Schedule
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.faults import Faults
from pytest_harehearse.rehearsal.limits import Measured, judge, raise_for
from pytest_harehearse.rehearsal.recorder import Recorder
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.remote.base import Done, Unknown
from pytest_harehearse.remote.local import LocalChannel
from pytest_harehearse.safety.journal import Journal

DESCRIBED = Described("lab", "web", "lab", "patroni", (Node("n1"), Node("n2")))


def state(active):
    """Two nodes, one of them active; None: none."""
    members = [
        Member(name, PRIMARY, "running", 1, witness_primary=True)
        if name == active
        else Member(name, REPLICA, "running", 1, 0, streaming=True, witness_primary=False)
        for name in ("n1", "n2")
    ]
    return ClusterState(tuple(members))


class Manager:
    """Says what it is told, and keeps what it was asked; it can nothing but be asked."""

    name = "patroni"

    def __init__(self, now=None):
        self.now = state("n1") if now is None else now
        self.asked = []

    def state(self, deadline=3.0):
        self.asked.append("state")
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        self.asked.append(name)
        raise AttributeError(name)


class Fault(Armed):
    """Does as it is told, and keeps the order of what was done."""

    name, target, strike_text, undo_text = "stack_kill", "n1", "break it", "mend it"

    def __init__(self, **errors):
        self.calls, self.errors = [], errors

    def __getattr__(self, name):
        if name not in {"limitation", "strike", "effect", "undo", "undone"}:
            raise AttributeError(name)

        def called():
            self.calls.append(name)
            said = self.errors.get(name)
            if isinstance(said, BaseException):
                raise said
            return "struck" if name == "strike" else said

        return called


@pytest.fixture
def events():
    return []


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "store")


@pytest.fixture
def striker(journal, events):
    return Striker("lab/web", "run-1", journal, Recorder(events.append, "r"))


def cluster(manager, events):
    made = Cluster(DESCRIBED, manager)
    made.attend(Recorder(events.append, "r"))
    return made


def outcomes(events):
    return [event.outcome for event in events if type(event).__name__ == "ActionFinished"]


def asks(*outcomes_, every=0.1):
    """One attempt an interval, each answered at once."""
    return [Attempt(n, n * every, n * every, n * every + 0.001, one) for n, one in enumerate(outcomes_)]


# -- Azure/sap-automation-qa ------------------------------------------------------------------------------------------


def test_staf_1_1_1_seconds_are_measured_at_the_service(events):
    """STAF's "duration" is from its timer to both roles being back, a string of whole seconds; no probe asks the service."""
    seen = measure(asks(Outcome.OK, Outcome.REFUSED, Outcome.REFUSED, Outcome.OK, Outcome.OK), every=0.1, complete=True)
    assert 0.09 < seen.total_lower <= seen.total_upper < 0.31


def test_staf_1_1_2_a_wait_has_an_end_and_sleeps(events):
    """STAF's wait for "a primary was found" neither sleeps nor ends, in the very state that is interesting."""
    manager = Manager(state(None))
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"not within 600 ms: a primary\. Seen last: n1 replica"):
        cluster(manager, events).until("a primary", lambda c: c.active is not None, within="600ms")
    assert time.monotonic() - began < 20
    assert len(manager.asked) < 20


def test_staf_1_1_3_an_exception_is_not_success(events):
    """STAF's status checker sets SUCCESS in the line after the exception was handled."""
    wait = cluster(Manager(HarehearseError("crm_mon: not in time")), events)
    with pytest.raises(HarehearseError):
        wait.until("anything", lambda c: c.active == "n1", within="300ms")
    with pytest.raises(HarehearseError, match="not in time"):
        _ = wait.active
    finished = [event for event in events if type(event).__name__ == "WaitFinished"]
    assert [event.outcome for event in finished] != ["done"]


def test_staf_1_1_4_rules_go_also_when_the_test_fails(striker, journal):
    """STAF deletes its iptables rules in the branches of success alone; its rescue block cleans nothing."""
    fault = Fault()
    with pytest.raises(AssertionError, match="neither node died"), striker.struck(fault):
        raise AssertionError("neither node died")
    assert fault.calls == ["limitation", "strike", "effect", "undo", "undone"]
    assert journal.still_open() == []


class PoweredLab:
    """The node is on, whatever a lost packet makes of it."""

    def power_state(self, node):
        return "on"

    def power_off(self, node, deadline=30.0):
        """The order is lost."""
        raise HarehearseError("the power did not answer")

    power_on = freeze = thaw = power_off


def test_staf_1_1_5_one_lost_packet_does_not_take_a_node_down():
    """STAF takes a node for down at the first failed ``nc -w1``; here whoever has the power says so, or it is not proved."""
    fault = power.NodePowerOff(PoweredLab(), "n1")
    with suppress(HarehearseError):
        fault.strike()
    assert fault.effect() == "n1 is on"
    unseen = ClusterState((Member("n1", UNREACHABLE), Member("n2", REPLICA, "running", 1, 0, streaming=True)))
    assert unseen.active is None
    assert "no confirmed primary" in unseen.redundancy_limitation()


class HalfKilledLab:
    """What was to be killed lives on in part."""

    def kill_stack(self, cluster, node):
        return [11, 12]

    def stack_processes(self, cluster, node):
        return [12]

    def start_stack(self, cluster, node):
        """Starts nothing."""


def test_staf_1_1_6_a_fault_does_what_its_name_says():
    """STAF's "primary node crash" is an orderly ``HDB stop``; ours is proved, and no name promises another's doing."""
    fault = stack.StackKill(HalfKilledLab(), "web", "n1")
    fault.strike()
    assert fault.effect() == "still alive on n1: pids [12]"
    labels = [kind.label for kind in CATALOGUE.values()]
    assert len(set(labels)) == len(labels)


def test_staf_1_1_7_looking_changes_nothing(events):
    """STAF's pre-validation removes constraints and clears failures: the drift that a rehearsal should report."""
    manager = Manager()
    cluster(manager, events).settle(1.0)
    assert set(manager.asked) == {"state"}
    manager.now = state(None)
    with pytest.raises(NotSettled, match="was not healthy before the rehearsal, so nothing was started"):
        cluster(manager, events).settle(0.1)
    assert set(manager.asked) == {"state"}


class Untouchable:
    """A host that may not be asked for anything."""

    node = "n1"

    def run(self, command, **options):
        raise AssertionError(f"touched by {command}")


def test_staf_1_1_8_there_is_a_dry_run(striker):
    """STAF has none: each of our faults is planned, in words, without a channel and without a lab."""
    scene = Scene(DESCRIBED, Manager(), planned=True)
    fault = Faults(scene, striker).build("net_partition", "n1", "n2")
    assert fault.strike_text.startswith("on n1, drop every packet to and from n2")
    assert "undo.sh" in fault.undo_text


# -- Pacemaker CTS ----------------------------------------------------------------------------------------------------


def test_cts_1_2_wait_without_end(events):
    """CTS's SplitBrainTest waits with a counter that it never counts down; a condition that raises ends here too."""

    def never(_cluster):
        raise HarehearseError("no partition yet")

    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="asking it failed: no partition yet"):
        cluster(Manager(), events).until("the cluster is split", never, within="500ms")
    assert time.monotonic() - began < 20


def test_cts_1_2_the_heal_is_no_straight_line(striker):
    """CTS heals in the line after the test: whatever raises before it, leaves the partition. Ctrl-C among them."""
    for raised in (KeyboardInterrupt(), SystemExit(1), TimeoutError("stable_time")):
        fault = Fault()
        with pytest.raises(type(raised)), striker.struck(fault):
            raise raised
        assert fault.calls[-2:] == ["undo", "undone"]


def test_cts_1_2_what_is_said_is_data_not_log_lines():
    """CTS takes log messages for truth, and breaks when they change; a state here is of members, whatever was logged."""
    texts = Path(pacemaker.__file__).parent
    asked = "".join(file.read_text() for file in texts.glob("*.py") if file.stem in {"view", "judge", "crm_mon"})
    assert "journalctl" not in asked
    assert "/var/log" not in asked
    assert "--output-as=xml" in asked


class Addressed:
    """A node with addresses of both families."""

    node = "n2"

    def run(self, command, **options):
        return Done(0, json.dumps([{"addr_info": [{"local": "10.0.0.2"}, {"local": "fd00::2"}]}]).encode())


def test_cts_1_2_ipv6_is_cut_too():
    """CTS's partition knows IPv4 only: the nodes would go on talking by IPv6."""
    fault = partition({"n1": Untouchable(), "n2": Addressed()}, "n1", ["n2"])
    rules = " ".join(fault._make().arguments)
    assert "10.0.0.2" in rules
    assert "fd00::2" in rules


# -- crmsh crash_test -------------------------------------------------------------------------------------------------


def test_crash_test_1_3_no_effect_is_no_pass(striker, events, journal):
    """crash_test's split brain ends as passed when no fence happened ("should be an error here")."""
    fault = Fault(effect="no packet was dropped in 5 s")
    with (
        pytest.raises(Indeterminate, match="did not take effect for certain: no packet was dropped"),
        striker.struck(fault),
    ):
        raise AssertionError("the body may not run")
    assert outcomes(events) == ["unknown", "done"]
    assert fault.calls[-2:] == ["undo", "undone"]


def test_crash_test_1_3_a_command_that_hangs_is_given_up():
    """crmsh#794: a wait without a timeout hung; every command here has a deadline, and its end is unknown."""
    began = time.monotonic()
    said = LocalChannel("here").run(["sleep", "600"], deadline=0.5)
    assert isinstance(said, Unknown)
    assert "had not ended after 500 ms; it was killed" in said.reason
    assert time.monotonic() - began < 30


def test_crash_test_1_3_the_record_does_not_die_with_the_victim(striker, journal):
    """crash_test keeps its record on the node that it kills; ours is on the runner's disk before the strike."""
    seen = []
    fault = Fault()
    fault.strike = lambda: seen.append(journal.still_open()[0].undo) or "struck"
    with striker.struck(fault):
        assert seen == ["mend it"]


# -- Jepsen -----------------------------------------------------------------------------------------------------------


def test_jepsen_1_4_a_stop_that_no_generator_gave(striker, journal):
    """jepsen#602: the operation that heals is sometimes never generated; here the end of the rehearsal heals what is open."""
    faults = [Fault(), Fault()]
    for fault in faults:
        striker.strike(fault)
    striker.undo_all()
    assert [fault.calls[-2:] for fault in faults] == [["undo", "undone"]] * 2
    assert journal.still_open() == []


@pytest.mark.parametrize("when", ["strike", "effect"])
def test_jepsen_1_4_a_nemesis_that_crashes_heals(striker, journal, when):
    """jepsen#239, #566: a nemesis that throws in the midst of its operation leaves what it did until then."""
    fault = Fault(**{when: RuntimeError("crashed")})
    with pytest.raises(RuntimeError, match="crashed"), striker.struck(fault):
        pass
    assert fault.calls[-2:] == ["undo", "undone"]
    assert journal.still_open() == []


def test_jepsen_1_4_a_teardown_is_never_nothing(striker, journal):
    """Jepsen's node-start-stopper tears down by doing nothing, and a process stays stopped: an undo here is verified."""
    fault = Fault(undone="pid 7 is still stopped")
    with pytest.raises(HarehearseError, match="could not be undone: pid 7 is still stopped"), striker.struck(fault):
        pass
    assert [entry.fault for entry in journal.still_open()] == ["stack_kill"]


# -- Chaos Toolkit ----------------------------------------------------------------------------------------------------


def test_chaostoolkit_1_5_undo_runs_when_the_body_fails(striker):
    """Rollbacks are not executed by default when the experiment failed or was interrupted (chaostoolkit#195)."""
    for raised in (ValueError("failed"), KeyboardInterrupt()):
        fault = Fault()
        with pytest.raises(type(raised)), striker.struck(fault):
            raise raised
        assert fault.calls.count("undo") == 1


def test_chaostoolkit_1_5_the_state_is_looked_at_after_the_undo(striker, events):
    """The steady state is not re-checked after a rollback (lib#94); an undo here is done only when nothing is left."""
    with pytest.raises(HarehearseError), striker.struck(Fault(undone="its table is still there")):
        pass
    assert outcomes(events) == ["done", "failed"]


def test_chaostoolkit_1_5_an_interval_does_not_wait_for_answers():
    """The continuous check waits a full frequency after each answer: the slower the service, the fewer the asks."""
    schedule = Schedule(100.0, 0.1, seed=1)
    due = [schedule.next()[1] for _ in range(50)]
    assert all(late - early < 0.1 for early, late in pairwise(due))


def test_chaostoolkit_1_5_the_first_failure_does_not_end_the_series():
    """The first probe that fails ends its series there; here it is where the measuring begins."""
    found = outages(asks(Outcome.OK, Outcome.TIMEOUT, Outcome.OK, Outcome.TIMEOUT, Outcome.OK))
    assert len(found) == 2


def test_chaostoolkit_1_5_the_journal_is_not_written_at_the_end(striker, tmp_path):
    """Their journal is written when all is over, and a SIGKILL loses it; ours is read here by somebody else meanwhile."""
    with striker.struck(Fault()):
        [entry] = Journal(tmp_path / "store").still_open("lab/web")
        assert (entry.undo, entry.run) == ("mend it", "run-1")


# -- krkn -------------------------------------------------------------------------------------------------------------


def test_krkn_1_6_another_error_does_not_split_an_outage():
    """krkn's health check makes two outages of one when the error changes, as from 500 to 503."""
    [found] = outages(asks(Outcome.OK, Outcome.REFUSED, Outcome.TIMEOUT, Outcome.WRONG, Outcome.OK))
    assert found.errors == {"refused": 1, "timeout": 1, "wrong answer": 1}


def test_krkn_1_6_an_outage_that_goes_on_at_the_end_is_not_missing():
    """krkn's last period is lost when the loop ends within it; here it is open, and no limit is passed by it."""
    seen = measure(asks(Outcome.OK, Outcome.REFUSED, Outcome.REFUSED), every=0.1, complete=True)
    assert seen.outages[0].open_end
    assert seen.total_upper is None
    found = judge({"interruption": 10.0}, [Measured("page", seen)], None, None, writes=False)
    with pytest.raises(AssertionError, match="its beginning or end was not seen"):
        raise_for(found)


def test_krkn_1_6_the_undo_does_not_lie_in_a_temporary_folder(tmp_path):
    """krkn's rollback files are in the runner's temporary folder unless told otherwise; ours lie beside the inventory."""
    file = tmp_path / "harehearse.toml"
    file.write_text('[environments.lab]\nkind = "lab"\nprovider = "lxd"\n')
    assert load(file).store_path == tmp_path / ".harehearse"


def test_krkn_1_6_a_healthy_cluster_is_no_failure(events):
    """krkn's go/no-go ends with 1 when the signal says *healthy*; here what is healthy lets a rehearsal begin."""
    assert cluster(Manager(), events).settle(0.1) is None
    with pytest.raises(NotSettled):
        cluster(Manager(state(None)), events).settle(0.1)


# -- pg_auto_failover, roachtest, SCT ---------------------------------------------------------------------------------


def test_pgaftest_1_7_no_fault_stands_in_for_another(striker):
    """Ports of old tests had silently swapped one failure for another: what cannot be done is refused, not replaced."""
    faults = Faults(Scene(DESCRIBED, Manager(), lab=HalfKilledLab()), striker)
    with (
        pytest.raises(Unsupported, match="cannot do node_power_off, so nothing was touched"),
        faults.node_power_off("n1"),
    ):
        pass
    with pytest.raises(AttributeError, match=r"There is no fault 'node_crash'\."):
        _ = faults.node_crash


def test_roachtest_1_8_seconds_are_asserted_and_not_capped():
    """roachtest plots a latency that ends at about 60 s and asserts nothing (cockroach#103654)."""
    long = asks(Outcome.OK, *[Outcome.TIMEOUT] * 900, Outcome.OK)
    seen = measure(long, every=0.1, complete=True)
    assert seen.total_lower > 85
    with pytest.raises(AssertionError, match=r"30\.10 s over the limit"):
        raise_for(judge({"interruption": 60.0}, [Measured("page", seen)], None, None, writes=False))


def test_sct_1_9_a_nemesis_that_failed_restores(striker, journal):
    """scylla-cluster-tests#4815: a nemesis that failed left the cluster as it was then."""
    fault = Fault(strike=HarehearseError("half done"))
    with pytest.raises(HarehearseError, match="half done"), striker.struck(fault):
        pass
    assert fault.calls[-2:] == ["undo", "undone"]
    assert journal.still_open() == []


def test_sct_1_9_a_lost_connection_is_neither_failed_nor_passed(striker, events):
    """#6618: a lost ssh marked the nemesis failed while the operation went on; #4329: a pass that was none."""
    with pytest.raises(Indeterminate), striker.struck(Fault(strike=Indeterminate("the connection was lost"))):
        pass
    assert outcomes(events)[0] == "unknown"


def test_sct_1_9_what_cannot_be_done_is_told_apart_from_failing(striker, events, journal):
    """#1347: no word for "not here": limitation comes before anything is touched or written down."""
    fault = Fault(limitation="it is a container")
    with pytest.raises(Unsupported, match="it is a container"), striker.struck(fault):
        pass
    assert (fault.calls, events, journal.still_open()) == (["limitation"], [], [])


def test_sct_1_9_an_error_of_the_clean_up_is_not_swallowed(striker, events, journal):
    """Errors of the clean-up are logged at debug level and forgotten; here the rehearsal fails by them."""
    striker.strike(Fault(undo=HarehearseError("nft: busy")))
    with pytest.raises(HarehearseError, match="nft: busy"):
        striker.undo_all()
    assert outcomes(events) == ["done", "failed"]
    assert len(journal.still_open()) == 1


def test_cts_1_2_the_configuration_is_never_overwritten():
    """CTS can replace the whole CIB. Nothing that we send to a cluster replaces or erases it, nor forces anything upon it."""
    package = Path(pytest_harehearse.__file__).parent
    sent = [path for part in ("managers", "faults", "safety", "rehearsal") for path in (package / part).rglob("*.py")]
    found = [
        path.name
        for path in sent
        if re.search(r"cibadmin[^\n]*(--replace|--erase|-R\\b|-E\\b|--force)", path.read_text())
    ]
    assert len(sent) > 50
    assert found == []


def test_krkn_1_6_a_step_of_the_wall_clock_moves_no_second(monkeypatch):
    """krkn subtracts naive local times. Ours are of one monotonic clock: summer time, NTP and a jump change nothing."""
    before = clock.now()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        assert 0 <= clock.now() - before < 60
        assert clock.now.__module__ == "pytest_harehearse.clock"
    finally:
        monkeypatch.undo()
        time.tzset()
