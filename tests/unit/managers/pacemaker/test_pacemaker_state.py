# SPDX-License-Identifier: MIT
"""The state by what real nodes printed: who is active, who could take over, and what is wrong."""

from __future__ import annotations

import re

import pytest
from recorded_pacemaker import CLONE_VIP, GONE, VIP, healthy, manager, recording, says

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.managers.base import Manager, Records, Switchover, SwitchoverWays
from pytest_harehearse.managers.capabilities import Cleanup, Drain, Fence, Leftovers, Maintenance, Predict
from pytest_harehearse.remote.base import Done, Unknown


def test_it_has_every_capability():
    """The manager is found by each protocol that it fulfils, and its way has the name of the table."""
    found = manager(healthy())
    for protocol in (
        Manager,
        Switchover,
        SwitchoverWays,
        Records,
        Drain,
        Maintenance,
        Fence,
        Cleanup,
        Predict,
        Leftovers,
    ):
        assert isinstance(found, protocol), protocol
    assert found.switchover_ways == ("move",)
    assert found.by("move") is found


def test_a_healthy_group_is_active_where_it_runs_and_ready_elsewhere():
    """Pacemaker and the node's own addresses agree: one active node, one that could take over, nothing missing."""
    state = manager(healthy()).state()
    assert state.active == "web1"
    assert state.standbys == ("web2",)
    assert state.redundancy_limitation() is None
    assert state.describe() == "web1 active running; web2 standby"


def test_the_older_layout_is_read_as_well():
    """``<crm_mon>`` without a status tells the same as ``<pacemaker-result>``."""
    config = recording("group-config.xml").replace(b"web-ip", b"vip").replace(b"web-nginx", b"nginx")
    said = {
        "web1": says("web1", "old-layout.xml", config=config, has=[VIP]),
        "web2": says("web2", "old-layout.xml", config=config),
    }
    state = manager(said).state()
    assert (state.active, state.standbys, state.redundancy_limitation()) == ("web1", ("web2",), None)


def three(mon, holder):
    """Three nodes of one view; one has the address."""
    return {
        name: says(name, mon, config="clone-config.xml", has=[CLONE_VIP] if name == holder else [])
        for name in ("shop1", "shop2", "shop3")
    }


def test_a_clone_with_an_address_is_active_where_the_address_is():
    """Three nodes serve, the one with the address is active, the other two could take it."""
    state = manager(three("clone.xml", "shop3"), "vip").state()
    assert (state.active, state.standbys) == ("shop3", ("shop1", "shop2"))
    assert state.redundancy_limitation() is None
    state = manager(three("clone.xml", "shop2"), "vip").state()
    assert state.active is None
    assert "shop3 active running (not confirmed by itself) (it has not the address 198.18.0.101" in state.describe()


def test_a_node_without_the_service_beside_the_address_is_not_ready():
    """Where the clone that the address must run beside does not run, the address could not be taken over."""
    state = manager(three("clone-less.xml", "shop2"), "vip").state()
    assert (state.active, state.standbys) == ("shop2", ("shop1",))
    assert "vip-servers, without which vip cannot run, does not run there" in str(state.redundancy_limitation())


def test_a_promotable_clone_is_active_where_it_is_promoted():
    """An unpromoted instance is a standby."""
    said = {name: says(name, "promoted.xml", config="clone-config.xml") for name in ("shop1", "shop2", "shop3")}
    state = manager(said, "db").state()
    assert (state.active, state.standbys) == ("shop2", ("shop1", "shop3"))


def test_a_plain_clone_cannot_be_the_group():
    """What runs everywhere has no active node: said, with what to do."""
    said = {"shop1": says("shop1", "clone.xml", config="clone-config.xml")}
    assert "name a group or a primitive" in str(manager(said, "vip-servers").state().pending)


def test_without_its_address_a_node_is_not_confirmed():
    """Pacemaker's word alone is no evidence: the address must be on the node."""
    said = healthy() | {"web1": says("web1", has=["198.18.0.11"])}
    state = manager(said).state()
    assert state.active is None
    assert state.member("web1").witness_primary is False
    assert "has not the address 198.18.0.100" in state.describe()


