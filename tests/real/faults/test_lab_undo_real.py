# SPDX-License-Identifier: MIT
"""Faults done through a lab: the runner is killed with its whole group, and the timer here undoes them all the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pytest_harehearse.faults.drain import InMaintenance
from pytest_harehearse.inventory.load import load
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.base import lab_of
from pytest_harehearse.managers.patroni_pause import paused

#: Manager → its cluster's name, and the nodes.
CLUSTERS = {"sentinel": ("carts", "c1", "c2", "c3"), "patroni": ("orders", "n1", "n2", "n3")}
#: $1 the inventory, $2 the cluster, $3 the fault, $4 the node, $5 how long, $6 its options.
STRIKE = """
    import json, sys, time
    from pathlib import Path
    from pytest_harehearse.faults import lab_undo
    from pytest_harehearse.faults.catalogue import CATALOGUE
    from pytest_harehearse.faults.drain import InMaintenance
    from pytest_harehearse.units import seconds
    from pytest_harehearse.faults.dead_man import about
    from pytest_harehearse.inventory.load import load
    from pytest_harehearse.labs.base import lab_of
    from pytest_harehearse.rehearsal.cluster import Cluster
    from pytest_harehearse.rehearsal.scene import scene_of

    inventory = load(Path(sys.argv[1]))
    lab = lab_of(inventory, inventory.environments["demo"])
    _, _, cluster, name, node, dead_man, options = sys.argv
    reached = lab.reach(cluster)
    scene = scene_of(Cluster(reached.cluster, reached.manager, reached.channels), lab)
    if name == "maintenance":
        timer = lab_undo.timer(scene, "pause", "", seconds(dead_man))
        fault = InMaintenance(reached.manager, cluster, timer=timer)
    else:
        fault = CATALOGUE[name].builder(scene, node, dead_man=dead_man, **json.loads(options))
    assert fault.limitation() is None, fault.limitation()
    fault.arm(about(run="r", cluster="demo/x", fault=fault.name, target=fault.target, strike="", undo=""))
    fault.strike()
    assert fault.effect() is None, fault.effect()
    print("struck", flush=True)
    time.sleep(600)
"""


def up(folder, manager):
    name, *nodes = CLUSTERS[manager]
    file = folder / "harehearse.toml"
    file.write_text(
        '[environments.demo]\nkind = "lab"\nprovider = "embedded"\n'
        f'[environments.demo.clusters.{name}]\nmanager = "{manager}"\nnodes = {json.dumps(nodes)}\n'
    )
    inventory = load(file)
    made = lab_of(inventory, inventory.environments["demo"])
    made.up(lambda text: None, keep=True)
    return made


@pytest.fixture(scope="module")
def carts(tmp_path_factory):
    """A Valkey lab that is up for the tests of this file."""
    made = up(tmp_path_factory.mktemp("carts"), "sentinel")
    yield made
    made.down(lambda text: None)


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    """A Patroni lab that is up for the tests of this file."""
    made = up(tmp_path_factory.mktemp("orders"), "patroni")
    yield made
    made.down(lambda text: None)


def until(condition, what, within=60.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.1)


def state(lab):
    (name,) = lab.environment.clusters
    return lab.reach(name).manager.state()


def until_healthy(lab):
    until(lambda: state(lab).redundancy_limitation() is None, lambda: state(lab).describe())


def undos(lab):
    return list(lab.undo_folder.iterdir()) if lab.undo_folder.exists() else []


def strike_and_die(lab, fault, node, dead_man="4s", **options):
    """Let a runner strike, and kill its whole process group; its inventory goes too, as a job's folder does."""
    (name,) = lab.environment.clusters
    runner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STRIKE), str(lab.inventory), name, fault, node, dead_man,
         json.dumps(options)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd="/",
        env={"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")},
    )  # fmt: skip
    try:
        assert runner.stdout.readline() == "struck\n", runner.stderr.read()
        assert undos(lab), "no timer lies there"
    finally:
        os.killpg(runner.pid, signal.SIGKILL)
        runner.communicate()


@pytest.fixture
def gone():
    """Take a lab's inventory away until the end of the test."""
    moved = []

    def take(lab):
        moved.append(lab.inventory.rename(lab.inventory.with_suffix(".gone")))

    yield take
    for path in moved:
        path.rename(path.with_suffix(".toml"))


