# SPDX-License-Identifier: MIT
"""The switchover and the waits of a cluster: each deadline says what was awaited, how long, and what was seen last."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pytest_harehearse.errors import (
    DeadlineExceeded,
    HarehearseError,
    Indeterminate,
    NotSettled,
    Refused,
    Unreachable,
    Unsupported,
)
from pytest_harehearse.managers.state import REPLICA, ClusterState, Member
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.units import DurationError

ONE_LEFT = ClusterState((Member("n1", REPLICA, "running", 1, 0, streaming=True), Member("n2", "unreachable")))


def kinds(events) -> list[str]:
    return [f"{type(event).__name__} {getattr(event, 'outcome', '')}".strip() for event in events]


def test_what_it_is(cluster):
    """Names as in the inventory, in both vocabularies."""
    assert (cluster.id, cluster.name, cluster.kind) == ("lab/web", "web", "lab")
    assert repr(cluster) == "<cluster lab/web (lab, patroni)>"
    assert [str(node) for node in cluster.nodes.values()] == list(cluster.nodes) == ["n1", "n2"]
    assert cluster.active == cluster.primary == "n1"
    assert cluster.standbys == cluster.replicas == ("n2",)
    assert [service.name for service in cluster.services] == ["page", "api"]


def test_a_switchover(cluster, manager, events):
    """Done when the target is seen active, not when the manager agreed."""
    manager.after = [manager.script[0]] * 3 + manager.after
    assert cluster.switchover(within="2s") == "n2"
    assert kinds(events) == ["ActionStarted", "ActionFinished done"]
    assert (events[0].name, events[0].target, events[0].detail) == (
        "switchover", "n1 → n2", "POST /switchover n1 n2",
    )  # fmt: skip
    assert events[1].detail == "accepted"


def test_a_switchover_that_cannot_be_made(cluster, manager, events):
    """Nothing is begun."""
    manager.limitation = "it is paused"
    with pytest.raises(Refused, match=r"^lab/web: no switchover was asked for, because it is paused\.$"):
        cluster.switchover()
    assert events == []


def test_a_switchover_without_a_standby(cluster, manager, events):
    """Nor without anywhere to go."""
    manager.script = [ClusterState((manager.script[0].members[0], Member("n2", "unreachable")))]
    with pytest.raises(Refused, match=r"because no standby is ready\.$"):
        cluster.switchover()
    assert events == []


def test_a_manager_without_switchover(described, recorder):
    """Is unsupported before anything is touched."""

    class Reader:
        name = "reader"

        def state(self):
            raise AssertionError

        roles = state

    cluster = Cluster(described, Reader())
    cluster.attend(recorder)
    with pytest.raises(Unsupported, match=r"^lab/web: reader has no switchover, so nothing was touched\.$"):
        cluster.switchover()


def test_a_switchover_the_manager_refuses(cluster, manager, events):
    """The action failed, with the manager's own words."""
    manager.answer = Refused("412: no good candidates")
    with pytest.raises(Refused, match="412"):
        cluster.switchover()
    assert kinds(events) == ["ActionStarted", "ActionFinished failed"]
    assert events[1].detail == "412: no good candidates"


@pytest.mark.parametrize("error", [Indeterminate, Unreachable])
def test_an_unanswered_switchover_that_happened(cluster, manager, events, error):
    """What is seen counts, not the lost answer."""
    manager.answer = error("No answer.")
    assert cluster.switchover(within="1s") == "n2"
    assert kinds(events)[-1] == "ActionFinished done"


def test_an_unanswered_switchover_that_was_not_seen(cluster, manager, events):
    """It may still happen: unknown."""
    manager.answer, manager.after = Indeterminate("No answer."), manager.script[:]
    with pytest.raises(Indeterminate) as caught:
        cluster.switchover(within="20ms")
    assert str(caught.value).startswith(
        "lab/web: No answer. n2 was not seen active within 20 ms; seen last: n1 primary running timeline 1; n2 replica"
    )
    assert kinds(events)[-1] == "ActionFinished unknown"


def test_an_accepted_switchover_that_does_not_happen(cluster, manager, events):
    """The deadline is the test's, the failure the cluster's."""
    manager.after = manager.script[:]
    with pytest.raises(DeadlineExceeded) as caught:
        cluster.switchover(to="n2", within=timedelta(milliseconds=20))
    assert str(caught.value).startswith(
        "lab/web: the switchover was accepted (accepted), but n2 was not seen active within 20 ms; seen last: n1 "
    )
    assert isinstance(caught.value, AssertionError)
    assert kinds(events)[-1] == "ActionFinished failed"