@pytest.mark.parametrize("bad", [b"", b"[", b"[1]", b'[{"addr_info": [{"local": "x"}]}]', b'{"a": 1}', (1, b"[]")])
def test_addresses_that_cannot_be_read_confirm_nothing(bad):
    """Unknown is not "no" and not "yes"."""
    said = healthy()
    said["web1"] = says("web1", addresses=bad)
    state = manager(said).state()
    assert state.active is None
    assert state.member("web1").witness_primary is not True


def test_without_the_configuration_nobody_is_confirmed():
    """The addresses of the group stand only there."""
    said = {"web1": says("web1", has=[VIP], config=(77, b"")), "web2": says("web2", config=(77, b""))}
    state = manager(said).state()
    assert state.active is None
    assert "no node tells the configuration" in state.describe()


def test_two_partitions_that_both_run_it_are_two_active_nodes():
    """Neither is called the one active node, whoever has quorum, for users may reach either."""
    other = recording("group.xml").replace(b'name="web1" id="1" cached', b'name="web2" id="2" cached')
    for node in ("web1", "web2"):
        other = other.replace(
            f'name="{node}" id="{node[-1]}" online="true"'.encode(),
            f'name="{node}" id="{node[-1]}" online="{"true" if node == "web2" else "false"}"'.encode(),
        )
    said = healthy() | {"web2": says("web2", other, has=[VIP])}
    state = manager(said).state()
    assert state.active is None
    assert [member.role for member in state.members] == ["active", "active"]
    assert [member.confirmed_primary for member in state.members] == [True, True]
    assert "no confirmed active node (claimed by: web1, web2)" in str(state.redundancy_limitation())


def test_one_that_runs_it_against_the_quorum_is_not_confirmed():
    """A node with quorum that holds it to be offline is a witness against it."""
    said = {
        "web1": says(
            "web1",
            recording("group.xml").replace(b'with_quorum="true"', b'with_quorum="false"'),
            has=[VIP],
            quorum=b"0",
        ),
        "web2": says("web2", "unclean.xml"),
    }
    state = manager(said).state()
    assert state.active is None
    assert "web2, which has quorum, holds it to be unclean" in state.describe()
    assert "it has no quorum" in state.describe()


def test_a_node_that_cannot_be_reached_is_unreachable_with_the_reason():
    """Its channel's reason stands there, and what the others hold it to be."""
    state = manager(healthy() | {"web2": GONE}).state()
    assert state.active == "web1"
    assert state.member("web2").role == "unreachable"
    assert "no connection within 3.00 s; the others hold it to be online" in state.describe()
    unanswered = Unknown("it had not ended after 3.00 s", stdout=b"half")
    assert manager(healthy() | {"web2": unanswered}).state().member("web2").role == "unreachable"


def test_a_node_that_the_quorum_holds_to_be_away_is_offline():
    """After fencing the rest says so: no guess that it might be the network."""
    state = manager({"web1": GONE, "web2": says("web2", "offline.xml", has=[VIP])}, "web").state()
    assert state.member("web1").role == "offline"


def test_an_unclean_node_with_the_group_is_not_active():
    """Pacemaker shows resources on a lost node as started until it is fenced: no evidence that they run."""
    state = manager({"web1": GONE, "web2": says("web2", "unclean.xml")}).state()
    assert state.active is None
    assert state.member("web1").role == "unreachable"
    assert "hold it to be unclean, and web to run there" in state.describe()


def test_pacemaker_that_does_not_run_is_said_in_those_words():
    """As is what is missing; neither is taken for a node that is merely silent."""
    said = healthy() | {"web2": says("web2", mon=(102, "stopped.xml"))}
    state = manager(said).state()
    assert state.member("web2").role == "offline"
    assert "Pacemaker is not running there: crm_mon ended with 102 (Not connected)" in state.describe()
    said = healthy() | {"web2": says("web2", mon=(127, b""))}
    assert "Pacemaker is not installed there: the command crm_mon was not found" in manager(said).state().describe()
    said = healthy() | {"web2": says("web2", mon=(124, b""))}
    assert "Pacemaker hangs there" in manager(said).state().describe()
    said = healthy() | {"web2": says("web2", mon=(102, "stopped.xml"), has=[VIP])}
    assert "yet it has the address 198.18.0.100 of web" in manager(said).state().describe()


