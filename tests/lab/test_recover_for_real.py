# SPDX-License-Identifier: MIT
"""A runner is killed with its whole group in mid-fault on hosts; ``harehearse recover`` heals them, and is clean twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from pytest_harehearse.cli import exits

#: $1 the inventory, $2 what, $3 the node. The timer would come long after the test: what is healed, recover did.
STRIKE = """
    import sys, time
    from pathlib import Path
    from pytest_harehearse.faults.catalogue import CATALOGUE
    from pytest_harehearse.faults.dead_man import about
    from pytest_harehearse.faults.drain import Drained, InMaintenance
    from pytest_harehearse.faults.network import partition
    from pytest_harehearse.inventory.load import load
    from pytest_harehearse.labs.base import lab_of
    from pytest_harehearse.rehearsal.cluster import Cluster
    from pytest_harehearse.rehearsal.scene import scene_of
    from pytest_harehearse.remote.base import Done

    class Nobody:
        # No member: the cluster does not notice, so the node is not fenced and keeps the table.
        node = "nobody"
        def run(self, command, **options):
            return Done(0, b'[{"addr_info": [{"local": "198.18.0.250"}, {"local": "fd00::250"}]}]')

    inventory = load(Path(sys.argv[1]))
    lab = lab_of(inventory, inventory.environments["lab3"])
    reached = lab.reach("shop")
    reached.manager.state()
    what, node = sys.argv[2:]
    scene = scene_of(Cluster(reached.cluster, reached.manager, reached.channels), lab)
    if what == "drain":
        fault = Drained(reached.manager, node, channels=reached.channels, dead_man=900.0)
    elif what == "maintenance":
        fault = InMaintenance(reached.manager, "shop", channels=reached.channels, dead_man=900.0)
    elif what == "net_partition":
        fault = partition({**reached.channels, "nobody": Nobody()}, node, ["nobody"], dead_man=900.0)
    else:
        fault = CATALOGUE[what].builder(scene, node, dead_man="900s")
    assert fault.limitation() is None, fault.limitation()
    fault.arm(about(run="r-1", cluster="lab3/shop", fault=fault.name, target=fault.target, strike="", undo="by hand"))
    fault.strike()
    if what == "net_partition":
        # A cut that stops nothing is no effect.
        talk = "(for i in $(seq 40); do echo x > /dev/udp/198.18.0.250/9; sleep 0.3; done) < /dev/null > /dev/null 2>&1 &"
        reached.channels[node].run(["bash", "-c", talk], deadline=10)
    assert fault.effect() is None, fault.effect()
    print("struck", flush=True)
    time.sleep(600)
"""
CLEAN = "✓ lab3/shop (lab) is clean: nothing was left\n"
FOLDERS = "ls -d /run/harehearse/* /var/lib/harehearse/undo/* 2> /dev/null; nft list tables | grep harehearse_"


@pytest.fixture
def recover(shop, tmp_path):
    """Runs the command in an empty folder, with the inventory and a store that knows nothing."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()

    def run(*words):
        return subprocess.run(
            [
                sys.executable, "-m", "pytest_harehearse.cli", "recover", "lab3", "--config",
                str(shop.labs.folder / "harehearse.toml"), "--store", str(tmp_path / "store"), *words,
            ],
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    yield run
    # A test that failed leaves nothing to the next one either.
    run()


def kill_in_mid_fault(shop, what, node):
    """Strike in a process of its own; SIGKILL it with its group once the effect is proved."""
    runner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STRIKE), str(shop.labs.folder / "harehearse.toml"), what, node],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd="/",
    )  # fmt: skip
    try:
        assert runner.stdout.readline() == "struck\n", runner.stderr.read()
    finally:
        os.killpg(runner.pid, signal.SIGKILL)
        runner.communicate()
    return runner.pid


def lie_on(shop):
    """What of ours lies on any node that answers."""
    found = {node: shop.run(node, "sh", "-c", FOLDERS, ok=False) for node in shop.nodes}
    return {node: said.out for node, said in found.items() if getattr(said, "out", "")}


@pytest.mark.parametrize("what", ["net_partition", "drain", "maintenance", "node_power_off"])
def test_what_a_killed_runner_left_is_healed(shop, recover, what):
    """Listed and not touched, then undone and proved; the second time there is nothing to do."""
    shop.healthy()
    node = shop.manager.state().standbys[0]
    pid = kill_in_mid_fault(shop, what, node)

    listed = recover("--dry-run")
    assert listed.returncode == exits.NO, listed
    assert f"  · {what} " in listed.stdout
    assert f", pid {pid}, run r-1 since 20" in listed.stdout
    # For a node without power, the undo lies on this machine.
    assert lie_on(shop) or list(shop.lab.undo_folder.iterdir())

    healed = recover()
    assert healed.returncode == exits.OK, healed
    assert healed.stdout.startswith("✓ lab3/shop (lab) is clean; "), healed.stdout
    assert f"  ✓ {what} " in healed.stdout
    again = recover()
    assert (again.returncode, again.stdout) == (exits.OK, CLEAN), again
    shop.healthy(within=120)
    assert shop.manager.state().maintenance is False
    assert lie_on(shop) == {}
    assert not (shop.lab.undo_folder.exists() and list(shop.lab.undo_folder.iterdir()))


def test_what_has_no_undo_any_more_is_found_by_its_name(shop, recover):
    """A table of ours whose folder is gone, and a constraint of a move that was killed; a table of theirs stays."""
    shop.healthy()
    node = shop.manager.state().standbys[0]
    shop.run(node, "nft", "add", "table", "inet", "harehearse_lost")
    shop.run(node, "nft", "add", "table", "inet", "theirs")
    shop.run(node, "crm_resource", "--resource", "vip", "--ban", "--node", node)
    try:
        said = recover()
        assert said.returncode == exits.OK, said
        assert f"  ✓ a table of packet rules on {node}\n" in said.stdout
        assert "  ✓ constraints that a move left: cli-ban-vip-on-" in said.stdout
        assert recover().stdout == CLEAN
        assert shop.run(node, "nft", "list", "tables").out == "table inet theirs"
        assert shop.manager.leftovers() == ()
    finally:
        shop.run(node, "nft", "delete", "table", "inet", "theirs", ok=False)
        shop.run(node, "crm_resource", "--resource", "vip", "--clear", ok=False)
    shop.healthy()


def test_a_node_that_does_not_answer_is_never_clean(shop, recover):
    """It lost the way to us, not its power: nothing is known of it until it is back, and then all is clean."""
    shop.healthy()
    node = shop.manager.state().standbys[0]
    shop.lab.close()
    shop.lab.freeze(node)
    try:
        said = recover("--dry-run")
        assert said.returncode != exits.OK, said
        assert f"  ? could not be asked: {node}: " in said.stdout
        # Its peers fence it within seconds, perhaps before it was looked for.
        assert f"  · {node} is frozen\n" in said.stdout or f"  · {node} is off\n" in said.stdout
    finally:
        healed = recover()
    # Fenced meanwhile or thawed by us: it may be booting, which is unknown, and never a false clean.
    deadline = time.monotonic() + 90
    while healed.returncode != exits.OK:
        assert time.monotonic() < deadline, healed
        healed = recover()
    shop.reached = shop.lab.reach(shop.cluster)
    shop.manager = shop.reached.manager
    shop.healthy(within=120)
    assert recover().stdout == CLEAN