@pytest.mark.parametrize("fault", ["stack_kill", "node_freeze", "process_hang", "dcs_loss"])
def test_what_a_killed_runner_left_is_undone_here(carts, gone, fault):
    """The timer outlives the whole process group, needs no program on any path, and leaves nothing of itself."""
    until_healthy(carts)
    node = state(carts).standbys[0]
    strike_and_die(carts, fault, node)
    gone(carts)
    until(lambda: not undos(carts), "its timer did not undo it")
    until_healthy(carts)
    for part in ("server", "manager", "node", "dcs"):
        assert carts.hung("carts", node, part) == []


def test_a_start_that_was_killed_half_way_is_completed(carts, gone):
    """The sentinel runs and the server does not: that is no node, and whoever undoes it starts what is missing."""
    until_healthy(carts)
    node = state(carts).standbys[0]
    strike_and_die(carts, "stack_kill", node, dead_man="30s")
    (undo,) = undos(carts)
    carts.start_stack("carts", node)
    sentinel, server = (carts._part("carts", node, part) for part in ("manager", "server"))
    assert [processes.send(process, signal.SIGKILL) for process in server] == [True]
    until(lambda: carts.stack_limitation("carts", node) == f"not running on {node}: Valkey", "the server lives")
    gone(carts)
    said = subprocess.run(["sh", str(undo / "undone.sh")], capture_output=True, text=True, timeout=60, check=False)
    assert (said.returncode, said.stderr) == (1, f"not running on {node}: Valkey\n")
    subprocess.run(["sh", str(undo / "undo.sh")], timeout=60, check=True)
    assert carts.stack_limitation("carts", node) is None
    assert [one.pid for one in carts._part("carts", node, "manager")] == [one.pid for one in sentinel]
    shutil.rmtree(undo)
    until_healthy(carts)


def test_a_patroni_that_was_killed_alone_comes_back(orders):
    """What it managed runs on: a kill that was cut short is undone as a whole one is, and nothing is started twice."""
    until_healthy(orders)
    node = state(orders).standbys[0]
    (patroni,) = orders._part("orders", node, "manager")
    before = {process.pid for process in orders._part("orders", node, "server")}
    assert processes.send(patroni, signal.SIGKILL)
    until(lambda: orders.stack_limitation("orders", node) == f"not running on {node}: Patroni", "Patroni lives")
    orders.start_stack("orders", node)
    assert orders.stack_limitation("orders", node) is None
    until_healthy(orders)
    assert before & {process.pid for process in orders._part("orders", node, "server")}


def test_without_a_majority_nobody_serves_until_the_timer(orders, gone):
    """Patroni's primary steps down; the members go on by themselves, and the cluster with them."""
    until_healthy(orders)
    strike_and_die(orders, "dcs_loss", state(orders).active, dead_man="25s", majority=True)
    gone(orders)
    until(lambda: not any(one.witness_primary for one in state(orders).members), lambda: state(orders).describe())
    assert undos(orders), "the primary went only once the timer had undone it"
    until(lambda: not undos(orders), "its timer did not undo it")
    until_healthy(orders)
    assert [orders.hung("orders", node, "dcs") for node in ("n1", "n2", "n3")] == [[], [], []]


def test_a_pause_that_a_killed_runner_left_ends_by_itself(orders, gone):
    """Every member has seen the end of it; who asks for one while it lasts is refused, for its undo would end this one."""
    until_healthy(orders)
    strike_and_die(orders, "maintenance", "n1", dead_man="6s")
    gone(orders)
    assert state(orders).maintenance is True
    assert InMaintenance(orders.reach("orders").manager, "orders").limitation() == (
        "orders is in maintenance already, and not by this rehearsal, whose undo would end it"
    )
    until(lambda: not undos(orders), "its timer did not undo it")
    assert state(orders).maintenance is False
    assert set(paused(orders.reach("orders").manager._nodes, 5.0).values()) == {False}
    until_healthy(orders)


def test_a_lab_goes_down_while_a_timer_runs(tmp_path):
    """The timer ends itself with its folder, and starts nothing of a lab that is gone."""
    lab = up(tmp_path, "sentinel")
    try:
        node = state(lab).standbys[0]
        strike_and_die(lab, "stack_kill", node, dead_man="3s")
    finally:
        lab.down(lambda text: None)
    assert not lab.home.exists()
    until(lambda: not processes.speaking_of(lab.undo_folder), "its watcher did not end")
    assert processes.below(lab.home) == []
    assert not lab.home.exists()


def test_by_hand_it_says_why_not(tmp_path):
    """Where there is no lab any more, and nothing to undo, a sentence and a status; no traceback."""
    said = subprocess.run(
        [sys.executable, "-m", "pytest_harehearse.faults.lab_undo", "undo", str(tmp_path), "power", "web", "n1"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert said.returncode == 1
    assert said.stderr == f"there is no lab in {Path(tmp_path)} any more\n"
