# SPDX-License-Identifier: MIT
"""Faults of the network on hosts of a real cluster: each has its effect, is undone, and leaves nothing."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest

from pytest_harehearse.errors import Indeterminate, Refused
from pytest_harehearse.events import ActionFinished, ActionStarted
from pytest_harehearse.faults import dead_man
from pytest_harehearse.faults.base import Expected, Scene
from pytest_harehearse.faults.network import (
    fence_fail,
    net_degrade,
    net_isolate_from_clients,
    net_nic_down,
    net_ring_down,
)
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.faults import Faults
from pytest_harehearse.rehearsal.recorder import Recorder
from pytest_harehearse.rehearsal.scene import scene_of
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.safety.journal import Journal

ABOUT = dead_man.about(run="r", cluster="lab3/shop", fault="f", target="n", strike="s", undo="u")


@pytest.fixture
def scene(shop):
    """What faults of this lab may work with."""
    return Scene(shop.reached.cluster, shop.manager, shop.reached.channels, shop.lab, dead_man=40.0)


@contextlib.contextmanager
def struck(fault):
    """As a rehearsal strikes and undoes."""
    assert fault.limitation() is None
    fault.arm(ABOUT)
    try:
        fault.strike()
        assert fault.effect() is None
        yield fault
    finally:
        fault.undo()
        assert fault.undone() is None
        fault.disarm()


def served(address="198.18.0.100"):
    """Whether a user, which the runner is, reaches the service."""
    with contextlib.suppress(OSError), socket.create_connection((address, 80), timeout=1):
        return True
    return False


def nothing_left(shop):
    """No table and no folder of ours is on any node."""
    for node in shop.nodes:
        left = shop.run(
            node, "sh", "-c", "nft list tables | grep harehearse_; ls -A /run/harehearse 2>/dev/null; true"
        ).out
        # The lease of a run has a place of its own below it.
        assert not [line for line in left.splitlines() if line.startswith(("table", "net", "fence"))], (node, left)


def test_users_are_cut_off_and_the_cluster_is_green(shop, scene):
    """Nobody reaches the page, another node does, and nothing moves; undone, everybody reaches it."""
    active = shop.manager.state().active
    standby = shop.manager.state().standbys[0]
    assert "has none of the addresses that users reach" in net_isolate_from_clients(scene, standby).limitation()
    assert served()
    with struck(net_isolate_from_clients(scene, active)) as fault:
        assert fault.expected is Expected.STAYS_DOWN
        assert not served()
        shop.run(standby, "curl", "-s", "-o", "/dev/null", "--max-time", "3", "http://198.18.0.100/")
        time.sleep(5)
        state = shop.manager.state()
        assert (state.active, state.redundancy_limitation()) == (active, None)
        assert not served()
    assert served()
    nothing_left(shop)


def test_the_only_ring_of_a_standby_is_lost(shop, scene):
    """It is fenced, the others serve on; only Corosync's packets were dropped."""
    state = shop.manager.state()
    standby = state.standbys[0]
    before = shop.run(standby, "cat", "/proc/sys/kernel/random/boot_id").out
    assert net_ring_down(scene, standby, link=3).limitation() == (f"Corosync on {standby} has no link 3; it has: 0")
    with struck(net_ring_down(scene, standby)) as fault:
        assert fault.expected is Expected.FENCED
        shop.until(lambda seen: standby not in seen.standbys, within=30)
        shop.until(lambda seen: seen.redundancy_limitation() is None, within=90)
    assert shop.manager.state().active == state.active
    assert shop.run(standby, "cat", "/proc/sys/kernel/random/boot_id").out != before
    nothing_left(shop)


def test_packets_are_lost_or_too_many(shop, scene):
    """Proved by what was dropped; where the kernel has no netem, a delay is refused with what it said."""
    standby = shop.manager.state().standbys[0]
    late = net_degrade(scene, standby, delay="20ms").limitation()
    if late is not None:
        assert late.startswith(f"the kernel of {standby} has no netem (")
        assert late.endswith("and nothing else delays packets")
    with struck(net_degrade(scene, standby, loss="10%", rate="2mbit", peers=[shop.manager.state().active])):
        pass
    shop.healthy()
    nothing_left(shop)
    assert "hh" not in [link[:2] for link in shop.run(standby, "ls", "/sys/class/net").out.split()]


