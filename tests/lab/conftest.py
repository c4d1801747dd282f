# SPDX-License-Identifier: MIT
"""Two LXD labs, one up at a time: made when first asked for, removed whole at the end, which is asserted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_harehearse.errors import LabError
from pytest_harehearse.inventory.load import load
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.base import lab_of
from pytest_harehearse.labs.lxd import daemon

PROJECT = Path(__file__).parents[2]
LABS = pytest.StashKey()


def limitation():
    """Why no LXD lab can be made here; None when one can."""
    try:
        found = daemon.existing()
    except LabError as error:
        return str(error)
    if found is None and os.geteuid() != 0:
        return "no LXD runs here, and starting one needs root"
    return None


def pytest_collection_modifyitems(items):
    """Without an LXD there is nothing to test on; what must not be skipped, CI counts."""
    reason = limitation()
    if reason is not None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=reason))


class Labs:
    """The environments lab (two nodes) and lab3 (three) of the project's own inventory, in a folder of the tests."""

    def __init__(self, folder):
        #: The folder of a project whose lab is up already, for work on a test: it is used and left up.
        self.theirs = os.environ.get("HAREHEARSE_TESTS_LAB")
        self.folder = folder = Path(self.theirs) if self.theirs else folder
        if not self.theirs:
            (folder / "harehearse.toml").write_text((PROJECT / "harehearse.toml").read_text())
            (folder / "pytest.ini").write_text("[pytest]\n")
        self.inventory = load(folder / "harehearse.toml")
        self.is_up = None
        self.took = {}

    def command(self, *words, within=300, **environment):
        """Run the command as a user does."""
        done = subprocess.run(
            [sys.executable, "-m", "pytest_harehearse.cli", *words], env={**os.environ, **environment},
            cwd=self.folder, capture_output=True, text=True, timeout=within, check=False,
        )  # fmt: skip
        return SimpleNamespace(status=done.returncode, out=done.stdout, err=done.stderr)

    def up(self, name):
        """Bring one up, the other down; a lab that a test left broken is reset."""
        if self.is_up not in {None, name}:
            self.down()
        if self.is_up is None:
            began = time.monotonic()
            said = self.command("lab", "up", name, within=1200)
            assert said.status == 0, said.err + said.out
            self.took[name] = time.monotonic() - began
            self.is_up = name
        return Lab(self, name)

    def down(self):
        """Remove what is up, and prove that nothing of it stays."""
        name, self.is_up = self.is_up, None
        if name is None or self.theirs:
            return
        lab = lab_of(self.inventory, self.inventory.environments[name])
        own, home = daemon.OWN / lab.home.name, lab.home
        said = self.command("lab", "down", name)
        assert said.status == 0, said.err
        assert not own.exists()
        assert not home.exists()
        assert processes.below(own) == []
        mounts = Path("/proc/self/mountinfo").read_text()
        assert home.name not in mounts
        links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, text=True, check=True).stdout)
        assert not [link["ifname"] for link in links if link["ifname"].startswith("hh-")]


class Lab:
    """One that is up: its cluster as a test of a user's has it, and ways to break it from outside."""

    def __init__(self, labs, name):
        self.labs = labs
        self.environment = labs.inventory.environments[name]
        self.lab = lab_of(labs.inventory, self.environment)
        (self.cluster,) = self.environment.clusters
        self.reached = self.lab.reach(self.cluster)
        self.manager = self.reached.manager
        self.nodes = [node.name for node in self.environment.clusters[self.cluster].nodes]

    def run(self, node, *words, within=60.0, ok=True):
        """Run a command on a node."""
        done = self.reached.channels[node].run(words, deadline=within)
        if ok:
            assert getattr(done, "rc", None) == 0, done
        return done

    def until(self, condition, within=60.0):
        """Wait for a state; the assertion shows what was seen last."""
        deadline = time.monotonic() + within
        while not condition(state := self.manager.state()):
            assert time.monotonic() < deadline, state.describe()
            time.sleep(0.2)
        return state

    def healthy(self, within=90.0):
        """Wait until it is whole again."""
        return self.until(lambda state: state.redundancy_limitation() is None, within)

    def reset(self):
        """Back to how it was made."""
        self.reached = None
        self.lab.close()
        said = self.labs.command("lab", "reset", self.environment.name)
        assert said.status == 0, said.err
        self.reached = self.lab.reach(self.cluster)
        self.manager = self.reached.manager
        return float(re.search(r"after ([\d.]+) s", said.out)[1])

    def close(self):
        """Give the connections back."""
        self.lab.close()


@pytest.fixture(scope="session")
def labs(tmp_path_factory, request):
    """Both; whichever is up after the last test of this folder is removed, and nothing of it may stay."""
    found = request.config.stash[LABS] = Labs(tmp_path_factory.mktemp("labs"))
    yield found
    found.down()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Remove the lab before the tests of other folders begin: they want the processor for themselves."""
    found = item.config.stash.get(LABS, None)
    if found is not None and (nextitem is None or Path(__file__).parent not in nextitem.path.parents):
        found.down()


@pytest.fixture
def web(labs):
    """The two-node lab, healthy before the test; what a test leaves broken is reset before the next one."""
    yield from _whole(labs, "lab")


@pytest.fixture
def shop(labs):
    """The three-node lab."""
    yield from _whole(labs, "lab3")


def _whole(labs, name):
    lab = labs.up(name)
    state = lab.manager.state()
    if state.redundancy_limitation() is not None:
        lab.reset()
    yield lab
    lab.close()
