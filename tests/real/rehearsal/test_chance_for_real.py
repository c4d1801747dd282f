# SPDX-License-Identifier: MIT
"""Fault plans by chance, target words, a plan made smaller, a state machine, and repeats at a random phase: on a real Sentinel cluster."""

import json
import os
import subprocess
import sys

import pytest

from pytest_harehearse.chance.drawn import Chance, drawn
from pytest_harehearse.inventory.load import load

INVENTORY = """
[environments.demo]
kind = "lab"
provider = "embedded"
[environments.demo.clusters.carts]
manager = "sentinel"
nodes = ["c1", "c2", "c3"]
"""
TEST = """
import pytest
from pytest_harehearse.chance.machine import ClusterMachine, run_machine

@pytest.mark.chance(plans=1, steps=3, faults=["stack_kill", "node_freeze"], targets=["c2", "c3"])
def test_failover_chance(cluster, probes, faults, fault_plan):
    with probes.watch(settle="2s"):
        faults.play_through(fault_plan)
        cluster.until_redundant(within="2min")

def test_failover_switchover(cluster, probes):
    with probes.watch(settle="1s"):
        cluster.switchover(within="60s")
        cluster.until_redundant(within="2min")

def test_failover_words(cluster, probes, faults):
    with probes.watch(settle="2s"):
        faults.play_through([
            {"fault": "stack_kill", "node": "active", "for": "10s"},
            {"fault": "node_freeze", "node": "minority", "at": {"in": "25s"}, "for": "3s"},
        ], seed=1)
        cluster.until_redundant(within="2min")

class Ours(ClusterMachine):
    strikes = ("stack_kill",)
    targets = ("standby", "minority")

def test_failover_machine(cluster, probes, faults):
    with probes.watch(settle="2s"):
        run_machine(Ours, cluster, faults, steps=6, seed="s")

@pytest.mark.chance(plans=1, steps=2, faults=["stack_kill"], targets=["active", "standby"])
def test_failover_moved(cluster, probes, faults, fault_plan):
    before = cluster.active
    with probes.watch(settle="2s"):
        faults.play_through(fault_plan)
        cluster.until_redundant(within="2min")
    assert cluster.active == before
"""
WANTED = Chance(plans=1, steps=3, faults=("stack_kill", "node_freeze"), targets=("c2", "c3"))
MOVED = Chance(plans=1, steps=2, faults=("stack_kill",), targets=("active", "standby"))


def length(plan):
    return max(int(table["at"]["in"][:-1]) + int(table["for"][:-1]) for table in plan)


@pytest.fixture
def site(tmp_path):
    """A folder with the inventory and the tests."""
    (tmp_path / "harehearse.toml").write_text(INVENTORY)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = chance\n")
    (tmp_path / "test_failover.py").write_text(TEST)
    return tmp_path


def chosen(site, wanted, test, fits):
    """Return a seed, and the plan that is drawn with it."""
    cluster = load(site / "harehearse.toml").clusters["demo/carts"]
    seeds = (f"s{number}" for number in range(500))
    plans = ((seed, drawn(cluster, wanted, seed, f"test_failover.py::{test}", 1)) for seed in seeds)
    return next((seed, plan) for seed, plan in plans if fits(plan))


def rehearsed(folder, *options, status=0):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=folder, env=kept, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    run = max((folder / ".harehearse" / "runs").iterdir())
    return done.stdout, json.loads((run / "run.json").read_text())["rehearsals"]


def test_a_drawn_plan_is_struck_as_it_was_drawn_and_repeats_are_counted(site):
    # A short one, for it is really played. The primary, c1, is not struck: one that thaws is a second primary for a while.
    seed, plan = chosen(
        site, WANTED, "test_failover_chance", lambda plan: len(plan) == 2 and length(plan) <= 50
    )  # fmt: skip
    _, [one] = rehearsed(site, "-k", "test_failover_chance", f"--harehearse-seed={seed}")
    struck = [(fault["name"], fault["target"], fault["outcome"], fault["undone"]) for fault in one["faults"]]
    assert struck == [(table["fault"], table["node"], "done", "done") for table in plan]
    assert f"PLAN = {plan!r}" in one["notes"][0]

    said, found = rehearsed(site, "-k", "switchover", "--harehearse-repeat=3")
    assert [one["verdict"] for one in found] == ["passed"] * 3
    told = " ".join(said.split())
    assert "demo/carts test_failover_switchover: 3 of 3 passed; write: median " in told
    assert "of further ones at most 63% take longer than that worst (95 % sure)" in told


def test_words_mean_the_nodes_of_that_moment_and_a_machine_undoes_what_it_strikes(site):
    _, found = rehearsed(site, "-k", "words or machine")
    words, machine = found
    killed, frozen = [(fault["name"], fault["target"]) for fault in words["faults"]]
    assert killed[0] == "stack_kill"
    assert frozen[0] == "node_freeze"
    told = " ".join(words["notes"])
    assert f"fault plan: stack_kill active means {killed[1]} now" in told
    assert f"fault plan: node_freeze minority means {frozen[1]} now" in told
    # Sentinel moved the service when its primary was killed.
    assert words["faults"][0]["observed"] == "recovers_on_peer"

    struck = [(fault["name"], fault["outcome"], fault["undone"]) for fault in machine["faults"]]
    assert struck
    assert set(struck) == {("stack_kill", "done", "done")}


def test_a_plan_that_fails_is_made_as_small_as_it_can_be(site):
    def fits(plan):
        """The primary is killed for long enough that Sentinel moves the service, and so is a standby."""
        lasting = {table["node"]: int(table["for"][:-1]) for table in plan}
        return len(plan) == 2 and len(lasting) == 2 and lasting["active"] >= 12 and length(plan) <= 50

    seed, plan = chosen(site, MOVED, "test_failover_moved", fits)
    said, [failed, *further] = rehearsed(
        site, "-k", "moved", f"--harehearse-seed={seed}", "--harehearse-shrink=2", status=1
    )
    assert further == []
    shrunk = failed["shrunk"]
    assert (shrunk["strikes"], shrunk["left"]) == (2, 1), shrunk
    [smallest] = [table for table in plan if table["node"] == "active"]
    assert f"    {smallest!r}," in shrunk["test"]
    assert "def test_failover_moved_smallest(cluster, probes, faults):" in said
