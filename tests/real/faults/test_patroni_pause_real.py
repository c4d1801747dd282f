# SPDX-License-Identifier: MIT
"""A paused Patroni for real: nobody takes over from a node that is down, and only who paused it ends that."""

from __future__ import annotations

import json
import time
from urllib.request import urlopen

import pytest
from tests.chaos.ground import Ground
from tests.chaos.residue import of_run
from tests.chaos.round import begin, kill

from pytest_harehearse.cli import exits
from pytest_harehearse.events import ActionStep, StepStarted
from pytest_harehearse.managers.patroni_pause import paused
from pytest_harehearse.safety.journal import Journal
from pytest_harehearse.streams import read_events

#: The timer would come long after this test: whatever is ended here, recover ended it.
INVENTORY = """
[environments.patroni]
kind = "lab"
provider = "embedded"
[environments.patroni.clusters.orders]
manager = "patroni"
nodes = ["n1", "n2", "n3"]
dead_man = "900s"
"""
HOLDS = '''"""Holds a maintenance, and is killed."""

import time


def test_it_is_killed(cluster):
    """Until then."""
    with cluster.maintenance():
        time.sleep(300)
'''
IN_PLACE = '''"""Patches in place, and is killed."""


def test_in_place(cluster, patching):
    """Until then."""
    patching.in_place(patching.reboot())
'''
SOMEBODY = '''"""Somebody pauses the cluster in mid-rehearsal."""

import pytest

from pytest_harehearse.errors import Unsupported


def test_it_is_theirs(cluster):
    """Refused, and left as it is."""
    somebody = cluster.manager
    somebody.maintenance(on=True)
    try:
        with pytest.raises(Unsupported, match="is in maintenance already, and not by this rehearsal, whose undo would end it"):
            with cluster.maintenance():
                raise AssertionError
        assert cluster.state().maintenance is True
    finally:
        somebody.maintenance(on=False)
'''


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """A PostgreSQL lab; nothing of it stays."""
    inventory = tmp_path_factory.mktemp("pause") / "harehearse.toml"
    inventory.write_text(INVENTORY)
    made = Ground(inventory, "patroni")
    try:
        made.up()
        yield made
    finally:
        made.down()
    assert not made.lab.home.exists()


@pytest.fixture
def manager(ground):
    """Patroni, whole and not paused before the test and after it."""
    found = ground.lab.reach("orders").manager
    assert ground.until_redundant(60) is None
    yield found
    found.maintenance(on=False)
    for node in ("n1", "n2", "n3"):
        ground.lab.start_stack("orders", node)


