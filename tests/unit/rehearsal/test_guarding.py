# SPDX-License-Identifier: MIT
"""The guard of a production: asked once before each thing that is done, by what the cluster says at that moment."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from pytest_harehearse.errors import DeadlineExceeded, Indeterminate, Refused
from pytest_harehearse.events import GuardAsked
from pytest_harehearse.faults.base import Armed
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.inventory.model import Node as Inventoried
from pytest_harehearse.managers.pacemaker.crm_mon import Failure
from pytest_harehearse.managers.pacemaker.facts import Facts, PacemakerState
from pytest_harehearse.managers.state import ACTIVE, STANDBY, Member
from pytest_harehearse.rehearsal import guarding
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.guarding import Guard, NotAllowed, unfit
from pytest_harehearse.rehearsal.recorder import Recorder
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.safety.arming import Arming
from pytest_harehearse.safety.guard import Wanted
from pytest_harehearse.safety.journal import Journal

NODES = ("n1", "n2", "n3")
SHOP = Described(
    "production", "shop", "production", "pacemaker", tuple(Inventoried(name) for name in NODES), group="web",
    allow=("switchover", "patch", "fault"), windows=("Tue 01:00-03:00 UTC",),
)  # fmt: skip
INSIDE = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
MOVE = Wanted("switchover", "switchover", "n2", 60.0)
REBOOT = Wanted("reboot", "patch", "n2", 300.0, takes_out=True)


def member(name, role=STANDBY, **more):
    return Member(name, role, **{"ready": True if role == STANDBY else None, "witness_primary": role == ACTIVE, **more})


def state(*members, **more):
    """Three nodes, n1 active, all well; ``members`` replace those of their name."""
    known = {"n1": member("n1", ACTIVE), "n2": member("n2"), "n3": member("n3")} | {one.name: one for one in members}
    return PacemakerState(
        tuple(known.values()), **{"maintenance": False, "facts": Facts("web", names={n: n for n in NODES}), **more}
    )


class Manager:
    """Says what it is told to, and writes down what it was asked to do."""

    name = "pacemaker"
    switchover_ways = ()

    def __init__(self):
        self.says = [state()]
        self.did = []

    def state(self, deadline=3.0):
        found = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(found, BaseException):
            raise found
        return found

    def roles(self, deadline=1.0):
        return {}

    def switchover_limitation(self, state, to):
        return None

    def choose_target(self, state):
        return next(iter(state.standbys), None)

    def describe_switchover(self, leader, to):
        return "move"

    def switchover(self, before, to, deadline):
        self.did.append(f"switchover {to}")
        self.says = [state(member("n1"), member(to, ACTIVE))]
        return "moved"

    def drain(self, node, deadline=1.0):
        self.did.append(f"drain {node}")
        self.says = [state(member(node, ready=False))]
        return "drained"

    def undrain(self, node, deadline=1.0):
        self.did.append(f"undrain {node}")
        self.says = [state()]
        return "undrained"

    def maintenance(self, on, deadline=1.0):
        self.did.append(f"maintenance {on}")
        self.says = [state(maintenance=on, pending="the cluster is in maintenance mode" if on else None)]
        return "maintained"

    def cleanup(self, resource=None, deadline=1.0):
        self.did.append("cleanup")
        return "cleaned"

    def fence(self, node, action="reboot", deadline=1.0):
        self.did.append(f"fence {node}")
        return "fenced"

    def fencing_history(self, deadline=1.0):
        return ()


class Silent:
    """A channel that must not be used."""

    def run(self, command, **_):
        raise AssertionError(f"sent: {command}")


class Struck(Armed):
    """A fault that writes down what is done with it."""

    name = "net_partition"
    strike_text = undo_text = "words"

    def __init__(self, did, target="n2"):
        self.did, self.target = did, target

    def limitation(self):
        self.did.append("limitation")

    def strike(self):
        self.did.append("strike")
        return "struck"

    def effect(self):
        return None

    def undo(self):
        self.did.append("undo")

    def undone(self):
        return None


@pytest.fixture
def manager():
    return Manager()


@pytest.fixture
def clock():
    """Minutes of a clock that tests move."""
    return [INSIDE]


@pytest.fixture
def guard(manager, events, clock):
    return Guard(
        SHOP, manager, Arming("production", "CHG1", "ops@desk"), rehearsal="r", write=events.append,
        clock=lambda: clock[0], patience=0.0,
    )  # fmt: skip


@pytest.fixture
def striker(tmp_path, recorder, guard):
    made = Striker(SHOP.id, "run-1", Journal(tmp_path), recorder, guard)
    guard.struck = made.struck_now
    return made


@pytest.fixture
def shop(manager, recorder, striker, guard):
    """The production, armed and in its window."""
    made = Cluster(SHOP, manager, dict.fromkeys(NODES, Silent()))
    made.attend(recorder, striker, guard)
    return made


# -- by what the cluster says ------------------------------------------------------------------------------------------

FAILED = Failure("n3", "nginx", "monitor", "not running", when="Mon")
UNLIKE = [
    (
        {"pending": "the cluster has no quorum"},
        "the cluster is not whole: the cluster has no quorum. Heal it, or wait until it is, and run again",
    ),
    (
        {"pending": "the cluster is in maintenance mode, so it would take nothing over", "maintenance": True},
        (
            "the cluster is not whole: the cluster is in maintenance mode, so it would take nothing over. Heal it, or wait "
            "until it is, and run again"
        ),
    ),
    (
        {"incomplete": "a move left the constraint cli-prefer-web on web"},
        (
            "the cluster is not whole: a move left the constraint cli-prefer-web on web. Heal it, or wait until it is, and run "
            "again"
        ),
    ),
    (
        {"facts": Facts("web", failures=(FAILED,))},
        (
            "something failed there before: monitor of nginx on n3 failed: not running at Mon. Find out why, let the cluster "
            "forget it (crm_resource --cleanup), and run again"
        ),
    ),
]


@pytest.mark.parametrize(("says", "said"), UNLIKE, ids=["quorum", "maintenance", "leftover", "failed"])
def test_a_cluster_that_is_not_whole(says, said):
    """Whatever is wrong with it forbids whatever would be done."""
    assert unfit(state(), MOVE) is None
    assert unfit(state(**says), MOVE) == said
    assert unfit(state(**says), REBOOT) == said


def test_somebody_elses_standby():
    """A node that somebody drained is not whole."""
    drained = member("n3", state="drained", ready=False, problem="it is in standby mode")
    assert unfit(state(drained), MOVE) == (
        "the cluster is not whole: n3 could not take over: n3 standby drained (it is in standby mode). Heal it, or wait "
        "until it is, and run again"
    )


def test_what_this_rehearsal_did_is_no_reason():
    """A node that it drained, and its own maintenance; what failed on a node that it struck."""
    drained = state(member("n2", ready=False))
    assert unfit(drained, REBOOT) is not None
    assert unfit(drained, REBOOT, [("drain", "n2")]) is None
    kept = state(maintenance=True, pending="the cluster is in maintenance mode")
    assert unfit(kept, REBOOT, [("maintenance", "shop")]) is None
    assert unfit(kept, REBOOT, [("drain", "n2")]) is not None
    failed = state(
        facts=Facts("web", names={"n3": "n3.example"}, failures=(dataclasses.replace(FAILED, node="n3.example"),))
    )
    assert unfit(failed, MOVE, (), {"n3"}) is None
    assert unfit(failed, MOVE, (), {"n2"}) is not None


def test_the_active_node_under_our_own_fault_still_counts():
    """A switchover away from a node that we slow down is what is rehearsed."""
    assert unfit(state(), MOVE, [("cpu_pressure", "n1")]) is None


def test_the_last_healthy_node_is_left_alone():
    """With the others drained by ourselves, too."""
    says = state(member("n2", ready=False), member("n3", ready=False))
    found = unfit(says, dataclasses.replace(REBOOT, target="n1"), [("drain", "n2"), ("drain", "n3")])
    assert found == ("n1 is the last healthy node: n1 active; n2 standby; n3 standby. Bring another one back first")


def test_the_nodes_that_are_left_keep_their_quorum():
    """Of three nodes one may go; while one of ours is gone, another one may not."""
    gone = state(member("n3", "offline", ready=None))
    assert unfit(state(), REBOOT) is None
    assert unfit(gone, REBOOT, [("net_partition", "n3")]) == (
        "without n2 only 1 of 3 nodes would be left, and they would have no quorum. Bring another one back first"
    )
    assert unfit(gone, dataclasses.replace(REBOOT, name="drain", takes_out=False), [("net_partition", "n3")]) is None


def test_a_cleanup_may_be_done_with_what_it_is_for():
    """What failed is no reason against forgetting it."""
    assert unfit(state(**UNLIKE[-1][0]), Wanted("cleanup", "patch", "shop", 60.0, heals=True)) is None


# -- asking ------------------------------------------------------------------------------------------------------------


def test_a_refusal_is_unknown_and_changed_nothing(guard, manager, events):
    """It is Refused as any other no, and makes the rehearsal unknown: nothing was tried. It stands on the stream."""
    manager.says = [state(pending="the cluster has no quorum")]
    with pytest.raises(NotAllowed) as refused:
        guard.ask(MOVE)
    assert isinstance(refused.value, Refused)
    assert isinstance(refused.value, Indeterminate)
    assert str(refused.value) == (
        "production/shop (PRODUCTION): switchover of n2 was refused and nothing was changed: the cluster is not whole: the "
        "cluster has no quorum. Heal it, or wait until it is, and run again."
    )
    (event,) = events
    assert isinstance(event, GuardAsked)
    assert (event.name, event.allowed, event.kind, event.change) == ("switchover", False, "production", "CHG1")
    assert event.reason in str(refused.value)


def test_a_permission_stands_on_the_stream_too(guard, events):
    """With the change that it was for."""
    guard.ask(MOVE)
    (event,) = events
    assert (event.name, event.target, event.allowed, event.reason, event.change) == (
        "switchover",
        "n2",
        True,
        "",
        "CHG1",
    )


def test_a_state_that_cannot_be_learned_forbids_it(guard, manager):
    """An error is no permission."""
    manager.says = [Indeterminate("nobody answers")]
    with pytest.raises(NotAllowed, match="the state of the cluster could not be learned: nobody answers"):
        guard.ask(MOVE)


def test_a_cluster_that_has_just_moved_is_given_a_moment(guard, manager, monkeypatch):
    """And says how long it was asked, when that was not enough."""
    monkeypatch.setattr(guarding, "POLL_S", 0.001)
    guard._patience = 5.0
    manager.says = [state(pending="a transition is going on (n1)"), state()]
    guard.ask(MOVE)
    guard._patience = 0.05
    manager.says = [state(pending="a transition is going on (n1)")]
    with pytest.raises(NotAllowed, match=r"a transition is going on \(n1\).* \(asked for 50 ms\)"):
        guard.ask(MOVE)


def test_a_window_that_ended_while_the_state_was_asked(guard, manager, clock):
    """What was allowed at first may not be allowed any more."""
    asked = manager.state

    def late(deadline=3.0):
        clock[0] = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
        return asked()

    manager.state = late
    with pytest.raises(NotAllowed, match="outside the windows"):
        guard.ask(MOVE)


# -- one choke point each ----------------------------------------------------------------------------------------------


def acts(shop, striker, manager):
    """Everything that changes something, by its name."""
    fault = Struck(manager.did)

    def maintain():
        with shop.maintenance(within="5s"):
            pass

    return {
        "switchover": lambda: shop.switchover("n2", within="5s"),
        "drain": lambda: shop.drain("n2", within="5s"),
        "maintenance": maintain,
        "fence": lambda: shop.fence("n2", within="5s"),
        "cleanup": shop.cleanup,
        "strike": lambda: striker.strike(fault),
    }


ACTS = ("switchover", "drain", "maintenance", "fence", "cleanup", "strike")


@pytest.mark.parametrize("act", ACTS)
def test_outside_the_window_nothing_is_asked_of_the_cluster(act, shop, striker, manager, clock):
    """Not even whether a fault could be struck."""
    clock[0] = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
    with pytest.raises(NotAllowed, match="outside the windows"):
        acts(shop, striker, manager)[act]()
    assert manager.did == []


@pytest.mark.parametrize("act", [act for act in ACTS if act != "cleanup"])
def test_on_a_cluster_that_is_not_whole_nothing_is_done(act, shop, striker, manager):
    """The last word before each action is the manager's."""
    manager.says = [state(), state(incomplete="a node is missing")] if act == "switchover" else [state(incomplete="x")]
    with pytest.raises(NotAllowed, match="the cluster is not whole"):
        acts(shop, striker, manager)[act]()
    assert manager.did in ([], ["limitation"])


