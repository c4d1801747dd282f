# SPDX-License-Identifier: MIT
"""Services and the cluster manager itself, killed or stopped where they are: proved, undone, and fenced where it should be."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.faults.dead_man import about
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.scene import scene_of


@pytest.fixture
def struck(shop):
    """Strike a fault for a block, undone and proved at its end."""
    scene = scene_of(Cluster(shop.reached.cluster, shop.manager, shop.reached.channels), shop.lab)

    @contextmanager
    def strike(name, node, **options):
        fault = CATALOGUE[name].builder(scene, node, **options)
        assert fault.limitation() is None
        fault.arm(about(run="r", cluster="lab3/shop", fault=name, target=node, strike="", undo=""))
        try:
            fault.strike()
            assert fault.effect() is None
            yield fault
        finally:
            fault.undo()
            left = fault.undone()
            fault.disarm()
        assert left is None

    shop.healthy()
    yield strike
    shop.healthy()
    for node in shop.nodes:
        assert shop.run(node, "sh", "-c", "ls -d /run/harehearse/* 2> /dev/null", ok=False).out == ""


def answers(shop, node):
    done = shop.run(node, "curl", "-s", "-o", "/dev/null", "-m", "2", "http://127.0.0.1/", ok=False)
    return done.rc == 0


def test_a_service_that_hangs_answers_nobody_and_goes_on(shop, struck):
    """Every process of nginx is stopped; the undo lets exactly those go on."""
    node = shop.manager.state().standbys[0]
    assert answers(shop, node)
    with struck("process_hang", node, unit="nginx"):
        assert not answers(shop, node)
    assert answers(shop, node)


def test_what_a_pattern_matches_hangs_and_nothing_else(shop, struck):
    """The workers of nginx by the title of their processes: the master goes on, and so does who asks."""
    node = shop.manager.state().standbys[0]
    with struck("process_hang", node, pattern="^nginx: worker"):
        assert not answers(shop, node)
        states = shop.run(node, "ps", "-C", "nginx", "-o", "stat=,args=").out.splitlines()
        assert {line[0] for line in states if "master" in line} == {"S"}
        assert {line[0] for line in states if "worker" in line} == {"T"}
    assert answers(shop, node)


def test_a_service_that_is_stopped_behind_its_back_is_started_again(shop, struck):
    """By the cluster, whose task it is."""
    node = shop.manager.state().standbys[0]
    with struck("process_stop", node, unit="nginx"):
        shop.until(lambda state: answers(shop, node), within=60)


def test_a_crash_loop_ends_with_its_undo(shop, struck):
    """Killed more than once meanwhile; afterwards the cluster remembers no failure of it."""
    node = shop.manager.state().standbys[0]
    with struck("process_crash_loop", node, unit="nginx", every="500ms", times=60) as fault:
        shop.until(lambda state: int(shop.run(node, "cat", f"/run/harehearse/{fault.id}/kills").out) >= 2, within=30)
    shop.until(lambda state: answers(shop, node), within=60)
    assert not shop.manager.state().facts.failures


@pytest.mark.parametrize(("name", "options"), [("stack_kill", {}), ("stack_hang", {}), ("fence_request", {})])
def test_a_node_without_its_cluster_manager_is_fenced(shop, struck, name, options):
    """By its peers; it comes back by itself, and that is no early end of the fault."""
    node = shop.manager.state().standbys[0]
    boot = shop.run(node, "cat", "/proc/sys/kernel/random/boot_id").out

    def rebooted(state):
        seen = shop.run(node, "cat", "/proc/sys/kernel/random/boot_id", within=3, ok=False)
        return getattr(seen, "rc", None) == 0 and seen.out != boot

    with struck(name, node, **options) as fault:
        shop.until(rebooted, within=90)
    shop.healthy(within=120)
    assert fault.ended_early is None


def test_a_reset_is_proved_by_the_boot_id(shop, struck):
    """And a panic is refused, for a container's kernel belongs to its host."""
    node = shop.manager.state().standbys[0]
    scene = scene_of(Cluster(shop.reached.cluster, shop.manager, shop.reached.channels), shop.lab)
    assert CATALOGUE["node_panic"].builder(scene, node).limitation() == f"{node}: its kernel belongs to its host"
    with struck("node_reset", node):
        pass


def test_a_resource_that_failed_is_restarted_and_forgotten(shop, struck):
    """The cluster shows the failure and restarts the address; the undo cleans it up, and the way is free again."""
    node = shop.manager.state().active
    with struck("resource_fail", node):
        shop.until(lambda state: state.active is not None, within=60)
        assert shop.manager.state().facts.failures
    assert not shop.manager.state().facts.failures
