# SPDX-License-Identifier: MIT
"""The files of ``harehearse init --ci`` do what they say: their own commands are run, with a real lab of Valkey's sentinels."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
import yaml
from defusedxml.ElementTree import parse

from pytest_harehearse.cli import exits, init, init_ci, main
from pytest_harehearse.labs import home, processes

PROJECT = """
default_environment = "demo"

[environments.demo]
kind = "lab"
provider = "embedded"

[environments.demo.clusters.carts]
manager = "sentinel"
nodes = ["c1", "c2", "c3"]

[environments.demo.clusters.carts.gates]
rehearsals = 1
interruption = "20s"
"""
WITHIN = 400
SCENARIOS = Path(__file__).parents[3] / "scenarios"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project with a rehearsal; whatever happens, nothing of its lab stays."""
    place = tmp_path / "project"
    place.mkdir()
    (place / "harehearse.toml").write_text(PROJECT)
    (place / "test_failover_first.py").write_text(init.template("test_failover_first.py.txt"))
    monkeypatch.chdir(place)
    lab = home.home_of(place / "harehearse.toml", "demo")
    yield place
    left = processes.below(lab), lab.exists()
    if any(left):
        subprocess.run([sys.executable, "-m", "pytest_harehearse.cli", "lab", "down", "demo"], check=False, timeout=100)
    assert left == ([], False)


@pytest.fixture
def environ(tmp_path):
    """What a job finds: our commands on the path, and a pip that finds everything installed."""
    # ``.venv`` of the Jenkinsfile is empty; there pip looks along this.
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([sysconfig.get_path("purelib"), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "step-summary.md"),
    }  # fmt: skip


def github(text, state):
    """Each step by ``bash -e``, as a runner does without ``shell``."""
    steps = yaml.safe_load(text)["jobs"]["weekly"]["steps"]
    return [["bash", "-e", "-c", step["run"]] for step in steps if "run" in step]


def gitlab(text, state):
    """The script as one, ended by its first failure."""
    (job,) = yaml.safe_load(text).values()
    return [["bash", "-eo", "pipefail", "-c", "\n".join(job["script"])]]


def jenkins(text, state):
    """Each ``sh`` by ``sh -xe``."""
    steps = re.findall(r"^\s+sh '([^']*)'$", text, re.MULTILINE)
    assert len(steps) == text.count(" sh '")
    return [["sh", "-xe", "-c", step] for step in steps]


