# SPDX-License-Identifier: MIT
"""The history in SQLite: what is put in, asked, found damaged, made anew and cut back."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.common.run_files import happened, write

from pytest_harehearse.history.build import build
from pytest_harehearse.history.index import codec
from pytest_harehearse.history.index.errors import HistoryError
from pytest_harehearse.history.index.history import FILE, History, open_history, rebuild
from pytest_harehearse.history.index.measured import Measured, PatchMeasured, ServiceMeasured
from pytest_harehearse.history.index.project import project, scenario
from pytest_harehearse.history.rundir import as_json, write_json
from pytest_harehearse.inventory.model import Inventory

DAY = timedelta(days=1).total_seconds()
BEGAN = 1_700_000_000.0


@pytest.fixture
def store(tmp_path):
    """Where the runs lie."""
    return tmp_path / "store"


@pytest.fixture
def run(store):
    """Write a finished run, ``day`` days after the first one."""

    def make(number=1, *, day=0, finished=True, **how):
        name = f"r-2026w47-{number:02d}"
        directory = write(store / "runs" / name, happened(name, wall=BEGAN + day * DAY, **how))
        if finished:
            write_json(build(directory), directory)
        return directory

    return make


def test_a_run_comes_back_as_it_was_measured(store, run):
    """Bounds, verdict, time and cluster of a rehearsal are those of its run.json."""
    directory = run()
    with History(store) as history:
        assert history.sync().added == ("r-2026w47-01",)
        (found,) = history.rehearsals()
        assert history.clusters() == ["demo/orders"]
    plain = json.loads((directory / "run.json").read_text())["rehearsals"][0]
    assert (found.cluster, found.kind, found.verdict) == ("demo/orders", "lab", plain["verdict"])
    assert found.scenario == "scenarios/test_a.py::test_switchover"
    assert found.at == datetime.fromtimestamp(BEGAN + 0.5, UTC)
    felt = {one["name"]: (one["total_lower"], one["total_upper"]) for one in plain["services"]}
    assert {one.name: (one.lower, one.upper) for one in found.services} == felt
    assert found.interruption == max(upper for _, upper in felt.values())


def test_what_is_known_is_not_read_again(store, run):
    """A second look adds nothing; a further run is added alone."""
    run(1)
    with History(store) as history:
        history.sync()
        assert history.sync().added == ()
        run(2, day=1)
        assert history.sync().added == ("r-2026w47-02",)


def test_of_a_cluster_a_scenario_a_time(store, run):
    """Each question narrows the answer, which begins with the oldest."""
    run(1)
    run(2, day=3, cluster="lab/web")
    run(3, day=6)
    with History(store) as history:
        history.sync()
        assert [one.run[-2:] for one in history.rehearsals()] == ["01", "02", "03"]
        assert [one.run[-2:] for one in history.rehearsals(cluster="demo/orders")] == ["01", "03"]
        since = datetime.fromtimestamp(BEGAN + 2 * DAY, UTC)
        assert [one.run[-2:] for one in history.rehearsals(since=since)] == ["02", "03"]
        assert [one.run[-2:] for one in history.rehearsals(last=1)] == ["03"]
        assert [one.run[-2:] for one in history.rehearsals(run="r-2026w47-02")] == ["02"]
        assert history.rehearsals(scenario="scenarios/test_a.py::another") == []
        assert history.clusters() == ["demo/orders", "lab/web"]


def test_an_unfinished_or_damaged_run_is_told(store, run):
    """It is not in the history, and why: killed, cut off, or of a newer version."""
    run(1, finished=False)
    cut = run(2) / "run.json"
    cut.write_text(cut.read_text()[:-100])
    newer = run(3) / "run.json"
    newer.write_text(json.dumps({**json.loads(newer.read_text()), "schema": 99}))
    with History(store) as history:
        found = history.sync()
        assert history.rehearsals() == []
    assert found.added == ()
    assert found.problems["r-2026w47-01"] == (
        "it was never finished: killed, or still running; harehearse report r-2026w47-01"
    )
    assert found.problems["r-2026w47-02"].startswith("its run.json is damaged: ")
    assert found.problems["r-2026w47-03"] == (
        "its run.json has schema 99, and this version reads schema 1; a newer pytest-harehearse wrote it"
    )


def test_another_machine_counts_from_one_again(store, run, tmp_path):
    """Two runs of the same name, of different machines or times, stand side by side."""
    run(1)
    other = tmp_path / "other"
    directory = write(other / "runs" / "r-2026w47-01", happened(wall=BEGAN + 60, host="elsewhere"))
    write_json(build(directory), directory)
    with History(store) as history:
        history.sync()
        history.put(directory)
        assert [one.host for one in history.rehearsals()] == ["h", "elsewhere"]


def test_a_store_that_was_emptied_begins_again(store, run):
    """The new run of an old name is put in beside the old one, which the history still knows."""
    directory = run(1)
    with History(store) as history:
        history.sync()
        shutil.rmtree(directory)
        run(1, day=7)
        assert history.sync().added == ("r-2026w47-01",)
        assert len(history.rehearsals()) == 2


# -- damage ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def known(store, run):
    """A history that knows one run."""
    directory = run()
    with History(store) as history:
        history.sync()
        yield history, directory


def why(history):
    return history.damaged([one.key for one in history.rehearsals()])


def test_what_nobody_changed_is_sound(known):
    """Rows, run.json and what the events come to agree."""
    assert why(known[0]) == {}


def test_a_changed_run_json_is_found_and_not_taken_over(known):
    """A better number written into the file neither enters the history nor goes unnoticed."""
    history, directory = known
    path = directory / "run.json"
    before = history.rehearsals()
    path.write_text(path.read_text().replace('"total_upper": ', '"total_upper": 0.1, "was": '))
    assert history.sync().added == ()
    assert history.rehearsals() == before
    assert why(history) == {"r-2026w47-01": "its run.json was changed after it was written"}


def test_changed_attempts_are_found(known):
    """The numbers are computed again from what was measured."""
    history, directory = known
    (path,) = directory.glob("attempts/*write.jsonl")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:60]))
    assert "what its events and attempts come to" in why(history)["r-2026w47-01"]


def test_a_lost_directory_is_found(known):
    """Numbers whose proof is gone prove nothing."""
    history, directory = known
    (directory / "run.json").unlink()
    assert why(history) == {"r-2026w47-01": "run.json is gone"}


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE rehearsals SET document = replace(document, 'passed', 'failed')", "a row of it in the history was changed"),
        ("DELETE FROM rehearsals", "rows of it in the history were removed or added"),
    ],
)  # fmt: skip
def test_a_changed_row_is_found(known, statement, told):
    """By hand, in the database itself."""
    history, _ = known
    (key,) = {one.key for one in history.rehearsals()}
    with sqlite3.connect(history.store / FILE) as connection:
        connection.execute(statement)
    connection.close()
    assert history.damaged([key])["r-2026w47-01"].startswith(told)


def test_a_cut_off_database_is_told(store, run):
    """With how it is made anew, and that works."""
    for number in range(1, 9):
        run(number, day=number)
    with History(store) as history:
        history.sync()
    path = store / FILE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    told = r"cannot be used: .*\. Make it anew .*: harehearse history rebuild"
    with pytest.raises(HistoryError, match=told), History(store) as history:
        history.rehearsals()
    assert len(rebuild(store, None).added) == 8
    with History(store) as history:
        assert len(history.rehearsals()) == 8


def test_no_database_at_all_is_told(store):
    """A file that is none."""
    store.mkdir()
    (store / FILE).write_text("not a database, and long enough to be looked at " * 20)
    with pytest.raises(HistoryError, match="cannot be used: file is not a database"):
        History(store)


def test_a_newer_schema_is_left_alone(store):
    """Nothing is read from it, and nothing written."""
    with History(store):
        pass
    with sqlite3.connect(store / FILE) as connection:
        connection.execute("UPDATE harehearse_version SET version_num = '9999'")
    connection.close()
    before = (store / FILE).read_bytes()
    with pytest.raises(HistoryError, match=r"has tables of version 9999, .* a newer one made them"):
        History(store)
    assert (store / FILE).read_bytes() == before


def test_an_answer_that_is_no_rehearsal(known):
    """It is the history that is wrong, not the program."""
    history, _ = known
    with sqlite3.connect(history.store / FILE) as connection:
        connection.execute("UPDATE rehearsals SET document = '{}'")
    connection.close()
    with pytest.raises(HistoryError, match="holds what it did not write"):
        history.rehearsals()


# -- retention and rebuild ---------------------------------------------------------------------------------------------


def test_old_runs_go_and_the_latest_of_each_scenario_stay(store, run):
    """Directories and rows; what is kept is kept whatever its age."""
    for number in range(1, 6):
        run(number, day=number)
    run(6, day=1, cluster="lab/web")
    with History(store) as history:
        history.sync()
        gone = history.prune(datetime.fromtimestamp(BEGAN + 30 * DAY, UTC), keep=2)
        assert gone == ["r-2026w47-01", "r-2026w47-02", "r-2026w47-03"]
        assert [one.run[-2:] for one in history.rehearsals()] == ["06", "04", "05"]
    assert sorted(path.name[-2:] for path in (store / "runs").iterdir()) == ["04", "05", "06"]


def test_made_anew_it_is_the_same(store, run):
    """From the run directories alone; a run that is gone is forgotten."""
    run(1)
    run(2, day=1)
    with History(store) as history:
        history.sync()
        before = history.rehearsals()
    assert rebuild(store, None).added == ("r-2026w47-01", "r-2026w47-02")
    with History(store) as history:
        assert history.rehearsals() == before
    assert not list(store.glob("*.new*"))


def test_opened_by_the_inventory_it_knows_every_finished_run(store, run):
    """Nobody needs to put runs in by hand."""
    run()
    with open_history(Inventory(store / "harehearse.toml", {}), store) as history:
        assert len(history.rehearsals()) == 1


def _put(store, directory, times):
    for _ in range(times):
        with History(store) as history:
            history.put(directory)


def test_several_writers_at_once(store, run):
    """Also the same run from several processes: each is in once, whole."""
    directories = [run(number, day=number) for number in range(1, 4)]
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_put, args=(store, directories[n % 3], 5)) for n in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0] * 6
    with History(store) as history:
        found = history.rehearsals()
        assert [one.run[-2:] for one in found] == ["01", "02", "03"]
        assert history.damaged([one.key for one in found]) == {}


# -- pure --------------------------------------------------------------------------------------------------------------

LENGTHS = st.floats(0, 1e6)
NAMES = st.text(max_size=12)
SERVICES = st.builds(
    ServiceMeasured, NAMES, NAMES, NAMES, NAMES, st.booleans(), LENGTHS, st.none() | LENGTHS, st.integers(0, 99),
    st.none() | st.integers(0, 99), LENGTHS,
)  # fmt: skip
PATCH_DAYS = st.builds(
    PatchMeasured, NAMES, NAMES, NAMES, st.dictionaries(NAMES, NAMES, max_size=3), st.booleans(), st.none() | LENGTHS,
    st.booleans(), st.none() | LENGTHS,
)  # fmt: skip
REHEARSALS = st.builds(
    Measured, NAMES, NAMES, NAMES, NAMES, NAMES, NAMES,
    st.datetimes(timezones=st.just(UTC)), NAMES, st.none() | NAMES, LENGTHS,
    st.lists(SERVICES, max_size=3).map(tuple), st.dictionaries(NAMES, LENGTHS, max_size=3),
    st.lists(PATCH_DAYS, max_size=2).map(tuple), st.lists(NAMES, max_size=2).map(tuple), st.none() | LENGTHS, NAMES,
)  # fmt: skip


@given(REHEARSALS)
def test_a_rehearsal_is_the_same_after_a_round_trip(one):
    """Through the text of its row, whose digest tells every other text."""
    text = codec.encode(one)
    assert codec.decode(text) == one
    assert codec.encode(codec.decode(text)) == text
    assert codec.digest(text) != codec.digest(text + " ")


@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
def test_texts_of_instants_sort_as_times_do(one, other):
    """Whatever their zones; SQL compares the texts."""
    if datetime(2, 1, 1, tzinfo=UTC) < min(one, other) and max(one, other) < datetime(9998, 1, 1, tzinfo=UTC):
        assert (codec.instant(one) < codec.instant(other)) == (one < other)


@pytest.mark.parametrize(
    ("nodeid", "told"),
    [
        ("a.py::test_x[lab/web]", "a.py::test_x"),
        ("a.py::test_x[lab/web-kill-2]", "a.py::test_x[kill-2]"),
        ("a.py::test_x[other]", "a.py::test_x[other]"),
        ("a.py::test_x", "a.py::test_x"),
    ],
)
def test_a_scenario_is_named_without_its_cluster(nodeid, told):
    """So that the lab's and production's are the same one."""
    assert scenario(nodeid, "lab/web") == told


def test_what_is_no_run_is_refused(whole_run):
    """With what it lacks."""
    plain = json.loads(json.dumps(as_json(build(whole_run))))
    del plain["rehearsals"][0]["services"]
    with pytest.raises(ValueError, match="lacks what a run has: KeyError"):
        project(plain)
    with pytest.raises(ValueError, match="has no schema, and this version reads schema 1"):
        project({})


def test_a_finished_switchover_is_projected_with_its_phases(whole_run):
    """Where its seconds went, by name."""
    (one,) = project(json.loads(json.dumps(as_json(build(whole_run))))).rehearsals
    assert one.phases.keys() >= {"answer", "redundancy"}
    assert dataclasses.replace(one, phases={}) != one