def test_a_peer_that_stopped_is_seen_so_by_the_rest():
    """Recorded on the other node."""
    said = {"web1": says("web1", mon=(102, "stopped.xml")), "web2": says("web2", "peer-stopped.xml", has=[VIP])}
    state = manager(said).state()
    assert state.active == "web2"
    assert "web1 could not take over" in str(state.redundancy_limitation())


def both(mon, **other):
    """Both nodes say the same; the one where the address runs by their word has it."""
    text = recording(mon) if isinstance(mon, str) else mon
    found = re.search(rb'id="web-ip"[^>]*>\s*<node name="(web.)"', text)
    active = found[1].decode() if found else "web1"
    return {name: says(name, mon, has=[VIP] if name == active else [], **other) for name in ("web1", "web2")}


@pytest.mark.parametrize(
    ("mon", "other", "active", "why"),
    [
        ("standby.xml", {}, "web2", "it is in standby mode"),
        ("banned.xml", {"config": "banned-config.xml"}, "web1", "web is banned from it by cli-ban-web-on-web2"),
    ],
)
def test_a_node_that_is_kept_from_it_is_not_ready(mon, other, active, why):
    """Its reason stands in the state and is why the cluster is not redundant."""
    state = manager(both(mon, **other)).state()
    assert state.active == active
    (standby,) = [member for member in state.members if member.name != active]
    assert (standby.role, standby.ready) == ("standby", False)
    assert why in str(state.redundancy_limitation())


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (both("maintenance.xml"), "the cluster is in maintenance mode"),
        (both("unfenced.xml"), "fencing is disabled (stonith-enabled=false)"),
        (both("group.xml", state="S_TRANSITION_ENGINE"), "a transition is going on (web1: S_TRANSITION_ENGINE)"),
        (both("group.xml", quorum=b"0"), "the cluster has no quorum"),
        (both("group.xml", votes=recording("votes.txt").replace(b"Yes", b"No")), "the cluster has no quorum"),
        (
            both("group.xml", config="moving-config.xml"),
            "a move left the constraint cli-prefer-web on web until 2026-11-23",
        ),
        (both("empty.xml"), "the cluster has no leading controller"),
    ],
)
def test_what_is_wrong_with_the_whole_cluster_is_said(said, why):
    """It stands in the state, and the cluster is not called redundant."""
    state = manager(said).state()
    assert why in state.describe()
    assert why in str(state.redundancy_limitation())


def test_a_constraint_whose_end_has_passed_is_none():
    """By the node's own clock: it has no effect any more."""
    said = both("group.xml", config="moving-config.xml", time=b"1795999999")
    assert manager(said).state().redundancy_limitation() is None


def test_a_resource_that_failed_is_not_served():
    """While Pacemaker restarts it in place, the node is not confirmed, and the failure is named."""
    state = manager(both("failed.xml")).state()
    assert state.active is None
    assert "web-nginx FAILED" in state.describe()
    state = manager(both("recovered.xml")).state()
    assert state.active == "web1"
    assert "monitor of web-nginx on web1 failed: not running" in state.describe()
    assert state.redundancy_limitation() is None, "it has recovered and may fail again before it is kept off"