@pytest.mark.parametrize("act", ACTS)
def test_inside_the_window_it_is_done(act, shop, striker, manager):
    """The guard stands in the way of nothing that is allowed."""
    acts(shop, striker, manager)[act]()
    assert manager.did != []


def test_an_undo_is_never_refused(shop, striker, manager, clock):
    """After the window, on a broken cluster: what was done is taken back."""
    shop.drain("n3", within="5s")
    striker.strike(Struck(manager.did))
    clock[0] = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
    striker.undo_all()
    assert manager.did[-2:] == ["undo", "undrain n3"]


def test_a_reboot_is_guarded(shop):
    """Of a node that is a host: its boot id is read, and nothing else is sent."""
    asked = []

    class Reads:
        def run(self, command, **_):
            from pytest_harehearse.remote.base import Done

            asked.append(list(command))
            return Done(0, b"boot-1")

    shop.channels = dict.fromkeys(NODES, Reads())
    shop.manager.says = [state(incomplete="x")]
    with pytest.raises(NotAllowed, match="reboot of n2 was refused"):
        shop.nodes["n2"].reboot(within="5min")
    assert asked == [["cat", "/proc/sys/kernel/random/boot_id"]]


def test_a_production_that_nobody_guards_is_not_armed(manager, recorder):
    """A cluster that is opened in some other way than by a rehearsal cannot be acted on."""
    made = Cluster(SHOP, manager, dict.fromkeys(NODES, Silent()))
    made.attend(recorder)
    with pytest.raises(NotAllowed, match="is production and not armed for this run"):
        made.switchover("n2", within="5s")
    assert manager.did == []


