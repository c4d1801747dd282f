# SPDX-License-Identifier: MIT
"""Runs that are stopped, or that must not start: by Ctrl-C, by another run, by an open fault."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import static_lab

from pytest_harehearse.labs import home
from pytest_harehearse.rehearsal.session import cluster_lock
from pytest_harehearse.safety.journal import Journal


def test_ctrl_c_leaves_nothing_behind(static, summary, world):
    """The run's files are written, the rehearsal is unknown, the lab is removed, the lock is gone."""
    static.makepyfile("""
        import os, static_lab

        def test_one(cluster, probes):
            with probes.watch():
                raise KeyboardInterrupt

        def test_two(cluster): pass
    """)
    result = static.runpytest_inprocess(no_reraise_ctrlc=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    [rehearsal] = summary()["rehearsals"]
    assert (rehearsal["verdict"], rehearsal["reason"]) == ("unknown", "stopped by the user")
    assert world.calls == ["up keep=False", "down"]
    assert not home.base().exists()
    assert "stopped by the user" in result.stdout.str()


def test_ctrl_c_as_a_user_sends_it(static, summary):
    """SIGINT to a real process in the midst of a watch: no meter stays."""
    static.makepyfile("""
        import time
        from pathlib import Path

        def test_one(cluster, probes):
            with probes.watch():
                Path("watching").touch()
                time.sleep(60)
    """)
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest"], cwd=static.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + 30
    while not (static.path / "watching").exists():
        assert time.monotonic() < deadline, run.communicate(timeout=5)
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=30)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, output
    assert summary()["rehearsals"][0]["reason"] == "stopped by the user"
    [events] = static.path.glob(".harehearse/runs/*/events.jsonl")
    kinds = [json.loads(line)["event"] for line in events.read_text().splitlines()]
    assert kinds[-1] == "RunFinished"
    assert "MeterFinished" in kinds
    assert (
        str(static.path) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    )


def test_ctrl_c_and_a_fixture_that_cannot_end(static, summary, world):
    """pytest itself gives up then, but the lab is removed and the files are written."""
    static.makepyfile("""
        import pytest

        @pytest.fixture
        def bad(cluster):
            yield
            raise RuntimeError("not put back")

        def test_one(bad): raise KeyboardInterrupt
    """)
    static.runpytest_inprocess(no_reraise_ctrlc=True)
    assert world.calls == ["up keep=False", "down"]
    assert summary()["rehearsals"][0]["reason"] == "stopped by the user"


