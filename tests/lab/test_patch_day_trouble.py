# SPDX-License-Identifier: MIT
"""Patch day when something is in the way: each ends with a clear verdict, and in a cluster whose state is known."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time

import pytest

TESTS = """
QUICK = {"soak": "1s", "back": "2min", "reboot": "2min"}


def test_package(cluster, patching):
    patching.standby_first(patching.packages("harehearse-demo"), **QUICK)


def test_version(cluster, patching):
    patching.standby_first(patching.packages("harehearse-demo=2.0"), **QUICK)


def test_reboot(cluster, probes, patching):
    with probes.watch():
        patching.standby_first(patching.reboot(), prove_switchover=False, **QUICK)


def test_proved(cluster, patching):
    patching.standby_first(patching.reboot(), prove_switchover=True, **QUICK)


def test_somebody_drains(cluster, patching):
    standby = cluster.standbys[-1]
    done = cluster.nodes[cluster.active].run("crm_standby", "--node", standby, "--update", "on")
    assert done.rc == 0, done
    cluster.until("it is drained", lambda now: standby not in now.standbys, within="60s")
    patching.standby_first(patching.reboot(), **QUICK)
"""
LIST = "/etc/apt/sources.list.d/harehearse.list"
REPOSITORY = "/srv/harehearse"


class Day:
    """A patch day as a user runs it, which can be watched while it goes on."""

    def __init__(self, shop, folder, which):
        self.store = folder / "store"
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "pytest", "test_patch.py", "-p", "no:cacheprovider", "-k", which, "--tb=line",
                "--harehearse-config", str(shop.labs.folder / "harehearse.toml"), "--harehearse-env", "lab3",
                "--harehearse-store", str(self.store),
            ],
            cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def events(self, kind):
        """What was recorded until now; a last line that is still being written is left for the next time."""
        found = []
        for path in self.store.glob("runs/*/events.jsonl"):
            for line in path.read_text().splitlines():
                with contextlib.suppress(ValueError):
                    found.append(json.loads(line))
        return [event for event in found if event["event"] == kind]

    def until(self, kind, within=120.0, **wanted):
        """Wait for an event."""
        deadline = time.monotonic() + within
        while True:
            for event in self.events(kind):
                if wanted.items() <= event.items():
                    return event
            assert self.process.poll() is None, self.process.communicate()[0][-4000:]
            assert time.monotonic() < deadline, self.events("StepStarted")
            time.sleep(0.05)

    def end(self, within=280.0):
        """Wait for its end; return its exit status and output."""
        out, _ = self.process.communicate(timeout=within)
        return self.process.returncode, out

    def close(self):
        """End what did not end by itself; pytest undoes what it did when it is asked to end."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate(timeout=10)
        elif self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def begin(shop, tmp_path):
    """``begin("reboot")`` starts one of the tests above."""
    (tmp_path / "test_patch.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    with contextlib.ExitStack() as stack:

        def start(which):
            day = Day(shop, tmp_path, which)
            stack.callback(day.close)
            return day

        yield start


def nothing_was_done(day):
    """No switchover, no drain, no patch, no reboot: nothing at all."""
    return [event["name"] for event in day.events("ActionStarted")] == []


def boots(shop):
    return {node: shop.run(node, "cat", "/proc/sys/kernel/random/boot_id").out for node in shop.nodes}


def standby_mode(shop, node):
    """The node's attribute itself: ours and anybody's drain."""
    return shop.run(
        shop.nodes[0], "crm_attribute", "--node", node, "--name", "standby", "--query", "--quiet", "--default", "off"
    ).out.strip()


def test_a_package_held_on_one_node(shop, begin):
    """The last node's hold stops all before anything is touched, with the command that lifts it."""
    node, before = shop.nodes[-1], boots(shop)
    shop.run(node, "apt-mark", "hold", "harehearse-demo")
    try:
        day = begin("package")
        status, out = day.end()
    finally:
        shop.run(node, "apt-mark", "unhold", "harehearse-demo")
    assert status == 1, out[-4000:]
    said = f"{node}: it cannot be installed: harehearse-demo is held there (apt-mark unhold harehearse-demo)."
    assert f"packages harehearse-demo cannot be done, so nothing was patched: {said}" in out
    assert nothing_was_done(day)
    assert boots(shop) == before
    shop.healthy()


@pytest.mark.parametrize(
    ("away", "which", "said"),
    [
        (LIST, "version", "it cannot be installed: no repository there has harehearse-demo"),
        (LIST, "package", "it cannot be installed: no repository there has harehearse-demo"),
        (REPOSITORY, "package", "its package lists could not be fetched: E: "),
    ],
    ids=["not-configured-version", "not-configured", "gone"],
)
def test_a_repository_missing_on_one_node(shop, begin, away, which, said):
    """Not configured there, or configured and gone: refused in the preflight, on every node."""
    node = shop.nodes[-1]
    shop.run(node, "mv", away, "/root/harehearse-away")
    try:
        day = begin(which)
        status, out = day.end()
    finally:
        shop.run(node, "mv", "/root/harehearse-away", away)
        shop.run(node, "apt-get", "-q", "update")
    assert status == 1, out[-4000:]
    assert f"cannot be done, so nothing was patched: {node}: {said}" in out
    assert nothing_was_done(day)
    shop.healthy()


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_standby_that_somebody_drained(shop, begin, when):
    """Nothing is done, whether it was found so or drained before the workflow began; and it stays drained."""
    node, before = shop.manager.state().standbys[-1], boots(shop)
    try:
        if when == "before":
            shop.manager.drain(node)
        day = begin("reboot" if when == "before" else "somebody_drains")
        status, out = day.end()
        assert status == 1, out[-4000:]
        if when == "before":
            assert "was not healthy before the rehearsal, so nothing was started" in out
            assert "1 unknown" in out
        else:
            assert f"{node} could not take over, so nothing was patched:" in out
        assert nothing_was_done(day)
        assert standby_mode(shop, node) == "on"
        assert boots(shop) == before
    finally:
        shop.manager.undrain(node)
    shop.healthy()


def test_a_node_that_is_fenced_during_its_reboot(shop, begin):
    """Another node shoots it while the workflow waits for it: it waits on, every gate is decided, the cluster is whole."""
    original, before = shop.manager.state().active, boots(shop)
    day = begin("reboot")
    node = day.until("StepStarted", name="reboot")["node"]
    assert node != original
    fenced = shop.run(original, "stonith_admin", "--reboot", node, "--timeout", "60", within=90.0, ok=False)
    assert getattr(fenced, "rc", None) == 0, fenced
    assert [(one.node, one.action, one.status) for one in shop.manager.fencing_history()[:1]] == [
        (node, "reboot", "success")
    ]
    status, out = day.end()
    gates = [(gate["gate"], gate["verdict"]) for gate in day.events("GateReached")]
    assert status == 0, out[-4000:]
    assert gates == [("A", "GO"), ("B", "GO"), ("C", "GO")]
    after = boots(shop)
    assert all(after[name] != before[name] for name in shop.nodes)
    assert [standby_mode(shop, name) for name in shop.nodes] == ["off"] * 3
    assert shop.healthy().active is not None


@pytest.mark.parametrize("which", ["proved", "reboot"])
def test_a_switchover_that_is_refused(shop, begin, which):
    """A constraint keeps the address where it is: found before anything is patched, whether the move is to be proved or not."""
    original, before = shop.manager.state().active, boots(shop)
    stays = f'<rsc_location id="harehearse-test-stays" rsc="vip" node="{original}" score="INFINITY"/>'
    shop.run(original, "cibadmin", "--create", "--scope", "constraints", "--xml-text", stays)
    try:
        day = begin(which)
        status, out = day.end()
        assert status == 1, out[-4000:]
        assert "so nothing was patched: vip would not" in out
        assert shop.manager.state().active == original
        assert boots(shop) == before
        assert list(day.events("GateReached")) == []
        assert nothing_was_done(day)
    finally:
        shop.run(
            original,
            "cibadmin",
            "--delete",
            "--scope",
            "constraints",
            "--xml-text",
            '<rsc_location id="harehearse-test-stays"/>',
        )
    shop.healthy()
