# SPDX-License-Identifier: MIT
"""Rehearsals on hosts that are killed, cut off, or strike into the void: nothing stays, and nothing is called passed."""

from __future__ import annotations

import subprocess
import time

import pytest
from tests.chaos.ground import Ground
from tests.chaos.instants import Instant, Stream, wait_for
from tests.chaos.residue import Baseline, of_run
from tests.chaos.round import begin, kill
from tests.chaos.series import play_series, summary

from pytest_harehearse.remote.base import Done, Script
from pytest_harehearse.safety.journal import Journal
from pytest_harehearse.streams import read_events

CUT = "harehearse_tests_cut"


@pytest.fixture
def ground(shop, labs):
    """The three-node lab, as the harness takes it; its lease free."""
    found = Ground(labs.folder / "harehearse.toml", "lab3", theirs=True)
    found.free()
    assert found.until_redundant(90) is None
    yield found
    found.free()
    found.close()


@pytest.fixture
def run(ground, tmp_path):
    """``run(test)`` begins a pytest of a user's on a test of that text; returns it and its stream."""
    begun = []

    def start(test):
        begun.append(begin(ground, tmp_path / "run", test))
        return begun[-1], Stream(tmp_path / "run" / "store")

    yield start
    for process in begun:
        kill(process)
    assert of_run(tmp_path / "run") == []


def finished(folder):
    """The events of a run, and what came of its rehearsal."""
    [path] = folder.glob("store/runs/*/events.jsonl")
    events = list(read_events(path))
    return events, next(event for event in events if type(event).__name__ == "RehearsalFinished")


def test_killed_rehearsals_leave_nothing_on_hosts(ground, labs, capsys):
    """SIGKILL of the whole group at random instants; the nodes undo, or ``harehearse recover`` does at once."""
    told = []
    series = play_series(ground, "lxd", seed=11, rounds=6, say=told.append)
    said = "\n".join([*told, summary([series])])
    with capsys.disabled():
        print(f"\n{summary([series])}")
    assert series.bad == [], said
    assert series.killed >= 6, said
    assert any(result.struck for result in series.results), said


HOLDS = """
import time

def test_one(cluster, faults):
    with faults.net_partition(cluster.standbys[0], direction="in", dead_man="5s"):
        time.sleep(8)
"""


@pytest.fixture
def cut(shop):
    """``cut()`` drops every packet from this machine to the nodes, by a table of the test's own; ``cut.mend()`` removes it."""
    addresses = []
    for node in shop.nodes:
        said = shop.run(node, "sh", "-c", "ip -4 -o address show scope global | awk '{print $4}'").out
        addresses += [line.partition("/")[0] for line in said.splitlines()]

    def drop():
        those = ", ".join(sorted(set(addresses)))
        hook = "type filter hook output priority -200; policy accept;"
        rules = f"table ip {CUT} {{\nchain output {{\n{hook}\nip daddr {{ {those} }} drop\n}}\n}}\n"
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True, timeout=20)

    def mend():
        subprocess.run(["nft", "delete", "table", "ip", CUT], capture_output=True, check=False, timeout=20)

    drop.mend = mend
    yield drop
    mend()


def test_a_runner_that_loses_its_network(ground, run, cut, shop, tmp_path):
    """The node undoes by its timer; the run ends by itself, is not passed, says why, and its journal keeps the entry."""
    baseline = Baseline(ground)
    process, stream = run(HOLDS)
    assert wait_for(Instant("held", 0.2), stream, process), (tmp_path / "run" / "said").read_text()
    cut()
    status = process.wait(timeout=240)
    cut.mend()
    said = (tmp_path / "run" / "said").read_text()
    assert status == 1, said
    left = baseline.left(ground)
    assert [one for one in left if "harehearse" in one] == []
    # What fences lives on the runner's machine here: its devices and a fencing failed meanwhile, which the cluster does not
    # forget by itself.
    shop.run(shop.nodes[0], "crm_resource", "--cleanup")
    shop.run(shop.nodes[0], "stonith_admin", "--cleanup", "--history", "*")
    assert ground.until_redundant(120) is None
    events, end = finished(tmp_path / "run")
    assert end.outcome in {"unknown", "failed"}, said
    assert end.reason, said
    undos = [e for e in events if type(e).__name__ == "ActionFinished"][1:]
    assert undos, said
    assert "done" not in {event.outcome for event in undos}
    assert [entry.fault for entry in Journal(tmp_path / "run" / "store").still_open()] == ["net_partition"]
    deadline = time.monotonic() + 60
    while (left := baseline.left(ground)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert left == []


NOBODY = """
from pytest_harehearse.faults import nft

def test_one(cluster, faults):
    nft.addresses_of = lambda *_: ("198.18.0.250",)
    with faults.net_partition(cluster.standbys[0], "{other}", dead_man="20s"):
        raise AssertionError("the body was run")
"""


def test_a_strike_into_the_void_is_unknown(ground, run, shop, tmp_path):
    """Cut off from an address that nobody talks to: no packet is dropped, so nothing was rehearsed, and it is undone."""
    baseline = Baseline(ground)
    process, _ = run(NOBODY.format(other=shop.manager.state().active))
    status = process.wait(timeout=120)
    said = (tmp_path / "run" / "said").read_text()
    assert status == 1, said
    _, end = finished(tmp_path / "run")
    assert end.outcome == "unknown", said
    assert "did not take effect for certain: no packet was dropped" in end.reason
    assert "1 unknown" in said
    assert "1 failed" not in said
    assert Journal(tmp_path / "run" / "store").still_open() == []
    assert baseline.left(ground) == []


FENCING = "cibadmin --query --xpath \"//nvpair[@name='stonith-enabled']\" | grep -o 'value=\"[a-z]*\"'"
SPLIT = """
import time

def test_one(cluster, faults):
    with faults.net_partition(cluster.active, dead_man="20s"):
        time.sleep(25)
"""


def test_cts_1_2_fencing_stays_enabled(ground, run, shop, tmp_path):
    """CTS turns fencing off for its partition, and so tests what never happens: here the cut-off node is fenced."""
    cut_off = shop.manager.state().active
    other = next(node for node in shop.nodes if node != cut_off)
    before = shop.run(cut_off, "cat", "/proc/sys/kernel/random/boot_id").out
    process, stream = run(SPLIT)
    assert wait_for(Instant("held", 0.0), stream, process), (tmp_path / "run" / "said").read_text()
    seen = set()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        asked = ground.scene().channels[other].run(Script(FENCING, ()), deadline=20)
        assert isinstance(asked, Done)
        seen.add(asked.out)
        if (now := shop.reached.channels[cut_off].run(["cat", "/proc/sys/kernel/random/boot_id"], deadline=5)) and (
            isinstance(now, Done) and now.rc == 0 and now.out != before
        ):
            break
        time.sleep(0.5)
    else:
        raise AssertionError(f"{cut_off} was not fenced within 60 s")
    assert seen == {'value="true"'}
    process.wait(timeout=120)
    shop.healthy()
