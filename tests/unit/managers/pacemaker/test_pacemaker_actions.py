# SPDX-License-Identifier: MIT
"""Drain, maintenance, cleanup, fencing and prediction: told once, and believed only when the cluster shows it."""

from __future__ import annotations

import pytest
from recorded_pacemaker import GONE, MON, VIP, healthy, manager, recording, says

from pytest_harehearse.errors import ConfigError, DeadlineExceeded, Indeterminate, Refused, Unreachable
from pytest_harehearse.managers.pacemaker import PacemakerManager
from pytest_harehearse.remote.base import Done, Unknown

TOLD, HISTORY, FENCE = "kept told crm_", "section history", "section before"
ONE = recording("history.xml")
EMPTY = b'<pacemaker-result><list name="fencing history" count="0"/><status code="0" message="OK"/></pacemaker-result>'


def told(rc=0, text=b""):
    """Answers what tells something."""
    return (TOLD, {"told": (rc, text)})


def shows(*mons):
    """Answers the state with one recording after another, the last again and again."""
    left = list(mons)
    return (MON, lambda _: says("web1", left.pop(0) if len(left) > 1 else left[0]))


def test_drain_waits_until_the_node_is_empty():
    """Recorded: web1 in standby, the group on web2, only fencing left."""
    found = manager(
        healthy(), web2=[told(), shows("group.xml", "standby.xml")], web1=[told(), shows("group.xml", "standby.xml")]
    )
    assert (
        found.drain("web1", 30.0) == "web1 is in standby mode and runs nothing of the cluster (crm_attribute on web2)"
    )
    (asked,) = [one for one in found.channels["web2"].asked if TOLD in one.text]
    assert asked.arguments[2:] == ("web1",)


def test_drain_that_leaves_something_says_what():
    """The node is in standby, and the group is still there."""
    busy = recording("group.xml").replace(b'standby="false"', b'standby="true"')
    found = manager(healthy(), web2=[told(), shows(busy)], web1=[shows(busy)])
    with pytest.raises(DeadlineExceeded, match="Seen last: web-ip, web-nginx still on web1"):
        found.drain("web1", 1.0)


def test_drain_is_not_over_while_the_group_runs_nowhere():
    """Another node could run it and does not yet."""
    nowhere = recording("standby.xml").replace(b'role="Started"', b'role="Starting"')
    found = manager(healthy(), web2=[told(), shows(nowhere)], web1=[shows(nowhere)])
    with pytest.raises(DeadlineExceeded, match="web runs on no node yet"):
        found.drain("web1", 1.0)


def test_undrain_takes_standby_away_and_does_not_mind_that_there_was_none():
    """Called twice it does the same."""
    for rc in (0, 105):
        found = manager(healthy(), web1=[told(rc)], web2=[told(rc)])
        assert "web2 is out of standby mode" in found.undrain("web2", 5.0)


@pytest.mark.parametrize(("on", "shown"), [(True, "maintenance.xml"), (False, "group.xml")])
def test_maintenance_is_seen_before_it_is_said(on, shown):
    """As it is in the cluster's own options."""
    found = manager(healthy(), web1=[told(), shows("maintenance.xml" if not on else "group.xml", shown)])
    assert found.maintenance(on, 5.0) == f"maintenance mode is {'on' if on else 'off'} (crm_attribute on web1)"
    (asked,) = [one for one in found.channels["web1"].asked if TOLD in one.text]
    assert asked.arguments[2:] == (str(on).lower(),)


def test_cleanup_is_over_when_no_failure_is_left():
    """Of that resource, or of all."""
    found = manager(healthy(), web1=[told(), shows("recovered.xml", "group.xml")])
    assert "no failed action of web is left" in found.cleanup("web", 5.0)
    found = manager(healthy(), web1=[told(), shows("recovered.xml")], web2=[shows("recovered.xml")])
    with pytest.raises(DeadlineExceeded, match="monitor of web-nginx on web1 failed"):
        found.cleanup(None, 1.0)
    assert "no failed action of fence-web1" in found.cleanup("fence-web1", 5.0)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ({"told": (105, b"no such object")}, Refused, r"it ended with 105 \(no such object\)"),
        ({"told": (124, b"")}, Indeterminate, "did not end in time"),
        ({}, Indeterminate, "broke off"),
        (Unknown("cut off"), Indeterminate, "may happen"),
    ],
)
def test_what_goes_wrong_in_telling_is_told_apart(answer, error, words):
    """No: refused. No answer: unknown; it is not sent a second time."""
    found = manager(healthy(), web1=[(TOLD, answer)], web2=[(TOLD, answer)])
    with pytest.raises(error, match=words) as caught:
        found.maintenance(True, 2.0)
    assert not isinstance(caught.value, Unreachable)
    assert sum(TOLD in one.text for channel in found.channels.values() for one in channel.asked) == 1


@pytest.mark.parametrize("rc", [102, 127])
def test_a_node_without_pacemaker_is_passed_over(rc):
    """It could change nothing; the other can. When none can, nothing was changed."""
    found = manager(healthy(), web1=[told(rc, b"not connected")], web2=[told(), shows("maintenance.xml")])
    found.channels["web1"].answers[1:] = [(MON, says("web1", mon=(rc, b"")))]
    assert found.maintenance(True, 5.0) == "maintenance mode is on (crm_attribute on web2)"
    found = manager(healthy(), web1=[told(rc)], web2=[told(rc)])
    with pytest.raises(Unreachable, match="nothing was changed"):
        found.maintenance(True, 2.0)


