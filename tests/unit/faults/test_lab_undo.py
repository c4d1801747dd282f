# SPDX-License-Identifier: MIT
"""The undo of a fault done through a lab: what its timer runs, what it needs for that, and what it says when it cannot."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.faults import lab_undo
from pytest_harehearse.faults.base import Scene
from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.faults.dead_man import Place, about
from pytest_harehearse.inventory.model import Cluster, Node
from pytest_harehearse.labs import home as homes
from pytest_harehearse.labs.embedded.lab import EmbeddedLab
from pytest_harehearse.labs.home import LabState, NodePlace, Owner
from pytest_harehearse.labs.lxd.lab import LxdLab
from pytest_harehearse.remote.local import LocalChannel

CARTS = Cluster("demo", "carts", "lab", "sentinel", (Node("c1"), Node("c2")), provider="embedded")
ABOUT = about(run="r", cluster="demo/carts", fault="f", target="c1", strike="", undo="")


class Power:
    """A node that is in a state, and what was asked of its lab."""

    def __init__(self, *states):
        self.states, self.did = list(states), []

    def power_state(self, node):
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def power_off(self, node, deadline=30.0):
        raise AssertionError

    freeze = power_off

    def power_on(self, node, deadline=30.0):
        self.did.append(("on", node))

    def thaw(self, node, deadline=30.0):
        self.did.append(("thaw", node))


class Stacks:
    """Nodes made of processes, of which the lab knows whether all run, or only whether any does."""

    def __init__(self, pids=()):
        self.pids, self.did = list(pids), []

    def kill_stack(self, cluster, node):
        raise AssertionError

    def stack_processes(self, cluster, node):
        return self.pids

    def start_stack(self, cluster, node):
        self.did.append((cluster, node))


class Whole(Stacks):
    def stack_limitation(self, cluster, node):
        return f"not running on {node}: its sentinel"


class Hangs:
    """A lab with processes that are stopped."""

    def __init__(self, *pids):
        self.pids, self.did = list(pids), []

    def hang_limitation(self, cluster, node, part):
        return None

    def hang(self, cluster, node, part):
        raise AssertionError

    def go_on(self, cluster, node, part):
        self.did.append((cluster, node, part))

    def hung(self, cluster, node, part):
        return self.pids


@pytest.fixture
def lab(monkeypatch, tmp_path):
    """Write down a lab in a folder; return that folder."""
    monkeypatch.setattr(homes, "base", lambda: tmp_path)

    def written(provider="embedded", **more):
        places = {name: {"n1": NodePlace("127.0.0.1"), "n2": NodePlace("127.0.0.2")} for name in ("orders", "carts")}
        state = LabState(
            "demo", "/gone/harehearse.toml", "", Owner(1, 1), True, "up", places, {}, provider=provider, **more
        )
        home = homes.home_of(Path(state.inventory), state.environment)
        home.mkdir()
        homes.save(home, state)
        return home

    return written


# -- what is laid down -------------------------------------------------------------------------------------------------


def scene(root=None, cluster=CARTS, **more):
    here = None if root is None else Place("this machine", LocalChannel("this machine"), str(root), as_root=False)
    return Scene(cluster, None, here=here, **more)


def test_it_runs_this_python_with_the_lab_from_anywhere(monkeypatch, tmp_path):
    """By absolute paths; what lies in the folder where a person runs it is taken for no module of ours."""
    python = tmp_path / 'a python\'s "place"'
    python.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/said"\n')
    python.chmod(0o700)
    monkeypatch.setattr(lab_undo.sys, "executable", str(python))
    timer = lab_undo.timer(scene(tmp_path / "home" / "undo"), "hang:dcs", "c1", 30.0)
    timer.arm(ABOUT)
    try:
        (folder,) = (tmp_path / "home" / "undo").iterdir()
        home, module = str(tmp_path / "home"), "pytest_harehearse.faults.lab_undo"
        for script, what in (("undo.sh", "undo"), ("undone.sh", "undone")):
            subprocess.run(["sh", str(folder / script)], cwd="/", timeout=30, check=True)
            said = (tmp_path / "said").read_text().splitlines()
            assert said == ["-P", "-m", module, what, home, "hang:dcs", "carts", "c1"]
    finally:
        timer.disarm()
    assert not (tmp_path / "home" / "undo").exists()


@pytest.mark.parametrize(
    ("fault", "provider"),
    [("node_power_off", "lxd"), ("node_freeze", "lxd"), ("stack_kill", "embedded"), ("node_freeze", "embedded"),
     ("process_hang", "embedded"), ("dcs_loss", "embedded")],
)  # fmt: skip
def test_every_fault_through_a_lab_has_a_timer(tmp_path, fault, provider):
    """The cluster's own, or the one that was asked for; a plan says it too, and has no place for it."""
    cluster = Cluster("demo", "carts", "lab", "sentinel", (Node("c1"),), provider=provider)
    build = CATALOGUE[fault].builder
    lab = Stacks() if fault == "stack_kill" else None
    assert build(scene(tmp_path, cluster, dead_man=45.0, lab=lab), "c1").dead_man == 45.0
    assert build(scene(tmp_path, cluster, lab=lab), "c1", dead_man="7s").dead_man == 7.0
    assert build(scene(None, cluster, planned=True), "c1").dead_man == 60.0
    assert list(tmp_path.iterdir()) == []