def test_ctrl_c_while_the_lab_comes_up(static, summary, monkeypatch):
    """The rehearsal was not begun, and that is recorded."""
    static.makepyfile("""
        import static_lab

        def up(self, say, *, keep, within=90.0):
            raise KeyboardInterrupt

        static_lab.StaticLab.up = up
        def test_one(cluster): pass
    """)
    monkeypatch.setattr(static_lab.StaticLab, "up", static_lab.StaticLab.up)
    result = static.runpytest_inprocess(no_reraise_ctrlc=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert [(r["verdict"], r["reason"]) for r in summary()["rehearsals"]] == [("unknown", "stopped by the user")]


def test_pytest_exit_ends_the_run_in_order(static, summary, world):
    """``pytest.exit`` in a test is a stop too."""
    static.makepyfile("import pytest\ndef test_one(cluster): pytest.exit('enough', returncode=7)\n")
    assert static.runpytest_inprocess().ret == 7
    assert [r["verdict"] for r in summary()["rehearsals"]] == ["unknown"]
    assert world.calls[-1] == "down"


def test_an_open_fault_of_an_earlier_run_refuses(static, summary):
    """Nothing is rehearsed on a cluster somebody left broken; the lab here is one that already was up."""
    Journal(static.path / ".harehearse").open(
        run="r-2020w01-01", cluster="lab/web", fault="stack_kill", target="n1", undo="start n1 again"
    )
    static.makepyfile(
        "import static_lab\n"
        "static_lab.StaticLab.up = lambda self, say, *, keep, within=90.0: False\n"
        "def test_one(cluster): assert False\ndef test_two(cluster): assert False\n"
    )
    result = static.runpytest_subprocess()
    assert result.ret == 1
    assert result.parseoutcomes() == {"unknown": 2}
    sentence = (
        "The fault 'stack_kill n1' from run r-2020w01-01 is still open on lab/web, so nothing was started. Undo it: "
        "harehearse recover lab/web. By hand: start n1 again."
    )
    assert [r["reason"] for r in summary()["rehearsals"]] == [sentence] * 2
    assert "is still open on lab/web" in " ".join(result.stdout.str().split())


def test_a_new_lab_closes_the_faults_of_the_old_one(static):
    """What was struck is gone with it."""
    journal = Journal(static.path / ".harehearse")
    journal.open(run="r-2020w01-01", cluster="lab/web", fault="stack_kill", target="n1", undo="start n1 again")
    static.makepyfile("def test_one(cluster): pass\n")
    static.runpytest().assert_outcomes(passed=1)
    assert journal.still_open() == []


def test_a_second_run_on_the_cluster_says_who_holds_it(static, summary):
    """And starts nothing; only the first rehearsal waits for it."""
    static.makepyfile("def test_one(cluster): assert False\ndef test_two(cluster): assert False\n")
    began = time.monotonic()
    with cluster_lock(static.path / "harehearse.toml", "lab/web", "run r-1 (pid 1)"):
        result = static.runpytest()
    assert time.monotonic() - began < 9
    assert result.ret == 1
    sentence = "lab/web is being rehearsed by run r-1 (pid 1); one rehearsal at a time. Nothing was started."
    assert [(r["verdict"], r["reason"]) for r in summary()["rehearsals"]] == [("unknown", sentence)] * 2
    assert sentence in " ".join(result.stdout.str().split())


def test_two_runs_at_once_never_overlap(static):
    """Two processes, one cluster: the second waits, or refuses."""
    static.makepyfile("""
        import os, time

        def test_one(cluster):
            with open("log", "a") as log:
                log.write(f"begin {os.getpid()}\\n"); log.flush()
                time.sleep(0.7)
                log.write(f"end {os.getpid()}\\n")
    """)
    with (static.path / "conftest.py").open("a") as file:
        # One door for both.
        file.write("\nstatic_lab.Door.open = static_lab.Door.shut = lambda self: None\n")
    command = [sys.executable, "-m", "pytest"]
    runs = [
        subprocess.Popen(command, cwd=static.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    rows = [line.split() for line in (static.path / "log").read_text().splitlines()]
    assert [row[0] for row in rows] == ["begin", "end"] * 2
    assert rows[0][1] == rows[1][1] != rows[2][1] == rows[3][1]
    assert len(list((static.path / ".harehearse" / "runs").iterdir())) == 2


def test_keep_lab(static, world):
    """The lab stays, and how to remove it is said."""
    static.makepyfile("def test_one(cluster): pass\n")
    result = static.runpytest("--harehearse-keep-lab")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["harehearse: the lab lab is kept; remove it: harehearse lab down lab"])
    assert world.calls == ["up keep=True"]


def test_a_killed_run_leaves_events_up_to_the_last_instant(static):
    """SIGKILL: the stream ends without its last event, and what is there can be read."""
    static.makepyfile("import os, signal\ndef test_one(cluster):\n    os.kill(os.getpid(), signal.SIGKILL)\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest"], cwd=static.path, capture_output=True, check=False, timeout=30
    )
    assert run.returncode == -signal.SIGKILL
    [events] = static.path.glob(".harehearse/runs/*/events.jsonl")
    kinds = [json.loads(line)["event"] for line in events.read_text().splitlines()]
    assert kinds[:3] == ["RunStarted", "ClusterOpened", "RehearsalStarted"]
    assert "RunFinished" not in kinds


@pytest.fixture(autouse=True)
def _no_meter_is_left(static):
    """Whatever happens, no process of the project outlives its test."""
    yield
    marker = str(static.path).encode()
    own = os.getpid()
    left = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != own:
            try:
                line = Path("/proc", entry.name, "cmdline").read_bytes()
            except OSError:
                continue
            if marker in line:
                left.append(line)
    assert left == []
