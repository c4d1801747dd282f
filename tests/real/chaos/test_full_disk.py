# SPDX-License-Identifier: MIT
"""The runner's disk is full while a fault is on: it is undone, and what could not be written down is said."""

from __future__ import annotations

import os
import subprocess

import pytest

FILLS = """
import contextlib, time

def test_one(cluster, faults, rehearsal):
    with faults.stack_kill(cluster.standbys[0]):
        with open({ballast!r}, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        # What is left of the last page.
        with contextlib.suppress(OSError):
            while True:
                rehearsal.note("x" * 4096)
"""


@pytest.fixture
def small_disk(tmp_path):
    """A disk of half a megabyte, for what the run writes down."""
    if os.geteuid() != 0:
        pytest.skip("a disk of its own needs root")
    place = tmp_path / "run" / "store"
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)], check=True, timeout=20)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True, timeout=20)


def test_a_full_disk_stops_no_undo(watched, small_disk, ground, tmp_path):
    """The strike was written down before; the undo is done without a word, its entry stays open, the run fails."""
    run = watched(FILLS.format(ballast=str(small_disk / "ballast")))
    assert run.ended() not in {0, 2}, run.said
    assert ground.until_redundant(60) is None
    assert [(entry.fault, entry.cluster) for entry in run.still_open] == [("stack_kill", ground.identity)]
    assert run.left() == []
    kinds = [type(event).__name__ for event in run.events]
    assert "ActionFinished" in kinds
    assert "RunFinished" not in kinds
    told = " ".join(run.said.split())
    assert "The end of the run could not be written to" in told, run.said
    assert "No space left on device" in told


def test_without_a_journal_nothing_is_struck(watched, ground):
    """Full before the strike: its undo cannot be brought to disk, so nothing is touched."""
    run = watched("""
import pathlib, time
from pytest_harehearse.safety.journal import Journal

def test_one(cluster, faults):
    whole = Journal._append
    def full(self, row):
        raise OSError(28, "No space left on device", str(self.path))
    Journal._append = full
    try:
        with faults.stack_kill(cluster.standbys[0]):
            raise AssertionError("struck")
    finally:
        Journal._append = whole
""")
    assert run.ended() == 1, run.said
    assert "No space left on device" in run.rehearsal.reason
    assert not any(type(event).__name__ == "ActionStarted" for event in run.events)
    assert ground.until_redundant(5) is None
