# SPDX-License-Identifier: MIT
"""``harehearse history``: its table, its JSON contract, its index made anew and cut back."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.common.run_files import happened, write

from pytest_harehearse.cli import exits
from pytest_harehearse.history.build import build
from pytest_harehearse.history.index.history import FILE
from pytest_harehearse.history.rundir import write_json

BEGAN = 1_700_000_000.0
INVENTORY = """
default_environment = "demo"
[environments.demo]
kind = "lab"
provider = "embedded"
[environments.demo.clusters.orders]
manager = "patroni"
nodes = ["n1", "n2", "n3"]
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with three runs: two passed, the last one failed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "harehearse.toml").write_text(INVENTORY)
    for number, outcome in enumerate(("passed", "passed", "failed"), 1):
        name = f"r-2026w47-{number:02d}"
        stream = happened(name, wall=BEGAN + number * 86400, outcome=outcome)
        directory = write(tmp_path / ".harehearse/runs" / name, stream)
        write_json(build(directory), directory)
    return tmp_path


def test_the_help_is_golden(harehearse, snapshot):
    """Read it as a user does."""
    assert [
        harehearse("history", *words, "--help").out for words in ((), ("show",), ("rebuild",), ("prune",))
    ] == snapshot


def test_the_table_is_golden(harehearse, project, snapshot):
    """One line a scenario, then what is to be said of it; a run that was killed is named."""
    killed = write(project / ".harehearse/runs/r-2026w47-04", happened("r-2026w47-04"), end=False)
    assert killed.is_dir()
    said = harehearse("history", "demo/orders")
    assert (said.status, said.err) == (exits.OK, "")
    assert said.out == snapshot


def test_without_a_word_every_cluster_is_shown(harehearse, project):
    """As with the environment's name, or with `show`."""
    whole = harehearse("history").out
    assert "demo/orders (lab): 3 rehearsals" in whole
    assert harehearse("history", "demo").out == harehearse("history", "show", "demo/orders").out == whole


def test_json_is_a_contract(harehearse, project):
    """Bounds in seconds, verdicts, and what could not be read."""
    found = json.loads(harehearse("history", "--json").out)
    assert found["schema"] == 1
    assert found["not_indexed"] == {}
    (series,) = found["series"]
    assert series["verdicts"] == {"passed": 2, "failed": 1}
    assert series["no_change_because"] == "too few to look for a change: 3 of at least 8"
    assert [one["run"] for one in series["rehearsals"]] == ["r-2026w47-01", "r-2026w47-02", "r-2026w47-03"]
    assert all(0 < one["lower"] <= one["upper"] for one in series["rehearsals"])
    assert series["against_last"] == 0.0


def test_an_unknown_cluster_is_named(harehearse, project):
    """With those there are."""
    said = harehearse("history", "demo/order")
    assert said.status == exits.USAGE
    assert "There is no cluster 'demo/order' in the inventory or in the history; there are demo/orders." in said.err
    assert "Did you mean 'demo/orders'?" in said.err


def test_nothing_was_rehearsed_yet(harehearse, project):
    """That is no error."""
    shutil.rmtree(project / ".harehearse")
    said = harehearse("history", "demo/orders")
    assert (said.status, said.out) == (exits.OK, "Nothing was rehearsed on demo/orders yet.\n")
    assert harehearse("history", "--since", "1d").out == "Nothing was rehearsed in that time on any cluster yet.\n"


def test_a_damaged_index_is_unknown_and_made_anew(harehearse, project):
    """It says how, and that works."""
    (project / ".harehearse" / FILE).write_text("no database, however long one looks at it " * 9)
    said = harehearse("history")
    assert said.status == exits.UNKNOWN
    assert said.err.endswith("Make it anew from the runs: harehearse history rebuild\n")
    assert harehearse("history", "rebuild").out == "3 runs in the history\n"
    assert harehearse("history").status == exits.OK


def test_a_damaged_run_is_told(harehearse, project):
    """The others are in it all the same."""
    path = project / ".harehearse/runs/r-2026w47-02/run.json"
    path.write_text(path.read_text()[:50])
    said = harehearse("history", "rebuild")
    assert said.status == exits.NO
    first, second = said.out.splitlines()
    assert first == "2 runs in the history"
    assert second.startswith("? r-2026w47-02 is not in it: its run.json is damaged: ")


def test_old_runs_are_removed(harehearse, project):
    """But never the latest of a scenario."""
    said = harehearse("history", "prune", "--older-than", "1d", "--keep", "2")
    assert said.out == "1 run removed: r-2026w47-01\n"
    assert not (project / ".harehearse/runs/r-2026w47-01").exists()
    assert harehearse("history", "prune", "--older-than", "1d", "--keep", "2").out == "0 runs removed\n"


def test_a_terminal_without_bars_gets_digits():
    """And no escape sequences."""
    from pytest_harehearse.cli.common import fitting

    assert fitting("Δ last 12 −1.00 s ▁▄█", "ascii") == "diff last 12 -1.00 s 148"