def test_nobody_can_be_told():
    """It was not sent."""
    found = manager({"web1": GONE, "web2": GONE}, web1=[(TOLD, GONE)], web2=[(TOLD, GONE)])
    with pytest.raises(Unreachable, match="nothing was changed"):
        found.maintenance(True, 2.0)


def test_an_effect_that_nobody_can_show_is_unknown():
    """It was told and agreed to, and then no node answered."""
    found = manager(healthy(), web1=[told(), (MON, GONE)], web2=[(MON, GONE)])
    with pytest.raises(Indeterminate, match="no node tells the state of the cluster"):
        found.maintenance(True, 1.0)


def test_a_node_that_is_none_is_refused():
    """Before anything is sent."""
    found = manager(healthy())
    for act in (found.drain, found.undrain, found.fence):
        with pytest.raises(Refused, match="has no node 'web9'"):
            act("web9")


def fences(rc=0, before=EMPTY, after=ONE):
    """Answers a fencing."""
    return (FENCE, {"before": (0, before), "told": (rc, b"said"), "after": (0, after)})


def fenced():
    """The node in the recorded history."""
    return "web1" if b'target="web1"' in ONE else "web2"


def test_fencing_is_believed_by_the_history():
    """Another node is told, and a new success stands in the history."""
    node = fenced()
    other = {"web1": "web2", "web2": "web1"}[node]
    found = manager(healthy(), **{other: [fences()]})
    assert f"reboot of {node} by" in found.fence(node)
    (asked,) = [one for one in found.channels[other].asked if FENCE in one.text]
    assert asked.arguments[2:] == ("--reboot", node, "118")
    assert not found.channels[node].asked


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (fences(before=ONE), Indeterminate, "the fencing history does not show it"),
        (fences(rc=1, after=EMPTY), Refused, "no device was tried"),
        (fences(rc=1, after=ONE.replace(b'"success"', b'"failed"')), Refused, "failed"),
        (fences(rc=124, after=EMPTY), Indeterminate, "nothing new"),
        (fences(rc=127), Refused, "was not found"),
        ((FENCE, {}), Indeterminate, "broke off"),
        ((FENCE, Unknown("cut off")), Indeterminate, "may happen"),
    ],
)
def test_fencing_that_is_not_shown_is_no_success(answer, error, words):
    """Whatever the tool returned."""
    node = fenced()
    other = {"web1": "web2", "web2": "web1"}[node]
    with pytest.raises(error, match=words):
        manager(healthy(), **{other: [answer]}).fence(node)


def test_a_node_is_not_asked_to_shoot_itself():
    """With the only other one out of reach nothing is sent."""
    found = manager(healthy(), web2=[(FENCE, GONE)])
    with pytest.raises(Unreachable):
        found.fence("web1")
    assert not found.channels["web1"].asked
    with pytest.raises(Refused, match="by reboot or off"):
        found.fence("web1", "explode")
    alone = manager({"web1": says("web1", has=[VIP])})
    with pytest.raises(Refused, match="no other node"):
        alone.fence("web1")


def test_the_fencing_history_is_read():
    """Node, how, by whom, and when to a part of a second where it is said."""
    text = ONE.replace(b'Z"', b'.250000Z"')
    found = manager(healthy(), web1=[(HISTORY, {"history": (0, text)})])
    (event,) = found.fencing_history()
    assert (event.node, event.action, event.status) == (fenced(), "reboot", "success")
    assert event.completed.microsecond == 250_000
    assert event.origin in {"web1", "web2"}
    found = manager(healthy(), web1=[(HISTORY, {"history": (1, b"no")})])
    with pytest.raises(Indeterminate, match="could not be read"):
        found.fencing_history()


def recorded(name):
    """Answers a prediction with a recorded one."""
    return ("section copy", lambda asked: Done(0, recording(name).replace(b"@@", asked.arguments[0].encode())))


def test_a_switchover_is_predicted():
    """Where everything runs after it, and by which actions."""
    found = manager(healthy(), web1=[recorded("predict-move.txt")]).predict_switchover("web2")
    assert found.resources["web"] == found.resources["web-ip"] == ("web2",)
    assert found.resources["fence-web1"] == ("web2",)
    assert found.actions == ("move web-ip web1 → web2", "move web-nginx web1 → web2")


def test_the_failure_of_a_node_is_predicted():
    """With the fencing; the node itself is asked last."""
    found = manager(healthy(), web2=[recorded("predict-fail.txt")])
    prediction = found.predict_node_fail("web1")
    assert prediction.resources["web"] == ("web2",)
    assert prediction.resources["fence-web2"] == ()
    assert prediction.actions[0] == "Fence (reboot) web1"
    assert not found.channels["web1"].asked


def test_every_node_needs_a_way_to_it():
    """Found when the manager is made, not when it is needed."""
    found = manager(healthy())
    from recorded_pacemaker import cluster

    with pytest.raises(ConfigError, match="how web2 is reached is not known"):
        PacemakerManager(cluster(), {"web1": found.channels["web1"]})
