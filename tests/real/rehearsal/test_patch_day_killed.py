# SPDX-License-Identifier: MIT
"""The runner of a patch day is killed in the middle of a step: the cluster serves, is healed, and another run goes on with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from tests.common.killed import events_of, kill_in

from pytest_harehearse.events import GateReached, StepFinished
from pytest_harehearse.inventory.load import load
from pytest_harehearse.labs.base import lab_of

TEST = """
def test_patch(cluster, probes, patching):
    with probes.watch() as seen:
        day = patching.standby_first(patching.reboot(), prove_switchover=False, soak="1s")
    assert day.gates == {"A": "GO", "B": "GO", "C": "GO"}
    assert cluster.active != day.original
    assert seen.lost_writes == []
"""
INVENTORY = """
[environments.demo]
kind = "lab"
provider = "embedded"
[environments.demo.clusters.orders]
manager = "patroni"
nodes = ["n1", "n2", "n3"]
dead_man = "5s"
lease = "5s"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A PostgreSQL lab that is up, with a test of a patch day."""
    folder = tmp_path_factory.mktemp("patch-day")
    (folder / "harehearse.toml").write_text(INVENTORY)
    (folder / "test_patch.py").write_text(TEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    inventory = load(folder / "harehearse.toml")
    lab = lab_of(inventory, inventory.environments["demo"])
    lab.up(lambda text: None, keep=True)
    yield folder, lab
    lab.down(lambda text: None)


@pytest.fixture
def start(project, tmp_path):
    """Start a run in a group of its own; whatever still runs is killed at the end of the test."""
    folder, _ = project
    started = []

    def run(*options):
        runner = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--harehearse-keep-lab", "--harehearse-store",
             str(tmp_path), *options, "test_patch.py"],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        started.append(runner)
        return runner

    yield run
    for runner in started:
        if runner.poll() is None:
            os.killpg(runner.pid, signal.SIGKILL)
            runner.communicate()


#: In the suite the two that cut deepest; ``HAREHEARSE_TESTS_EVERY_STEP=1`` kills in each.
DEEPEST = [("reboot", 1), ("switchover", 1)]
EVERY = [("preflight", 1), ("reboot", 2), ("validate", 1), ("soak", 1), ("reboot", 3), ("validate", 3), ("audit", 1)]


@pytest.mark.parametrize(("name", "turn"), DEEPEST + (EVERY if os.environ.get("HAREHEARSE_TESTS_EVERY_STEP") else []))
def test_killed_in_a_step_healed_and_gone_on_with(project, start, tmp_path, name, turn):
    """Nothing of ours stays, no gate is passed by what was seen before the kill, and no node is rebooted twice for it."""
    folder, lab = project
    runner = start()
    kill_in(runner, tmp_path, name, turn)
    healed = subprocess.run(
        [sys.executable, "-m", "pytest_harehearse.cli", "recover", "demo/orders", "--config", str(folder / "harehearse.toml"),
         "--store", str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert healed.returncode in {0, 1}, healed.stdout + healed.stderr
    deadline = time.monotonic() + 90
    while (why := lab.reach("orders").manager.state().redundancy_limitation()) is not None:
        assert time.monotonic() < deadline, why
        time.sleep(0.2)
    # Before the playbook was fixed there is nothing that another run could go on with.
    done = start(*(() if name == "preflight" else ("--harehearse-resume", "latest")))
    said, _ = done.communicate(timeout=240)
    assert done.returncode == 0, said
    events = events_of(tmp_path)
    gates = [(event.gate, event.verdict) for event in events if isinstance(event, GateReached)]
    # Once gate C was passed, only what comes after it is done again.
    assert gates[-1:] == ([] if name == "audit" else [("C", "GO")])
    run = json.loads((max((tmp_path / "runs").iterdir()) / "run.json").read_text())
    assert run["verdict"] == "passed"
    if name != "preflight":
        assert [event for event in events if isinstance(event, StepFinished) and event.outcome == "skipped"]