def test_a_resource_that_failed_too_often_keeps_the_node_out():
    """The fail count has reached the threshold."""
    mon = recording("recovered.xml").replace(
        b'id="web-nginx" orphan="false" migration-threshold="1000000"',
        b'id="web-nginx" orphan="false" migration-threshold="1"',
    )
    mon = mon.replace(b'<node name="web1">\n      <resource_history', b'<node name="web2">\n      <resource_history')
    state = manager(both(mon)).state()
    assert "is kept off until it is cleaned up" in str(state.redundancy_limitation())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ((b'id="fence-web2" resource_agent="stonith:fence_harehearse" role="Started"',
          b'id="fence-web2" resource_agent="stonith:fence_harehearse" role="Stopped"'), "no fencing device for web2 runs"),
        ((b'resource_agent="stonith:fence_harehearse"', b'resource_agent="ocf:heartbeat:Dummy"'), "there is no fencing device"),
        ((b'status="success"', b'status="failed"'), "fencing failed: reboot of web2"),
        ((b'status="success"', b'status="pending"'), "fencing is going on: reboot of web2"),
    ],
)  # fmt: skip
def test_fencing_that_would_not_work_is_said(change, why):
    """A cluster that cannot fence is not redundant, whatever else runs."""
    event = b'<fence_event action="reboot" target="web2" client="x" origin="web1" status="success"/>'
    mon = recording("group.xml")
    mon = re.sub(
        rb"<fence_history>.*</fence_history>", b"<fence_history>" + event + b"</fence_history>", mon, flags=re.DOTALL
    )
    changed = mon.replace(*change)
    assert changed != mon
    assert why in str(manager(both(changed)).state().redundancy_limitation())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ((b'blocked="false"', b'blocked="true"'), "web-ip is blocked"),
        ((b'role="Started" active', b'role="Started" target_role="Stopped" active'), "web-nginx is told to be stopped"),
        ((b'managed="true" failed', b'managed="false" failed'), "unmanaged"),
    ],
)
def test_a_group_that_the_cluster_would_not_take_over_is_said(change, why):
    """It runs, and would not run elsewhere."""
    assert why in str(manager(both(recording("group.xml").replace(*change))).state().redundancy_limitation())


def test_the_group_is_found_when_there_is_only_one():
    """Without a name in the inventory; none or several: a clear error."""
    assert manager(healthy(), None).state().active == "web1"
    said = {"shop1": says("shop1", "clone.xml", config="clone-config.xml", has=[CLONE_VIP])}
    with pytest.raises(ConfigError, match="the cluster has no group"):
        manager(said, None).state()


def test_a_group_that_is_not_there_is_said_with_those_that_are():
    """A wrong name in the inventory."""
    assert "the cluster has no resource 'wbe'; it has web" in str(manager(healthy(), "wbe").state().pending)


def test_nodes_are_known_by_the_name_that_the_cluster_has_for_them():
    """The inventory may call a node otherwise; ``crm_node -n`` tells."""
    said = healthy()
    found = manager({"alpha": said["web1"], "beta": said["web2"]})
    state = found.state()
    assert (state.active, state.standbys) == ("alpha", ("beta",))
    assert "--node web2" in found.describe_switchover("alpha", "beta")


def test_when_nobody_answers_the_state_says_why():
    """No exception, no active node."""
    state = manager({"web1": GONE, "web2": Done(255, b"", b"shell broke")}).state()
    assert state.active is None
    assert state.pending == "no node tells the state of the cluster"
    assert "shell broke" in state.describe()


def test_roles_are_told_by_one_node_and_by_another_when_it_fails():
    """The last that answered is asked; a silent one is asked after the others from then on."""
    found = manager(healthy())
    assert found.roles() == {"web1": "active", "web2": "standby"}
    assert len(found.channels["web2"].asked) == 0
    found.channels["web1"].answers = [("section", GONE)]
    assert found.roles() == {"web1": "active", "web2": "standby"}
    found.roles()
    assert len(found.channels["web1"].asked) == 2, "it was not asked again"
    found.channels["web2"].answers = [("section", GONE)]
    assert found.roles() == {"web1": "unreachable", "web2": "unreachable"}


@pytest.mark.parametrize(
    ("mon", "seen"),
    [("unclean.xml", {"web1": "unclean", "web2": "standby"}), ("standby.xml", {"web1": "drained", "web2": "active"}),
     ("failed.xml", {"web1": "failed", "web2": "standby"}), ("empty.xml", {"web1": "unknown", "web2": "unknown"})],
)  # fmt: skip
def test_roles_name_what_is_not_well(mon, seen):
    """Drawn as it is, not as standby."""
    assert manager(both(mon)).roles() == seen
