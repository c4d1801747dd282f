"""The main job on real servers: a planned switchover, its numbers, and a run that is killed in the middle of it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_harehearse.history.build import build
from pytest_harehearse.history.rundir import as_json
from pytest_harehearse.inventory.load import load
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.base import lab_of

SCENARIO = Path(__file__).parents[3] / "scenarios" / "test_failover_planned_switchover.py"

INVENTORY = """
[environments.demo]
kind = "lab"
provider = "embedded"
[environments.demo.clusters.orders]
manager = "patroni"
nodes = ["n1", "n2", "n3"]
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "harehearse.toml").write_text(INVENTORY)
    (tmp_path / "test_failover.py").write_text(SCENARIO.read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    yield tmp_path
    inventory = load(tmp_path / "harehearse.toml")
    lab_of(inventory, inventory.environments["demo"]).down(print)


def start(project, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def lab_home(project):
    inventory = load(project / "harehearse.toml")
    return lab_of(inventory, inventory.environments["demo"]).home


def raw_bounds(path):
    """The bounds of one interruption, computed here anew from the file's raw lines."""
    rows = [row for line in path.read_text().splitlines() if isinstance(row := json.loads(line), list)]
    rows.sort(key=lambda row: row[2])
    down = [row for row in rows if row[4] not in {"ok", "slow", "not sent", "unknown", "misconfigured"}]
    if not down:
        return 0.0, 0.0
    before = [row for row in rows if row[4] in {"ok", "slow"} and row[2] < down[0][2]]
    after = [row for row in rows if row[4] in {"ok", "slow"} and row[2] > down[-1][2]]
    lower = max(0.0, max(row[2] for row in down) - min(row[3] for row in down))
    return lower, min(row[3] for row in after) - max(row[2] for row in before)


def test_the_switchover_is_measured_and_its_numbers_come_from_the_files(project):
    """A passed rehearsal with a write interruption above nought; every report's number is in the raw attempts."""
    run = start(project)
    output, _ = run.communicate(timeout=180)
    assert run.returncode == 0, output
    assert "1 passed" in output
    [directory] = (project / ".harehearse" / "runs").iterdir()
    written = json.loads((directory / "run.json").read_text())
    assert written == json.loads(json.dumps(as_json(build(directory))))
    [rehearsal] = written["rehearsals"]
    assert rehearsal["verdict"] == "passed"
    services = {service["name"]: service for service in rehearsal["services"]}
    write = services["write"]
    assert len(write["outages"]) == 1
    lower, upper = raw_bounds(directory / write["file"])
    assert (write["total_lower"], write["total_upper"]) == pytest.approx((lower, upper), abs=1e-9)
    assert 0.1 < lower < upper < 15
    assert write["writes"]["lost"] == []
    assert write["writes"]["problem"] is None
    assert write["writes"]["acked"] > 0
    page = (directory / "report.html").read_text()
    for number in (f"{lower:.2f}", f"{upper:.2f}"):
        assert number in page
        assert number in (directory / "report.md").read_text()
    # The terminal has room for one service: the one that was down longest, which need not be the writes.
    worst = max(service["total_upper"] for service in written["rehearsals"][0]["services"])
    assert f"{worst:.2f} s" in output, output
    assert "report" in output.splitlines()[-2]
    assert not lab_home(project).exists()


def test_a_run_killed_in_mid_switchover_leaves_a_report_and_a_lab_that_can_be_removed(project):
    """SIGKILL of pytest: the report says unfinished, lab down leaves no process and no file."""
    run = start(project)
    runs = project / ".harehearse" / "runs"
    deadline = time.monotonic() + 120
    while not any("ActionStarted" in path.read_text() for path in runs.glob("*/events.jsonl")):
        assert time.monotonic() < deadline, "the switchover never began"
        assert run.poll() is None, run.stdout.read()
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=30)
    reported = subprocess.run(
        [sys.executable, "-m", "pytest_harehearse.cli", "report", "latest"],
        cwd=project, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert reported.returncode == 0, reported.stdout + reported.stderr
    assert "unfinished" in reported.stdout.lower()
    [directory] = runs.iterdir()
    assert "UNFINISHED" in (directory / "report.html").read_text()
    assert "unfinished" in (directory / "report.md").read_text().lower()
    home = lab_home(project)
    assert processes.below(home), "the lab outlives the run that was killed"
    removed = subprocess.run(
        [sys.executable, "-m", "pytest_harehearse.cli", "lab", "down", "demo"],
        cwd=project, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert processes.below(home) == []
    assert not home.exists()
