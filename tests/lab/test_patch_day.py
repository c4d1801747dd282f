# SPDX-License-Identifier: MIT
"""Patch day with a real package: the good one passes every gate, each broken one is stopped at its gate and users keep their service."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

TESTS = """
import pytest


def test_good(cluster, probes, patching):
    with probes.watch() as seen:
        day = patching.standby_first(patching.packages("harehearse-demo"), prove_switchover=False, soak="2s")
    assert day.gates == {"A": "GO", "B": "GO", "C": "GO"}
    assert seen.interruption <= "20s"


@pytest.mark.parametrize("kind", ["start", "half", "load", "reboot"])
def test_broken(cluster, probes, patching, kind):
    with probes.watch():
        patching.standby_first(
            patching.broken(kind), prove_switchover=False, soak="3s", back="20s", reboot="25s", drain="20s"
        )


def test_there_is_no_such_package(cluster, patching):
    patching.standby_first(patching.packages("no-such-package"))
"""


@pytest.fixture
def patch_day(shop, tmp_path):
    """Run one of the tests above as a user does; return its exit status, output and events."""
    (tmp_path / "test_patch.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    def run(which):
        store = tmp_path / "store"
        done = subprocess.run(
            [
                sys.executable, "-m", "pytest", "test_patch.py", "-p", "no:cacheprovider", "-k", which, "--tb=line",
                "--harehearse-config", str(shop.labs.folder / "harehearse.toml"), "--harehearse-env", "lab3",
                "--harehearse-store", str(store),
            ],
            cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
        run = max((store / "runs").iterdir())
        events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
        return done.returncode, done.stdout, events

    return run


def version(shop, node):
    return shop.run(node, "dpkg-query", "-W", "-f", "${Version} ${db:Status-Abbrev}", "harehearse-demo").out.strip()


def test_a_good_patch_passes_every_gate(shop, patch_day):
    """Every node has the new version, its service runs, and only that package changed."""
    status, out, events = patch_day("good")
    assert status == 0, out[-4000:]
    assert {version(shop, node) for node in shop.nodes} == {"2.0 ii"}
    gates = [event for event in events if event["event"] == "GateReached"]
    assert [(gate["gate"], gate["verdict"]) for gate in gates] == [("A", "GO"), ("B", "GO"), ("C", "GO")]
    packages = [one["detail"] for gate in gates for one in gate["evidence"] if one["name"] == "packages"]
    assert packages == ["harehearse-demo 1.0 ii → 2.0 ii"] * 3
    assert [shop.run(node, "systemctl", "is-active", "harehearse-demo").out for node in shop.nodes] == ["active"] * 3
    shop.healthy()
    shop.reset()


@pytest.mark.parametrize(
    ("kind", "gate", "said"),
    [
        ("half", "A", "apt: install harehearse-demo=1.5+half failed on"),
        ("start", "A", "without which vip cannot run, does not run there"),
        ("load", "B", "asks failed, down for at least"),
        ("reboot", "A", "did not boot within 25"),
    ],
)
def test_a_broken_patch_is_stopped_at_its_gate(shop, patch_day, kind, gate, said):
    """The gate names what is wrong, the original serves unpatched, and what is broken is out of the way."""
    original = shop.manager.state().active
    status, out, events = patch_day(f"broken and {kind}")
    assert status == 1, out[-4000:]
    (reached,) = [event for event in events if event["event"] == "GateReached" and event["verdict"] != "GO"]
    bad = [one for one in reached["evidence"] if one["ok"] is not True]
    assert reached["gate"] == gate
    if kind == "load" and reached["verdict"] == "UNKNOWN":
        # A runner that was held up by others knows nothing for certain, and goes back all the same.
        assert {one["ok"] for one in bad} == {None}
    else:
        assert reached["verdict"] == "NO-GO"
        assert said in " ".join(one["detail"] for one in bad)
    assert shop.manager.state().active == original
    assert version(shop, original) == "1.0 ii"
    shop.reset()


def test_what_cannot_be_installed_is_not_begun(shop, patch_day):
    """The dry run on every node comes before anything is drained."""
    status, out, events = patch_day("no_such")
    assert status == 1
    assert "packages no-such-package cannot be done, so nothing was patched: shop1: it cannot be installed:" in out
    assert not [event for event in events if event["event"] == "ActionStarted"]
    shop.healthy()
