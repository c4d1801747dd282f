# SPDX-License-Identifier: MIT
"""A rehearsal is killed with its whole group in mid-fault; ``harehearse recover`` heals, from a folder that knows nothing."""

from __future__ import annotations

import json

import pytest
from tests.chaos.ground import Ground
from tests.chaos.instants import Instant, Stream, wait_for
from tests.chaos.residue import of_run
from tests.chaos.round import begin, kill

from pytest_harehearse.cli import exits
from pytest_harehearse.safety.journal import Journal

#: The timer would come long after this test: whatever is healed here, recover did it.
TEST = '''"""Strikes a fault, and is killed."""

import time


def test_it_is_killed(cluster, faults):
    """Holds it until then."""
    with faults.{fault}(cluster.standbys[0], dead_man="900s"):
        time.sleep(300)
'''


@pytest.fixture(scope="module")
def kept_up(tmp_path_factory):
    """A Valkey Sentinel lab; nothing of it stays."""
    ground = Ground.make("valkey", tmp_path_factory.mktemp("recover"))
    try:
        ground.up()
        yield ground
    finally:
        ground.down()
    assert not ground.lab.home.exists()


@pytest.fixture
def ground(kept_up):
    """The lab, whole before each test."""
    kept_up.free()
    if kept_up.until_redundant(60) is not None:
        kept_up.anew()
    return kept_up


@pytest.fixture
def struck(ground, tmp_path):
    """Returns a function that begins a run and waits until its fault is proved; what is not killed then, is at the end."""
    begun = []

    def strike(fault):
        folder = tmp_path / f"run-{fault}"
        process = begin(ground, folder, TEST.format(fault=fault))
        begun.append(process)
        in_time = wait_for(Instant("held", 0.0), Stream(folder / "store"), process)
        assert in_time, (folder / "said").read_text(errors="replace")
        return process, folder

    yield strike
    for process in begun:
        kill(process)


@pytest.fixture
def recover(ground, tmp_path):
    """Runs the command in an empty folder that is given nothing but the inventory."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()

    def run(*words):
        said = ground.command(
            "recover", ground.identity, "--config", str(ground.inventory), *words, cwd=folder, within=120
        )
        assert said.stderr == ""
        assert list(folder.iterdir()) == []
        return said

    return run


def left(ground):
    """The undos that lie in the lab's home."""
    folder = ground.lab.undo_folder
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize(("fault", "shown"), [("stack_kill", "nothing runs on "), ("node_freeze", "are stopped: ")])
def test_what_a_killed_run_left_is_healed(ground, struck, recover, fault, shown):
    """Listed without being touched, then undone and proved; a second time there is nothing to do."""
    process, folder = struck(fault)
    kill(process)
    assert ground.state().redundancy_limitation() is not None
    (undo,) = left(ground)

    listed = recover("--dry-run")
    assert listed.returncode == exits.NO
    assert f"✗ {ground.identity} (lab) is NOT clean: " in listed.stdout
    assert shown in listed.stdout
    assert f"  · {fault} " in listed.stdout
    assert f", pid {process.pid}, run r-" in listed.stdout
    assert left(ground) == [undo]

    healed = recover()
    assert healed.returncode == exits.OK, healed.stdout
    assert healed.stdout.startswith(f"✓ {ground.identity} (lab) is clean; ")
    assert f"  ✓ {fault} " in healed.stdout
    assert left(ground) == []
    assert ground.until_redundant(60) is None

    again = recover()
    assert (again.returncode, again.stdout) == (
        exits.OK, f"✓ {ground.identity} (lab) is clean: nothing was left\n",
    )  # fmt: skip
    assert of_run(folder) == []

    # The store of the run that was killed was not asked for so far.
    store = folder / "store"
    assert [entry.fault for entry in Journal(store).still_open()] == [fault]
    closed = recover("--store", str(store))
    assert closed.returncode == exits.OK
    assert "in this store's journal" in closed.stdout
    assert Journal(store).still_open() == []


def test_a_run_that_lives_is_left_alone(ground, struck, recover):
    """It is named, and its fault stays; once it was killed, the same command heals."""
    process, _ = struck("stack_kill")
    (undo,) = left(ground)
    said = recover("--json")
    (found,) = json.loads(said.stdout)["clusters"]
    assert (said.returncode, found["outcome"], found["findings"]) == (exits.NO, "not clean", [])
    assert f", pid {process.pid}, since 20" in found["held"]
    assert ", until 20" in found["held"]
    assert left(ground) == [undo]
    kill(process)
    assert recover().returncode == exits.OK
    assert left(ground) == []


def test_a_new_run_refuses_what_was_left(ground, struck, recover, tmp_path):
    """Though its own store knows nothing of it, it starts nothing, and names the command that heals."""
    process, _ = struck("stack_kill")
    kill(process)
    ground.free()
    before = left(ground)
    folder = tmp_path / "second"
    second = begin(ground, folder, "def test_nothing(cluster):\n    pass\n")
    try:
        assert second.wait(timeout=120) != 0
    finally:
        kill(second)
    told = " ".join((folder / "said").read_text(errors="replace").split())
    assert f"An earlier rehearsal left something on {ground.identity}, so nothing was started: stack_kill " in told
    assert f"harehearse recover {ground.identity}" in told
    assert left(ground) == before
    assert recover().returncode == exits.OK


def test_an_undo_that_fails_is_never_clean(ground, struck, recover):
    """Its words and the way by hand are shown, it stays where it is, and the next try heals."""
    process, _ = struck("node_freeze")
    kill(process)
    (undo,) = left(ground)
    script = ground.lab.undo_folder / undo / "undo.sh"
    whole = script.read_text()
    script.write_text("echo 'no python here' >&2\nexit 3\n")
    said = recover()
    assert said.returncode == exits.NO
    assert said.stdout.startswith(f"✗ {ground.identity} (lab) is NOT clean\n")
    assert "; no python here\n" in said.stdout
    assert left(ground) == [undo]
    script.write_text(whole)
    assert recover().returncode == exits.OK
    assert left(ground) == []
    assert ground.until_redundant(60) is None


def test_an_undo_without_a_word_about_it_is_run(ground, struck, recover):
    """Whoever lost what it tells of it, still has what undoes it."""
    process, _ = struck("node_freeze")
    kill(process)
    (undo,) = left(ground)
    (ground.lab.undo_folder / undo / "about.json").unlink()
    said = recover()
    assert said.returncode == exits.OK
    assert "  ✓ something on this machine\n" in said.stdout
    assert left(ground) == []
    assert ground.until_redundant(60) is None
