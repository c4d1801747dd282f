# SPDX-License-Identifier: MIT
"""The runner is killed with its whole group in the middle: power, freeze, drain and maintenance are undone without it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from pytest_harehearse.remote.base import Done

#: $1 the inventory, $2 what, $3 the node.
STRIKE = """
    import sys, time
    from pathlib import Path
    from pytest_harehearse.faults.catalogue import CATALOGUE
    from pytest_harehearse.faults.dead_man import about
    from pytest_harehearse.faults.drain import Drained, InMaintenance
    from pytest_harehearse.inventory.load import load
    from pytest_harehearse.labs.base import lab_of
    from pytest_harehearse.rehearsal.cluster import Cluster
    from pytest_harehearse.rehearsal.scene import scene_of

    inventory = load(Path(sys.argv[1]))
    lab = lab_of(inventory, inventory.environments["lab3"])
    reached = lab.reach("shop")
    reached.manager.state()
    what, node = sys.argv[2:]
    if what == "drain":
        fault = Drained(reached.manager, node, channels=reached.channels, dead_man=5.0)
    elif what == "maintenance":
        fault = InMaintenance(reached.manager, "shop", channels=reached.channels, dead_man=5.0)
    else:
        scene = scene_of(Cluster(reached.cluster, reached.manager, reached.channels), lab)
        fault = CATALOGUE[what].builder(scene, node, dead_man="5s")
    assert fault.limitation() is None, fault.limitation()
    fault.arm(about(run="r", cluster="lab3/shop", fault=fault.name, target=fault.target, strike="", undo=""))
    fault.strike()
    assert fault.effect() is None, fault.effect()
    print("struck", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("what", ["node_power_off", "node_freeze", "drain", "maintenance"])
def test_it_is_undone_without_the_runner(shop, what):
    """And nothing of the timer stays, neither here nor on any node."""
    shop.healthy()
    node = shop.manager.state().standbys[0]
    runner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STRIKE), str(shop.labs.folder / "harehearse.toml"), what, node],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd="/",
    )  # fmt: skip
    try:
        assert runner.stdout.readline() == "struck\n", runner.stderr.read()
    finally:
        os.killpg(runner.pid, signal.SIGKILL)
        runner.communicate()
    state = shop.manager.state()
    assert state.redundancy_limitation() is not None or state.maintenance
    shop.until(lambda seen: seen.redundancy_limitation() is None and seen.maintenance is False, within=120)
    deadline = time.monotonic() + 60
    # Fenced and booted again, a frozen node is whole before the timer's time has come.
    while shop.lab.undo_folder.exists() and list(shop.lab.undo_folder.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    for name in shop.nodes:
        # Thawed before it was fenced, it may be fenced yet: asked until it answers.
        while not isinstance(
            left := shop.run(
                name, "sh", "-c", "ls -d /run/harehearse/* /var/lib/harehearse/undo/* 2> /dev/null", ok=False
            ),
            Done,
        ):
            assert time.monotonic() < deadline, left
            time.sleep(0.5)
        assert left.out == ""
    shop.healthy()