def systemd(text, state):
    """The one command, without a shell; ``%S`` is where state lies."""
    (line,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert re.search(r"^StateDirectory=harehearse$", text, re.MULTILINE)
    (state / "harehearse").mkdir(parents=True)
    return [shlex.split(line.replace("%S", str(state)).replace("%%", "%").replace("$$", "$"))]


def carry_out(commands, folder, environ):
    """Run them one after the other; return the status of the last, and all that was said."""
    said = ""
    for command in commands:
        done = subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=WITHIN,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        said += done.stdout + done.stderr
        if done.returncode:
            break
    return done.returncode, said


def could_not(said):
    """Return the steps that could not be carried out."""
    return [
        line for line in said.splitlines()
        if re.search(r"^\? .* could not be done", line) and line.split()[1] in main.VERBS
    ]  # fmt: skip


@pytest.mark.parametrize("commands", [github, gitlab, jenkins, systemd], ids=lambda one: one.__name__)
def test_its_own_commands_do_the_week(commands, folder, environ, tmp_path):
    """The lab comes and goes, is rehearsed and gated; NO-GO (no way back was rehearsed) fails the job; all files are there."""
    known = init_ci.TARGETS[commands.__name__]
    init.write(folder, known.files)
    text = (folder / next(iter(known.files))).read_text()
    status, said = carry_out(commands(text, tmp_path / "state"), folder, environ)

    assert status == exits.NO, said
    assert "✓ rehearse demo/carts: 1 passed" in said
    assert "✗ gate demo/carts: NO-GO" in said
    assert "✓ lab down demo: done" in said
    assert not could_not(said)

    store = tmp_path / "state/harehearse" if commands is systemd else folder / ".harehearse"
    (report,) = store.glob("runs/*/report.html")
    assert report.stat().st_size > 1000
    assert (store / "history.sqlite").is_file()
    junit = (store if commands is systemd else folder) / "weekly-junit.xml"
    assert parse(junit).getroot().find("testsuite").get("tests") == "1"

    files = {"github": Path(environ["GITHUB_STEP_SUMMARY"])}
    summary = said if commands is systemd else files.get(commands.__name__, folder / "weekly.md").read_text()
    assert "# ✗ NO-GO: demo/carts" in summary
    if commands is not systemd:
        assert summary.startswith("# ✗ FAILED: gate demo/carts: NO-GO")
        assert "## ✓ PASSED: run r-" in summary
        assert "weekly_hook" not in summary


def test_the_history_is_kept_from_week_to_week(folder, environ, tmp_path):
    """The second week's gate counts the first's rehearsal too."""
    command = ["harehearse", "weekly", "--store", ".harehearse", "--summary"]
    for week in ("one.md", "two.md"):
        _, said = carry_out([[*command, week]], folder, environ)
        assert "✓ rehearse demo/carts: 1 passed" in said
    assert "| 1 passed | 1 within" in (folder / "one.md").read_text()
    assert "| 2 passed | 1 within" in (folder / "two.md").read_text()


def test_a_week_that_is_go(folder, environ):
    """A planned switchover and the way back, in time and within the budget: every gate says GO, and the job succeeds."""
    shutil.copy(SCENARIOS / "test_failover_patch_rollback.py", folder)
    toml = folder / "harehearse.toml"
    toml.write_text(toml.read_text().replace('"20s"', '"60s"'))
    status, said = carry_out([["harehearse", "weekly"]], folder, environ)
    assert "✓ rehearse demo/carts: 2 passed" in said
    assert "✓ gate demo/carts: GO" in said
    assert not could_not(said)
    if "drift" in main.VERBS:
        assert status == exits.OK, said


def test_a_rehearsal_that_fails_fails_the_week(folder, environ):
    """And the gate is asked all the same."""
    file = folder / "test_failover_first.py"
    file.write_text(file.read_text().replace('seen.interruption <= "15s"', 'seen.interruption <= "1ms"'))
    status, said = carry_out([["harehearse", "weekly"]], folder, environ)
    assert status == exits.NO
    assert "✗ rehearse demo/carts: 1 failed" in said
    assert "gate demo/carts: NO-GO" in said


def test_nothing_to_rehearse_is_unknown(folder, environ):
    """No test is no success."""
    (folder / "test_failover_first.py").unlink()
    status, said = carry_out([["harehearse", "weekly", "--", "."]], folder, environ)
    assert "? rehearse demo/carts: pytest found no test" in said
    assert status in {exits.NO, exits.UNKNOWN}


def test_a_job_that_is_cancelled_gives_everything_back(folder, environ):
    """In mid-rehearsal: pytest ends, the lab goes, the summary says how far it came, and it is no success."""
    file = folder / "test_failover_first.py"
    file.write_text(
        file.read_text() + "    import time\n\n    (cluster, open('there', 'x').close(), time.sleep(300))\n"
    )
    job = subprocess.Popen(
        ["harehearse", "weekly", "--store", ".harehearse", "--summary", "s.md"], cwd=folder, env=environ,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 200
        while not (folder / "there").exists():
            assert job.poll() is None
            assert time.monotonic() < deadline, "the rehearsal did not begin in time"
            time.sleep(0.1)
        job.send_signal(signal.SIGTERM)
        said, _ = job.communicate(timeout=200)
    finally:
        if job.poll() is None:
            job.kill()
            job.communicate()
    assert job.returncode == exits.INTERRUPTED, said
    assert "Traceback" not in said
    assert "? rehearse demo/carts: was stopped from outside" in said
    assert "✓ lab down demo: done" in said
    assert "$ harehearse gate" not in said
    assert (folder / "s.md").read_text().startswith("# ? UNKNOWN: not known: ")
