# SPDX-License-Identifier: MIT
"""The runner of a patch day on hosts is killed in a step: another machine heals it, users are served, the run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request

import pytest
from tests.common.killed import events_of, kill_in

from pytest_harehearse.events import GateReached, StepFinished

TEST = """
def test_patch(cluster, probes, patching):
    with probes.watch():
        day = patching.standby_first(patching.reboot(), soak="2s")
    assert day.gates == {"A": "GO", "B": "GO", "C": "GO"}
    assert cluster.active != day.original
"""
URL = "http://198.18.0.100/"


@pytest.fixture
def start(web, tmp_path):
    """Start a run in a group of its own; whatever still runs is killed at the end of the test."""
    (tmp_path / "test_patch.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    started = []

    def run(*options):
        runner = subprocess.Popen(
            [
                sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--harehearse-config",
                str(web.labs.folder / "harehearse.toml"), "--harehearse-env", "lab", "--harehearse-store",
                str(tmp_path / "store"), *options, "test_patch.py",
            ],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        started.append(runner)
        return runner

    web.healthy()
    yield run
    for runner in started:
        if runner.poll() is None:
            os.killpg(runner.pid, signal.SIGKILL)
            runner.communicate()
    web.labs.command("recover", "lab/web", "--store", str(tmp_path / "after"))
    web.healthy()


#: In the suite the two that cut deepest; ``HAREHEARSE_TESTS_EVERY_STEP=1`` kills in each.
DEEPEST = [("drain", 1), ("switchover", 1)]
EVERY = [
    ("preflight", 1), ("prove_switchover", 1), ("patch", 1), ("reboot", 1), ("undrain", 1), ("validate", 1), ("soak", 1),
    ("drain", 2), ("reboot", 2), ("validate", 2), ("audit", 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "turn"), DEEPEST + (EVERY if os.environ.get("HAREHEARSE_TESTS_EVERY_STEP") else []))
def test_killed_in_a_step_on_hosts(web, start, tmp_path, name, turn):
    """Healed from a machine that knows nothing of the run, the cluster is whole and serves; then the run goes on to its end."""
    kill_in(start(), tmp_path / "store", name, turn, within=200)
    web.until(lambda state: state.active is not None, within=120)
    healed = web.labs.command("recover", "lab/web", "--store", str(tmp_path / "elsewhere"), within=240)
    assert healed.status in {0, 1}, healed.out + healed.err
    web.healthy()
    # The machine whose runner died has it in its journal still, and refuses to go on until it has looked itself.
    own = web.labs.command("recover", "lab/web", "--store", str(tmp_path / "store"), within=240)
    assert own.status == 0, own.out + own.err
    with urllib.request.urlopen(URL, timeout=10) as answer:
        assert answer.status == 200
    # Before the playbook was fixed there is nothing that another run could go on with.
    done = start(*(() if name == "preflight" else ("--harehearse-resume", "latest")))
    said, _ = done.communicate(timeout=400)
    assert done.returncode == 0, said
    events = events_of(tmp_path / "store")
    gates = [(event.gate, event.verdict) for event in events if isinstance(event, GateReached)]
    # Once gate C was passed, only what comes after it is done again.
    assert gates[-1:] == ([] if name == "audit" else [("C", "GO")])
    if name not in {"preflight", "prove_switchover"}:
        assert [event for event in events if isinstance(event, StepFinished) and event.outcome == "skipped"]