def test_a_lab_is_not_asked(manager, recorder, tmp_path, events):
    """It has no windows, and its state is looked at before each rehearsal."""
    lab = dataclasses.replace(SHOP, environment="lab", kind="lab", allow=(), windows=())
    made = Cluster(lab, manager, dict.fromkeys(NODES, Silent()))
    made.attend(recorder, Striker(lab.id, "run-1", Journal(tmp_path), recorder, Guard(lab, manager, None)))
    manager.says = [state(), state(member("n2", ACTIVE), member("n1"), incomplete="x")]
    made.switchover("n2", within="5s")
    assert manager.did == ["switchover n2"]
    assert not [event for event in events if isinstance(event, GuardAsked)]


def test_what_is_left_drained_on_purpose_is_ours(shop, striker, manager):
    """The way back from a patch must not be shut by what was set aside on it."""
    shop.drain("n3", within="5s")
    striker.leave("drain", "n3")
    shop.switchover("n2", within="5s")
    assert manager.did == ["drain n3", "switchover n2"]


def test_a_deadline_is_not_taken_for_a_refusal(shop, manager):
    """What the guard allowed and did not come is a failure as before."""
    manager.switchover = lambda before, to, deadline: "moved"
    with pytest.raises(DeadlineExceeded):
        shop.switchover("n2", within="0.1s")