def test_where_no_lab_has_a_folder_there_is_no_timer():
    """As with a lab of somebody else's that gives no place for one: nothing is claimed."""
    assert lab_undo.timer(scene(), "power", "c1", 30.0) is None


# -- what it does ------------------------------------------------------------------------------------------------------


def test_power_comes_back_whatever_took_it():
    """Frozen or off, or fenced meanwhile: thawed and powered on; the lab does nothing where there is nothing to do."""
    made = Power("off")
    lab_undo.undo(made, "power", "web", "n1")
    assert made.did == [("thaw", "n1"), ("on", "n1")]
    assert lab_undo.left(made, "power", "web", "n1") == "n1 is off"
    assert lab_undo.left(Power("on"), "power", "web", "n1") is None


def test_a_node_is_started_and_asked_whether_all_of_it_runs():
    """Where the lab can tell; else anything that runs is taken for the node."""
    made = Whole([7])
    lab_undo.undo(made, "stack", "carts", "c1")
    assert made.did == [("carts", "c1")]
    assert lab_undo.left(made, "stack", "carts", "c1") == "not running on c1: its sentinel"
    assert lab_undo.left(Stacks([7]), "stack", "carts", "c1") is None
    assert lab_undo.left(Stacks(), "stack", "carts", "c1") == "nothing runs on c1"


def test_what_is_stopped_goes_on():
    """The part that was stopped, and no other."""
    made = Hangs(4, 5)
    lab_undo.undo(made, "hang:dcs-majority", "carts", "c1")
    assert made.did == [("carts", "c1", "dcs-majority")]
    assert lab_undo.left(made, "hang:dcs-majority", "carts", "c1") == "stopped on c1: pids [4, 5]"
    assert lab_undo.left(Hangs(), "hang:server", "carts", "c1") is None


@pytest.mark.parametrize("verb", ["power", "stack", "hang:server", "pray"])
def test_a_lab_that_cannot(verb):
    """Is never taken for undone."""
    with pytest.raises(HarehearseError, match=rf"^this lab has no '{verb}' to undo$"):
        lab_undo.undo(object(), verb, "web", "n1")
    assert lab_undo.left(object(), verb, "web", "n1") == f"this lab has no {verb!r}"


# -- what it needs -----------------------------------------------------------------------------------------------------


def test_the_labs_own_home_is_enough(lab):
    """The inventory may be gone, or take variables that a timer does not have: a fault must end all the same."""
    home = lab(sentinels={"carts": ("127.0.0.1",)})
    found = lab_undo.lab_at(home)
    assert isinstance(found, EmbeddedLab)
    assert found.home == home
    kinds = {name: (one.manager, [node.name for node in one.nodes]) for name, one in found.environment.clusters.items()}
    assert kinds == {"orders": ("patroni", ["n1", "n2"]), "carts": ("sentinel", ["n1", "n2"])}