@pytest.mark.parametrize("within", [5, "5", "soon", None])
def test_a_deadline_without_a_unit(cluster, events, within):
    """Is an error at every wait, before anything is done."""
    with pytest.raises(DurationError):
        cluster.switchover(within=within)
    with pytest.raises(DurationError):
        cluster.until("it is so", bool, within=within)
    with pytest.raises(DurationError):
        cluster.until_redundant(within=within)
    assert events == []


def test_until(cluster, manager, events, healthy_state):
    """Asks until it is true."""
    manager.script = [healthy_state("n1")] * 3 + [healthy_state("n2")]
    cluster.until("n2 is active", lambda c: c.active == "n2", within="1s")
    assert kinds(events) == ["WaitStarted", "WaitFinished done"]
    assert (events[0].what, events[0].within) == ("n2 is active", 1.0)


def test_until_it_is_too_late(cluster, events):
    """The sentence, the deadline, the state seen last."""
    with pytest.raises(DeadlineExceeded) as caught:
        cluster.until("n2 is active", lambda c: c.active == "n2", within="10ms")
    assert str(caught.value).startswith(
        "lab/web: not within 10 ms: n2 is active. Seen last: n1 primary running timeline 1; n2 replica running"
    )
    assert kinds(events) == ["WaitStarted", "WaitFinished failed"]
    assert events[1].last_seen.startswith("n1 primary")


def test_until_bears_with_what_cannot_be_asked_for_a_moment(cluster):
    """An error of ours is trouble on the way; it is told when time is up."""
    asked = iter([HarehearseError("no route"), True])

    def condition(_):
        answer = next(asked)
        if isinstance(answer, Exception):
            raise answer
        return answer

    cluster.until("it answers", condition, within="1s")

    def never(_):
        raise HarehearseError("no route")

    with pytest.raises(DeadlineExceeded, match=r"asking it failed: no route$"):
        cluster.until("it answers", never, within="5ms")


def test_until_does_not_swallow_the_tests_own_mistakes(cluster, events):
    """A KeyError in the condition is the test's."""
    with pytest.raises(KeyError):
        cluster.until("it is so", lambda c: c.nodes["nothing"], within="1s")
    assert kinds(events) == ["WaitStarted", "WaitFinished failed"]


def test_until_without_a_condition(cluster):
    """Says how it is written."""
    with pytest.raises(TypeError, match=r"needs a condition, as in lambda c: c\.active != before"):
        cluster.until("something")


def test_until_redundant(cluster, manager, recorder, events):
    """Remembers when."""
    manager.script = [ONE_LEFT, ONE_LEFT, manager.script[0]]
    cluster.until_redundant(within="1s")
    assert recorder.redundant_at is not None
    assert kinds(events) == ["WaitStarted", "WaitFinished done"]


def test_until_redundant_and_it_is_not(cluster, manager, recorder):
    """Says which node lacks what."""
    manager.script = [ONE_LEFT]
    with pytest.raises(DeadlineExceeded) as caught:
        cluster.until_redundant(within="5ms")
    reason = ONE_LEFT.redundancy_limitation()
    assert str(caught.value) == (
        f"lab/web: not redundant within 5 ms, because {reason}. Seen last: {ONE_LEFT.describe()}"
    )
    assert recorder.redundant_at is None


def test_settle(cluster, manager):
    """Before a rehearsal the cluster must be well."""
    manager.script = [ONE_LEFT, manager.script[0]]
    cluster.settle(1.0)
    manager.script = [ONE_LEFT]
    with pytest.raises(NotSettled) as caught:
        cluster.settle(0.005)
    assert str(caught.value) == (
        "lab/web was not healthy before the rehearsal, so nothing was started: "
        f"{ONE_LEFT.redundancy_limitation()}. Waited 5 ms; seen last: {ONE_LEFT.describe()}. Heal it first; for a lab: "
        "harehearse lab down lab and harehearse lab up lab"
    )


def test_between_tests_nothing_is_done(cluster, events):
    """There is no rehearsal to record it."""
    cluster.attend(None)
    for act in (cluster.switchover, cluster.until_redundant, lambda: cluster.until("x", bool)):
        with pytest.raises(HarehearseError, match=r"^lab/web was acted on outside a test\."):
            act()
    assert events == []
