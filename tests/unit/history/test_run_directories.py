# SPDX-License-Identifier: MIT
"""Runs are found by name, by path, or as the latest, and are made so that no two share a directory."""

from __future__ import annotations

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.events import RunFinished, RunStarted
from pytest_harehearse.history.build import build
from pytest_harehearse.history.rundir import as_json, find, write_json
from pytest_harehearse.rehearsal.run import start
from pytest_harehearse.streams import read_events


def runs(store, *names):
    for age, name in enumerate(reversed(names)):
        directory = store / "runs" / name
        directory.mkdir(parents=True)
        (directory / "events.jsonl").write_text("")
        os.utime(directory, ns=(10**18 - age * 10**9,) * 2)
    return store


def test_a_run_by_its_name(tmp_path):
    """In the store."""
    store = runs(tmp_path, "r-1", "r-2")
    assert find(store, "r-1") == store / "runs" / "r-1"


def test_a_run_by_its_path(tmp_path):
    """Also outside the store, as copied from another machine."""
    elsewhere = runs(tmp_path / "other", "r-9") / "runs" / "r-9"
    assert find(tmp_path / "store", str(elsewhere)) == elsewhere


def test_the_latest_run(tmp_path):
    """By time, not by name; what is no run does not count."""
    store = runs(tmp_path, "r-2", "r-1")
    (store / "runs" / "r-3-half-made").mkdir()
    assert find(store, "latest") == store / "runs" / "r-1"


def test_an_unknown_run_is_told_which_there_are(tmp_path):
    """The last eight, and how another store is named."""
    store = runs(tmp_path, *(f"r-{number:02d}" for number in range(10)))
    with pytest.raises(ConfigError) as caught:
        find(store, "r-99")
    assert str(caught.value) == (
        f"There is no run 'r-99' in {store}/runs. Runs there: r-02, r-03, r-04, r-05, r-06, r-07, r-08, r-09. "
        "Choose another place: --store DIR"
    )


@pytest.mark.parametrize("name", ["latest", "r-1", ""])
def test_a_store_without_runs(tmp_path, name):
    """Nothing there, or no store at all."""
    with pytest.raises(ConfigError, match=rf"^There is no run '{name}' in .*/none/runs\. Runs there: none\. Choose"):
        find(tmp_path / "none", name)


def test_the_summary_as_json(run_of):
    """Written in one step, and read back as the same values."""
    directory = run_of()
    summary = build(directory)
    path = write_json(summary, directory)
    assert path == directory / "run.json"
    assert json.loads(path.read_text()) == json.loads(json.dumps(as_json(summary)))
    assert not (directory / "run.json.new").exists()
    assert json.loads(path.read_text())["rehearsals"][0]["verdict"] == "passed"
    assert write_json(summary, directory) == path


def test_a_run_begins_with_its_anchor(tmp_path):
    """Its directory is named by year and week, and its first event has both clocks."""
    run = start(tmp_path, ["-q"])
    assert re.fullmatch(r"r-\d{4}w\d\d-01", run.id)
    assert run.attempts.is_dir()
    run.finish(1)
    first, last = read_events(run.directory / "events.jsonl")
    assert isinstance(first, RunStarted)
    assert (first.run, first.argv, first.wall, first.t) == (run.id, ["-q"], run.anchor.wall, run.anchor.mono)
    assert isinstance(last, RunFinished)
    assert last.exit_status == 1
    assert find(tmp_path, "latest") == run.directory


def test_runs_begun_at_once_are_apart(tmp_path):
    """The making of the directory is the reservation."""
    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(lambda _: start(tmp_path, []), range(16)))
    assert len({run.id for run in begun}) == 16
    for run in begun:
        run.finish(0)


def test_a_store_that_cannot_be_written_is_named(tmp_path):
    """Nothing is started then: what happens in a rehearsal must be kept."""
    (tmp_path / "store").write_text("")
    with pytest.raises(ConfigError) as caught:
        start(tmp_path / "store", [])
    assert str(caught.value) == (
        f"The store {tmp_path}/store cannot be written (Not a directory), so nothing was started: what happens in a "
        "rehearsal must be kept. Choose another place: --harehearse-store DIR"
    )