def test_actions_say_that_it_was_production(events):
    """Each on the stream."""
    recorder = Recorder(events.append, "r", "production", live=False)
    with recorder.action("switchover", "n1 → n2"):
        pass
    assert events[0].kind == "production"


def test_the_way_back_is_open_once_something_was_allowed(shop, guard, manager, clock, events):
    """After the window, and on a cluster that is not whole; but it is no way around the guard."""
    clock[0] = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
    with guard.way_back(), pytest.raises(NotAllowed, match="outside the windows"):
        guard.ask(MOVE)
    clock[0] = INSIDE
    shop.switchover("n2", within="5s")
    clock[0] = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
    manager.says = [state(member("n1"), member("n2", ACTIVE), incomplete="x")]
    with shop.way_back():
        shop.switchover("n3", within="5s")
    assert manager.did == ["switchover n2", "switchover n3"]
    asked = [event for event in events if isinstance(event, GuardAsked)]
    assert (asked[-1].allowed, asked[-1].reason) == (True, "the way back of what was allowed")
    with pytest.raises(NotAllowed, match="outside the windows"):
        shop.switchover("n1", within="5s")


def test_setting_a_node_aside_is_a_way_back(shop, manager, clock):
    """What a red gate leaves drained must not wait for a window; without anything done before, it is an action."""
    clock[0] = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
    with pytest.raises(NotAllowed, match="set aside of n2 was refused"):
        shop.set_aside("n2", within="5s")
    clock[0] = INSIDE
    shop.drain("n2", within="5s")
    clock[0] = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
    assert shop.set_aside("n2", within="5s")
    assert manager.did == ["drain n2", "drain n2"]


def test_a_plan_has_a_way_back_too(manager, recorder):
    """A model of a cluster is not guarded."""
    made = Cluster(SHOP, manager)
    made.attend(recorder)
    with made.way_back():
        made.switchover("n2", within="5s")
    assert manager.did == ["switchover n2"]


def test_without_its_lease_nothing_is_done_in_a_lab_either():
    """Somebody else may be acting on the cluster by now."""
    lab = Described("lab", "web", "lab", "pacemaker", (Inventoried("n1"),))
    guard = Guard(lab, None, None)
    guard.ask(Wanted("drain", "patch", "n1", 1.0))
    guard.lease_lost = lambda: "the lease on lab/web was taken over by run r-2"
    with pytest.raises(
        Indeterminate, match=r"lab/web: drain of n1 was not done and nothing was changed, because the lease on"
    ):
        guard.ask(Wanted("drain", "patch", "n1", 1.0))
