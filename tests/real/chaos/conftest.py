# SPDX-License-Identifier: MIT
"""A Valkey cluster that is kept up over all tests of this folder, and runs that are watched while they go on."""

from __future__ import annotations

import signal
import time
from types import SimpleNamespace

import pytest
from tests.chaos.ground import Ground
from tests.chaos.instants import Instant, Stream, wait_for
from tests.chaos.residue import Baseline, of_run
from tests.chaos.round import begin, kill

from pytest_harehearse.safety.journal import Journal
from pytest_harehearse.streams import read_run


@pytest.fixture(scope="session", autouse=True)
def hang_ups():
    """Where the tests themselves were begun by nohup, runs would rightly ignore SIGHUP."""
    before = signal.getsignal(signal.SIGHUP)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session")
def kept_up(tmp_path_factory):
    """The lab; nothing of it stays after the last test."""
    ground = Ground.make("valkey", tmp_path_factory.mktemp("chaos"))
    try:
        ground.up()
        yield ground
    finally:
        ground.down()
    assert not ground.lab.home.exists()


@pytest.fixture
def ground(kept_up):
    """The lab, whole before each test; one that a test left broken is made anew."""
    kept_up.free()
    if kept_up.until_redundant(60) is not None:
        kept_up.anew()
    return kept_up


class Watched:
    """A pytest of a user's, in a process of its own."""

    def __init__(self, ground, folder, test, *options):
        self.ground, self.folder = ground, folder
        self.baseline = Baseline(ground)
        self.process = begin(ground, folder, test, *options)
        self.stream = Stream(folder / "store", "events-gw0.jsonl" if "-n" in options else "events.jsonl")

    def until(self, step, delay=0.0):
        """Wait for a step of it."""
        assert wait_for(Instant(step, delay), self.stream, self.process), self.said

    def ended(self, within=90):
        """Wait for its end; return its exit status."""
        return self.process.wait(timeout=within)

    @property
    def said(self):
        return (self.folder / "said").read_text(errors="replace")

    @property
    def events(self):
        [directory] = self.folder.glob("store/runs/*")
        return read_run(directory)

    @property
    def rehearsal(self):
        """What came of its one rehearsal."""
        found = [event for event in self.events if type(event).__name__ == "RehearsalFinished"]
        assert len(found) == 1, self.said
        return SimpleNamespace(outcome=found[0].outcome, reason=found[0].reason)

    @property
    def still_open(self):
        """Its journal."""
        return Journal(self.folder / "store").still_open()

    def left(self, within=30.0):
        """Wait until nothing of it is left; return what is."""
        deadline = time.monotonic() + within
        while (found := [*self.baseline.left(self.ground), *of_run(self.folder)]) and time.monotonic() < deadline:
            time.sleep(0.3)
        return found


@pytest.fixture
def watched(ground, tmp_path):
    """``watched(test, *options)`` begins a pytest on a test of that text; whatever is left of it is ended."""
    begun = []

    def start(test, *options):
        begun.append(Watched(ground, tmp_path / "run", test, *options))
        return begun[-1]

    yield start
    for one in begun:
        kill(one.process)
