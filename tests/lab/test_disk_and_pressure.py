# SPDX-License-Identifier: MIT
"""Disks, memory, processors and neighbour entries of real nodes; what a container cannot do is said before."""

from __future__ import annotations

import json
import time

import pytest

from pytest_harehearse.faults.arp import arp_stale
from pytest_harehearse.faults.base import Scene
from pytest_harehearse.faults.clock_jump import clock_jump
from pytest_harehearse.faults.dead_man import about
from pytest_harehearse.faults.disk_freeze import disk_freeze
from pytest_harehearse.faults.disk_full import disk_full
from pytest_harehearse.faults.disk_read_only import disk_read_only
from pytest_harehearse.faults.pressure import cpu_pressure, memory_pressure
from pytest_harehearse.remote.base import Done

DISK = "/mnt/harehearse-test"
MINE = "ls -d /run/harehearse_* /run/harehearse/* /var/lib/harehearse/undo/* 2> /dev/null || true"


@pytest.fixture
def scene(shop):
    """As a rehearsal has it."""
    return Scene(shop.environment.clusters[shop.cluster], shop.manager, shop.reached.channels, dead_man=60.0)


@pytest.fixture
def standby(shop):
    """A node that does not serve, on which nothing of ours lies before or after."""
    node = shop.manager.state().standbys[0]
    assert shop.run(node, "sh", "-c", MINE).out == ""
    yield node
    assert shop.run(node, "sh", "-c", MINE).out == ""


@pytest.fixture
def disk(shop, standby):
    """A small disk that the node mounted itself."""
    shop.run(standby, "mkdir", "-p", DISK)
    shop.run(standby, "mount", "-t", "tmpfs", "-o", "size=8m", "harehearse-test", DISK)
    yield DISK
    shop.run(standby, "umount", DISK)
    shop.run(standby, "rmdir", DISK)


@pytest.fixture
def struck():
    """Arm a fault and strike; whatever the test does, it is undone and forgotten afterwards."""
    faults = []

    def strike(fault):
        assert fault.limitation() is None
        faults.append(fault)
        fault.arm(about(run="r", cluster="c", fault=fault.name, target=fault.target, strike="", undo=fault.undo_text))
        fault.strike()
        assert fault.effect() is None
        assert fault.undone() is not None
        return fault

    yield strike
    for fault in faults:
        fault.undo()
        assert fault.undone() is None
        fault.disarm()


def test_what_a_container_cannot_do(shop, scene, standby):
    """Everything that is its host's: the reason is told, and the node is as it was."""
    said = {
        fault.name: fault.limitation()
        for fault in (
            disk_full(scene, standby),
            disk_full(scene, standby, path="/run/lock/.."),
            disk_read_only(scene, standby, path="/"),
            disk_read_only(scene, standby, path="/run"),
            disk_freeze(scene, standby, path="/"),
            clock_jump(scene, standby),
        )
    }
    assert said["disk_freeze"] == (
        f"{standby} is a container: its file systems are its host's, which alone may freeze them"
    )
    assert said["clock_jump"] == (
        f"{standby}: it is a container: its clock is that of its host, which alone may set it"
    )
    assert said["disk_read_only"] == f"/run holds /run/harehearse on {standby}, where the undo and its timer write"
    assert said["disk_full"] == (
        f"{standby}: /run/lock/.. is on the file system of /run/harehearse, where its undo and timer lie; name one of its own"
    )
    assert disk_full(scene, standby).limitation() == (
        f"{standby}: /var/lib is on a file system that this container shares with its host and perhaps with other nodes, "
        "which would all be struck; name a path with a mount of its own, or say shared=True"
    )
    assert disk_read_only(scene, standby, path="/").limitation() is not None