def test_a_lab_of_hosts(lab):
    """Of whatever kind its home says."""
    home = lab("lxd")
    found = lab_undo.lab_at(home)
    assert isinstance(found, LxdLab)
    assert found.home == home
    assert {one.manager for one in found.environment.clusters.values()} == {"pacemaker"}


def test_no_lab_any_more(tmp_path, capsys):
    """Nothing to undo, and that is no success."""
    assert lab_undo.main(["undo", str(tmp_path), "power", "web", "n1"]) == 1
    assert capsys.readouterr().err == f"there is no lab in {tmp_path} any more\n"


def test_it_waits_for_the_effect(monkeypatch, lab):
    """A node needs a moment to be on."""
    home, made = lab("lxd"), Power("off", "off", "on")
    monkeypatch.setattr(lab_undo, "lab_at", lambda home: made)
    assert lab_undo.main(["undo", str(home), "power", "web", "n1"]) == 0
    assert made.did == [("thaw", "n1"), ("on", "n1")]
    assert not homes.lock_of(home).path.exists()


def test_what_is_still_wrong_at_the_end_is_said(monkeypatch, lab, capsys):
    """With a status that is no success, for the undo and for the question alone, which changes nothing."""
    home, made = lab("lxd"), Power("off")
    monkeypatch.setattr(lab_undo, "PROOF_S", 0.0)
    monkeypatch.setattr(lab_undo, "lab_at", lambda home: made)
    assert lab_undo.main(["undone", str(home), "power", "web", "n1"]) == 1
    assert made.did == []
    assert lab_undo.main(["undo", str(home), "power", "web", "n1"]) == 1
    assert capsys.readouterr().err == "n1 is off\n" * 2


def test_a_lab_that_is_just_being_removed_is_left_alone(monkeypatch, lab, capsys):
    """Who starts a node of it then leaves a process behind; it says who is at it, and is run again."""
    home, made = lab("lxd"), Power("on")
    monkeypatch.setattr(lab_undo, "LOCK_S", 0.0)
    monkeypatch.setattr(lab_undo, "lab_at", lambda home: made)
    with homes.lock_of(home).acquire(within=1.0) as lock:
        assert lab_undo.main(["undo", str(home), "power", "web", "n1"]) == 1
    assert made.did == []
    assert capsys.readouterr().err == (
        f"The lab {home.name} is being created or removed by {lock.owner}; waited 0 s for it.\n"
    )
    shutil.rmtree(home)


def test_a_node_that_is_still_ending_is_started_for_good(monkeypatch):
    """Who asked it to end died before it had: all of it runs still, and only a while later nothing does."""
    monkeypatch.setattr(lab_undo, "ENDING_S", 0.5)
    lab = Stacks([1])
    looks = iter([[1], [1], []])

    def processes(cluster, node):
        lab.pids = next(looks, lab.pids)
        return lab.pids

    def start(cluster, node):
        lab.did.append("start")
        lab.pids = [2]

    lab.stack_processes, lab.start_stack = processes, start
    lab_undo.undo(lab, "restart", "carts", "c1")
    assert lab.did == ["start"]
    assert lab_undo.left(lab, "restart", "carts", "c1") is None


def test_a_node_that_does_not_stay_up_is_told(monkeypatch):
    """It ends again and again: not undone, and said."""
    monkeypatch.setattr(lab_undo, "ENDING_S", 0.25)
    monkeypatch.setattr(lab_undo, "STARTS_S", 0.2)
    lab = Stacks([])
    lab.start_stack = lambda cluster, node: lab.did.append("start")
    with pytest.raises(HarehearseError, match=r"^c1 does not stay up: nothing runs on c1$"):
        lab_undo.undo(lab, "restart", "carts", "c1")
    assert lab.did
