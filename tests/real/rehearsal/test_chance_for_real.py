# SPDX-License-Identifier: MIT
"""A fault plan by chance and repeats at a random phase, on a real Sentinel cluster."""

import json
import os
import subprocess
import sys

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

@pytest.mark.chance(plans=1, steps=3, faults=["stack_kill", "node_freeze"])
def test_failover_chance(cluster, probes, faults, fault_plan):
    with probes.watch(settle="2s"):
        faults.play_through(fault_plan)
        cluster.until_redundant(within="2min")

def test_failover_switchover(cluster, probes):
    with probes.watch(settle="1s"):
        cluster.switchover(within="60s")
        cluster.until_redundant(within="2min")
"""
WANTED = Chance(plans=1, steps=3, faults=("stack_kill", "node_freeze"))


def length(plan):
    return max(int(table["at"]["in"][:-1]) + int(table["for"][:-1]) for table in plan)


def rehearsed(folder, *options):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=folder, env=kept, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    run = max((folder / ".harehearse" / "runs").iterdir())
    return done.stdout, json.loads((run / "run.json").read_text())["rehearsals"]


def test_a_drawn_plan_is_struck_as_it_was_drawn_and_repeats_are_counted(tmp_path):
    (tmp_path / "harehearse.toml").write_text(INVENTORY)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = chance\n")
    (tmp_path / "test_failover.py").write_text(TEST)
    cluster = load(tmp_path / "harehearse.toml").clusters["demo/carts"]
    # A short one, for it is really played.
    seeds = (f"s{number}" for number in range(200))
    plans = ((seed, drawn(cluster, WANTED, seed, "test_failover.py::test_failover_chance", 1)) for seed in seeds)
    seed, plan = next((seed, plan) for seed, plan in plans if len(plan) == 2 and length(plan) <= 50)

    _, [one] = rehearsed(tmp_path, "-k", "chance", f"--harehearse-seed={seed}")
    struck = [(fault["name"], fault["target"], fault["outcome"], fault["undone"]) for fault in one["faults"]]
    assert struck == [(table["fault"], table["node"], "done", "done") for table in plan]
    assert f"PLAN = {plan!r}" in one["notes"][0]

    said, found = rehearsed(tmp_path, "-k", "switchover", "--harehearse-repeat=3")
    assert [one["verdict"] for one in found] == ["passed"] * 3
    told = " ".join(said.split())
    assert "demo/carts test_failover_switchover: 3 of 3 passed; write: median " in told
    assert "of further ones at most 63% take longer than that worst (95 % sure)" in told