def test_a_disk_of_a_node(shop, scene, standby, disk, struck):
    """Full, then read-only; the cluster does not mind."""
    fault = struck(disk_full(scene, standby, path=disk))
    said = shop.run(standby, "dd", "if=/dev/zero", f"of={disk}/more", "bs=64k", "count=1", ok=False)
    assert isinstance(said, Done)
    assert "No space left" in said.err
    fault.undo()
    assert fault.undone() is None
    fault.disarm()
    fault = struck(disk_read_only(scene, standby, path=disk))
    said = shop.run(standby, "touch", f"{disk}/more", ok=False)
    assert "Read-only" in said.err
    fault.undo()
    assert fault.undone() is None
    assert shop.manager.state().redundancy_limitation() is None


def test_a_ballast_survives_a_reboot_and_so_does_its_undo(shop, scene, standby, struck):
    """The timer is gone with /run; what lies beside the ballast's node undoes it, and so does the runner that lives."""
    free = shop.run(standby, "stat", "-f", "-c", "%f %S", "/var/lib").out.split()
    leave = int(free[0]) * int(free[1]) - 8 * 2**20
    fault = struck(disk_full(scene, standby, leave=f"{leave}B", shared=True))
    ballast = f"/var/lib/harehearse_{fault.id}"
    assert 7 * 2**20 <= int(shop.run(standby, "stat", "-c", "%s", ballast).out) <= 8 * 2**20
    before = shop.run(standby, "cat", "/proc/sys/kernel/random/boot_id").out
    shop.run(standby, "systemctl", "reboot", ok=False)
    deadline = time.monotonic() + 60
    while getattr(now := shop.run(standby, "cat", "/proc/sys/kernel/random/boot_id", ok=False), "out", "") in {
        "",
        before,
    }:
        assert time.monotonic() < deadline, now
        time.sleep(0.5)
    shop.healthy()
    kept = f"/var/lib/harehearse/undo/{fault.id}"
    assert shop.run(standby, "sh", "-c", MINE).out == kept
    assert fault.undone() == f"its ballast {ballast} is still there"
    shop.run(standby, "sh", f"{kept}/undo.sh")
    shop.run(standby, "sh", f"{kept}/undone.sh")
    shop.run(standby, "test", "!", "-e", ballast)
    fault.undo()
    assert fault.undone() is None
    assert "was rebooted" in fault.ended_early


def test_pressure_on_a_node(shop, scene, standby, struck):
    """Memory and processors; nothing of it lives afterwards, and the cluster does not mind."""
    memory = struck(memory_pressure(scene, standby, size="128MiB"))
    cpu = struck(cpu_pressure(scene, standby, workers=1))
    for fault in (cpu, memory):
        fault.undo()
        assert fault.undone() is None
        assert fault.ended_early is None
        fault.disarm()
    assert memory_pressure(scene, standby, size="900TiB").limitation().startswith("900 TiB is more than the ")
    assert shop.manager.state().redundancy_limitation() is None


def entries(shop, node, address):
    return json.loads(shop.run(node, "ip", "-j", "neigh", "show", "to", address).out or "[]")


def test_a_client_that_does_not_learn_of_a_move(shop, scene, standby, struck):
    """It goes on sending to the old node's MAC, and reaches nobody; after the undo it reaches the new one."""
    state = shop.manager.state()
    (address,) = shop.manager.addresses()
    other = next(node for node in shop.nodes if node not in {state.active, standby})
    assert arp_stale(scene, state.active).limitation() == (
        f"{state.active} has {address} itself, and sends nothing to it over the network"
    )
    fault = struck(arp_stale(scene, standby))
    (kept,) = entries(shop, standby, address)
    assert kept["state"] == ["PERMANENT"]
    shop.manager.switchover(state, other, 60.0)
    shop.until(lambda seen: seen.active == other)
    assert entries(shop, standby, address) == [kept]
    assert shop.run(standby, "ping", "-c", "1", "-W", "1", address, ok=False).rc != 0
    fault.undo()
    assert fault.undone() is None
    assert shop.run(standby, "ping", "-c", "1", "-W", "5", address).rc == 0
    assert all(entry["lladdr"] != kept["lladdr"] for entry in entries(shop, standby, address))
    shop.healthy()