def fenced(shop, node, within=60.0):
    """Fence it; the try that failed before may still be under way, and one that joins it fails with it."""
    deadline = time.monotonic() + within
    while True:
        try:
            return shop.manager.fence(node, deadline=20.0)
        except (Refused, Indeterminate):
            assert time.monotonic() < deadline
            time.sleep(2)


def test_nobody_can_be_fenced(shop, scene):
    """While no node reaches the fence device the cluster says so; afterwards it can again."""
    standby = shop.manager.state().standbys[0]
    try:
        with struck(fence_fail(scene)) as fault:
            assert fault.expected is Expected.STAYS_DOWN
            assert fault.target == ", ".join(shop.nodes)
            before = shop.run(standby, "cat", "/proc/sys/kernel/random/boot_id").out
            with pytest.raises((Refused, Indeterminate), match=f"fencing {standby}|{standby} was not fenced"):
                shop.manager.fence(standby, deadline=20.0)
            assert shop.run(standby, "cat", "/proc/sys/kernel/random/boot_id").out == before
    finally:
        shop.manager.cleanup()
    fenced(shop, standby)
    shop.healthy()
    nothing_left(shop)


def test_the_interface_by_which_we_reach_it(shop, scene):
    """Is not taken down unawares; agreed to, its own timer or the cluster's fencing brings the node back, and nothing stays."""
    standby = shop.manager.state().standbys[0]
    said = net_nic_down(scene, standby).limitation()
    assert said == (
        f"eth0 is how the runner reaches {standby}, so nobody could undo it but the node's own timer. If that is what you "
        "want, say cut_me_off=True: it then lasts as long as dead_man says"
    )
    with struck(net_nic_down(scene, standby, cut_me_off=True, dead_man="15s")) as fault:
        assert fault.expected is Expected.FENCED
    assert fault.ended_early is None
    assert "198.18.0.1" in shop.run(standby, "ip", "route", "show", "default").out
    shop.healthy()
    nothing_left(shop)


def test_a_plan_around_a_switchover(shop, tmp_path):
    """Struck in the moment that the plan says, on the stream and in the journal, and undone when the block ends."""
    events = []
    recorder = Recorder(events.append, "r")
    cluster = Cluster(shop.reached.cluster, shop.manager, shop.reached.channels)
    journal = Journal(tmp_path)
    striker = Striker(cluster.id, "run-1", journal, recorder)
    cluster.attend(recorder, striker)
    faults = Faults(scene_of(cluster, shop.lab), striker)
    active, standby = shop.manager.state().active, shop.manager.state().standbys[0]
    plan = [
        # Not for long: a token that is lost again and again keeps a cluster from deciding anything.
        {"fault": "net_degrade", "node": standby, "options": {"loss": "5%"}, "for": "500ms"},
        {"fault": "net_isolate_from_clients", "node": standby, "at": {"after": "switchover ended", "plus": "0..200ms"}},
    ]
    with faults.play(plan, seed=1):
        cluster.switchover(to=standby)
        deadline = time.monotonic() + 20
        while served():
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert served()
    assert journal.still_open() == []
    begun = [event.name for event in events if isinstance(event, ActionStarted)]
    assert begun.index("switchover") < begun.index("fault net_isolate_from_clients")
    assert sorted(begun) == [
        "fault net_degrade", "fault net_isolate_from_clients", "switchover", "undo net_degrade",
        "undo net_isolate_from_clients",
    ]  # fmt: skip
    assert {event.outcome for event in events if isinstance(event, ActionFinished)} == {"done"}
    shop.manager.switchover(shop.manager.state(), active, 60.0)
    shop.healthy()
    nothing_left(shop)
