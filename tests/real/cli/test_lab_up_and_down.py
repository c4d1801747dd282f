# SPDX-License-Identifier: MIT
"""``harehearse lab`` and ``status`` on the real embedded lab."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psycopg
import pytest

from pytest_harehearse.cli import exits, init
from pytest_harehearse.labs import home, processes

COMMAND = [sys.executable, "-m", "pytest_harehearse.cli"]


def run(*arguments):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=200)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """The home of this project's lab; whatever happens, nothing of it stays."""
    init.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    place = home.home_of(tmp_path / "harehearse.toml", "demo")
    yield place
    run("lab", "down", "demo")
    assert not processes.below(place)
    assert not place.exists()


def test_up_status_down(lab):
    """A lab that stays, is used by hand, and goes without a trace."""
    made = run("lab", "up", "demo")
    assert made.returncode == exits.OK, made.stderr
    assert made.stdout.startswith("demo is up: 1 cluster, healthy, ")
    assert "; orders: primary n" in made.stdout
    assert "starting orders/n1" in made.stderr
    before = {found.pid for found in processes.below(lab)}

    again = run("lab", "up")
    assert again.returncode == exits.OK
    assert again.stdout.startswith("demo was already up: 1 cluster, healthy, since ")
    assert "  remove   harehearse lab down demo\n" in again.stdout
    assert lab.exists()
    assert {found.pid for found in processes.below(lab)} & before

    look = run("status", "--json")
    (cluster,) = json.loads(look.stdout)["clusters"]
    assert (look.returncode, cluster["redundant"], len(cluster["nodes"])) == (exits.OK, True, 3)
    assert run("doctor", "demo").returncode == exits.OK

    hidden = json.loads(run("lab", "status", "--json").stdout)
    assert (hidden["up"], hidden["keep"]) == (True, True)
    assert ":***@" in hidden["urls"]["orders"]
    shown = json.loads(run("lab", "status", "--json", "--show-password").stdout)
    with psycopg.connect(shown["urls"]["orders"]) as connection:
        assert connection.execute("select pg_is_in_recovery()").fetchone() == (False,)

    removed = run("lab", "down", "demo")
    assert (removed.returncode, removed.stdout) == (exits.OK, "demo is removed\n")
    assert not processes.below(lab)
    assert not lab.exists()
    assert run("status").returncode == exits.UNKNOWN


def wait_for(condition, within=60.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize("servers", [0, 8])
def test_down_after_up_was_killed(lab, servers):
    """SIGKILL while the lab is being made: its servers live on, and down ends every one."""
    making = subprocess.Popen([*COMMAND, "lab", "up", "demo"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: lab.exists() and len(processes.below(lab)) >= servers)
    making.kill()
    making.wait()
    assert bool(processes.below(lab)) or not servers
    assert run("lab", "status").returncode == exits.NO
    doctor = run("doctor")
    assert doctor.returncode == exits.NO
    assert ("was left by a killed parent" if servers else "✗ leftovers") in doctor.stdout

    assert run("lab", "down", "demo").returncode == exits.OK
    assert not processes.below(lab)
    assert not lab.exists()
    assert not os.path.lexists(f"{lab}.lock")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_up_leaves_nothing(lab, number):
    """Ctrl-C, and what a CI system sends."""
    making = subprocess.Popen([*COMMAND, "lab", "up", "demo"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for(lambda: lab.exists() and len(processes.below(lab)) >= 8)
    making.send_signal(number)
    _, said = making.communicate(timeout=60)
    assert making.returncode == exits.INTERRUPTED
    assert b"Traceback" not in said
    assert not processes.below(lab)
    assert not lab.exists()