def wait(condition, what, within=60.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


def seen(manager):
    """Whether each member works in pause, by its own word."""
    return set(paused(manager._nodes, 5.0).values())


def leader(manager, but):
    """Who holds the leader key, by the word of any node but one."""
    node = next(one for one in manager._nodes if one.name != but)
    with urlopen(f"http://{node.host}:{node.rest_port}/cluster", timeout=10) as answer:
        members = json.load(answer)["members"]
    return next((one["name"] for one in members if one["role"] == "leader"), None)


def begun(folder):
    """The steps of a patch day that a run has begun."""
    streams = (folder / "store" / "runs").glob("*/events.jsonl")
    return [one.name for stream in streams for one in read_events(stream) if isinstance(one, StepStarted)]


def undos(ground):
    folder = ground.lab.undo_folder
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_on_and_off(ground, manager):
    """Every member works in pause, and the state says so; off, the cluster is whole as before."""
    assert manager.state().maintenance is False
    assert manager.maintenance(on=True).startswith("Patroni is paused (PATCH /config to n")
    assert seen(manager) == {True}
    assert (manager.state().maintenance, manager.state().pending) == (True, "Patroni is paused")
    assert manager.maintenance(on=False).startswith("Patroni is resumed (PATCH /config to n")
    assert seen(manager) == {False}
    assert manager.state().maintenance is False
    assert ground.until_redundant(30) is None


def test_nobody_takes_over_when_the_leader_key_expires(ground, manager):
    """The key outlives its holder by its time to live only; then nobody holds it, nobody serves, and the node comes back."""
    before = manager.state()
    node, timeline = before.active, before.member(before.active).timeline
    manager.maintenance(on=True)
    ground.lab.end_stack("orders", node, 60.0)
    # In pause Patroni leaves PostgreSQL running and its key where it is: the lab ends PostgreSQL as a reboot would.
    assert ground.lab.stack_processes("orders", node) == []
    assert leader(manager, node) == node
    wait(lambda: leader(manager, node) is None, lambda: f"the key is still held by {leader(manager, node)}", 60.0)
    until = time.monotonic() + 5.0
    while time.monotonic() < until:
        state = manager.state()
        assert [one.name for one in state.members if one.witness_primary] == [], state.describe()
        assert leader(manager, node) is None
        time.sleep(0.2)

    ground.lab.start_stack("orders", node)
    said = manager.start_in_maintenance(node)
    assert said == f"POST /restart to {node}: restarted successfully"
    wait(lambda: manager.state().active == node, lambda: manager.state().describe())
    manager.maintenance(on=False)
    assert ground.until_redundant(60) is None
    after = manager.state()
    assert (after.active, after.member(node).timeline) == (node, timeline)


def test_a_killed_run_is_found_and_ended_from_elsewhere(ground, manager, tmp_path):
    """Its undo was on disk and in the journal before the pause; recover ends it from a folder and a store that know nothing."""
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    elsewhere.mkdir()
    process = begin(ground, folder, HOLDS)
    try:
        wait(lambda: manager.state().maintenance is True, lambda: (folder / "said").read_text(errors="replace"), 120.0)
        store = folder / "store"
        (stream,) = (store / "runs").glob("*/events.jsonl")
        steps = lambda: [one.step for one in read_events(stream) if isinstance(one, ActionStep)]  # noqa: E731
        wait(lambda: "proved" in steps(), lambda: f"seen last: {steps()}")
        assert steps() == ["armed", "struck", "proved"]
    finally:
        kill(process)
    assert [entry.fault for entry in Journal(store).still_open()] == ["maintenance"]
    (undo,) = undos(ground)
    assert undo.startswith("pause")
    words = ("recover", ground.identity, "--config", str(ground.inventory))

    listed = ground.command(*words, "--dry-run", cwd=elsewhere, within=120)
    assert listed.returncode == exits.NO
    assert "  · maintenance " in listed.stdout, listed.stdout
    assert seen(manager) == {True}

    healed = ground.command(*words, cwd=elsewhere, within=120)
    assert healed.returncode == exits.OK, healed.stdout
    assert seen(manager) == {False}
    assert (undos(ground), of_run(folder), list(elsewhere.iterdir())) == ([], [], [])
    again = ground.command(*words, cwd=elsewhere, within=120)
    assert (again.returncode, again.stdout) == (
        exits.OK, f"✓ {ground.identity} (lab) is clean: nothing was left\n",
    )  # fmt: skip
    assert ground.until_redundant(60) is None


@pytest.mark.parametrize(("step", "after"), [("reboot", 0.3), ("reboot", 1.0), ("maintenance_off", 0.05)])
def test_killed_in_the_middle_of_a_patch_in_place(ground, manager, tmp_path, step, after):
    """The pause and the restart are both undone, in whatever order: the node runs, its PostgreSQL too, and all are whole."""
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    elsewhere.mkdir()
    before = manager.state()
    process = begin(ground, folder, IN_PLACE)
    try:
        wait(lambda: step in begun(folder), lambda: (folder / "said").read_text(errors="replace"), 120.0)
        time.sleep(after)
    finally:
        kill(process)
    said = ground.command("recover", ground.identity, "--config", str(ground.inventory), cwd=elsewhere, within=120)
    assert said.returncode == exits.OK, said.stdout
    assert (undos(ground), of_run(folder)) == ([], [])
    assert ground.until_redundant(60) is None
    assert seen(manager) == {False}
    assert manager.state().member(before.active).witness_primary is not None


def test_somebody_elses_pause_stays(ground, manager, tmp_path):
    """A maintenance of ours is refused before anything is touched, and theirs lasts on."""
    folder = tmp_path / "run"
    process = begin(ground, folder, SOMEBODY)
    try:
        status = process.wait(timeout=200)
    finally:
        kill(process)
    assert status == 0, (folder / "said").read_text(errors="replace")
    assert Journal(folder / "store").still_open() == []
    assert (undos(ground), of_run(folder)) == ([], [])
