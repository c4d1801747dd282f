# SPDX-License-Identifier: MIT
"""``harehearse report``: anew from what a run wrote, also when it was killed."""

from __future__ import annotations

import json

import pytest

from pytest_harehearse.cli import exits
from pytest_harehearse.rehearsal.run import start


@pytest.fixture
def finished(project):
    """A run that ended, without a rehearsal."""
    run = start(project / ".harehearse", ["scenarios"])
    run.finish(0)
    return run


@pytest.fixture
def killed(project):
    """A run without its last event."""
    run = start(project / ".harehearse", ["scenarios"])
    run.log.close()
    return run


def test_the_help_is_golden(harehearse, snapshot):
    """Read it as a user does."""
    assert harehearse("report", "--help").out == snapshot


def test_the_reports_are_written(finished, harehearse):
    """All three, and the page is named as it can be opened here."""
    said = harehearse("report", finished.id)
    assert (said.status, said.err) == (exits.OK, "")
    first, second = said.out.splitlines()
    assert first.startswith(f"? UNKNOWN  run {finished.id} ")
    assert second == f"  report  .harehearse/runs/{finished.id}/report.html"
    assert {"run.json", "report.html", "report.md"} <= {path.name for path in finished.directory.iterdir()}


def test_a_killed_run(killed, harehearse):
    """Says so, and is no error."""
    said = harehearse("report", "latest")
    assert said.status == exits.OK
    assert said.out.startswith(f"… UNFINISHED  run {killed.id}")
    assert "this run was never finished (killed, or still running)" in said.out


def test_as_markdown(finished, harehearse):
    """The text itself, to paste."""
    said = harehearse("report", finished.directory, "--format", "md")
    assert said.out == (finished.directory / "report.md").read_text().rstrip("\n") + "\n"


@pytest.mark.parametrize("option", [["--format", "json"], ["--json"]])
def test_as_json(finished, killed, harehearse, option):
    """One object a line, as in run.json."""
    said = harehearse("report", finished.id, killed.id, *option)
    documents = [json.loads(line) for line in said.out.splitlines()]
    assert [document["run"] for document in documents] == [finished.id, killed.id]
    assert documents[0] == json.loads((finished.directory / "run.json").read_text())
    assert documents[0]["schema"] == 1


def test_a_damaged_run(finished, killed, harehearse):
    """A sentence, exit 1; the other run's report is written all the same."""
    (finished.directory / "events.jsonl").write_text("this is no event\n" * 3)
    said = harehearse("report", finished.id, killed.id)
    assert said.status == exits.NO
    assert said.err.startswith(f"harehearse: The run {finished.id} is damaged, so there is no report of it: ")
    assert killed.id in said.out


def test_an_empty_stream(finished, harehearse):
    """It has no beginning, so its times mean nothing."""
    (finished.directory / "events.jsonl").write_text("")
    said = harehearse("report", finished.id)
    assert said.status == exits.NO
    assert "is damaged" in said.err


def test_a_run_that_cannot_be_written_to(finished, harehearse):
    """Says which file."""
    (finished.directory / "report.html").mkdir()
    said = harehearse("report", finished.id)
    assert said.status == exits.NO
    assert f"The report of {finished.id} could not be written: " in said.err


@pytest.mark.parametrize("name", ["r-1", "latest", "nowhere/r-1"])
def test_no_such_run(project, harehearse, name):
    """Says which there are, and which option chooses another place."""
    said = harehearse("report", name)
    assert (said.status, said.out) == (exits.USAGE, "")
    assert said.err == (
        f"harehearse: There is no run {name!r} in {project}/.harehearse/runs. Runs there: none. "
        "Choose another place: --store DIR\n"
    )


def test_a_directory_needs_no_inventory(finished, harehearse, monkeypatch, tmp_path):
    """A run may be read far from where it ran, and with its inventory broken."""
    monkeypatch.chdir(tmp_path)
    assert harehearse("report", finished.directory).status == exits.OK
    (tmp_path / "harehearse.toml").write_text("a = 1")
    assert harehearse("report", finished.directory).status == exits.OK
    assert harehearse("report", "latest", "--store", finished.store).status == exits.OK
    assert harehearse("report", "latest").status == exits.USAGE


def test_no_inventory_at_all(tmp_path, monkeypatch, harehearse):
    """The default store is here."""
    monkeypatch.chdir(tmp_path)
    assert "There is no run 'latest' in .harehearse/runs." in harehearse("report", "latest").err
