# SPDX-License-Identifier: MIT
"""``harehearse report --merge``: one report of the runs of several runners."""

import json

import pytest
from tests.common.run_files import happened, write

from pytest_harehearse.cli import exits


@pytest.fixture
def runs(project):
    """Two runs, as a job gets them from two others."""
    for host, cluster in (("paris", "demo/orders"), ("oslo", "demo/carts")):
        write(project / host / "r-1", happened("r-1", host=host, cluster=cluster))
    return project


def test_one_report_of_both(runs, harehearse):
    said = harehearse("report", "--merge", "all", "paris/r-1", "oslo/r-1", "paris/r-1")
    assert said.status == exits.OK
    assert said.err.splitlines() == [
        "  · paris/r-1 is there already, taken once",
        "2 runs merged into all: r-1, r-1-2",
    ]
    assert "2 clusters · 2 rehearsals" in said.out
    assert said.out.splitlines()[-1] == "  report  all/report.html"
    found = json.loads((runs / "all" / "run.json").read_text())
    assert {one["runner"] for one in found["rehearsals"]} == {"run r-1 on paris", "run r-1 on oslo"}
    markdown, page = ((runs / "all" / f"report.{form}").read_text() for form in ("md", "html"))
    for host in ("paris", "oslo"):
        assert f"run r-1 on {host}" in page
        assert f" · run r\\-1 on {host}" in markdown or f" · run r-1 on {host}" in markdown
    # What was merged stays as it was, and the report can be made anew.
    assert not (runs / "paris" / "r-1" / "run.json").exists()
    assert harehearse("report", "all").status == exits.OK


def test_a_run_that_is_not_there_is_told_and_the_rest_is_there(runs, harehearse):
    """A job that was lost brings nothing; whoever reads the report must see that, also when it is made anew."""
    said = harehearse("report", "--merge", "all", "paris/r-1", "rome/r-1")
    why = f"There is no run 'rome/r-1' in {runs / '.harehearse'}/runs. Runs there: none. Choose another place: --store DIR"
    assert said.status == exits.NO
    assert said.err.splitlines()[-1] == f"harehearse: rome/r-1 is not in the report: {why}"
    for _ in range(2):
        assert said.out.startswith("? UNKNOWN  run all · 1 cluster · 1 rehearsal")
        assert f"not all of the run could be read: rome/r-1 cannot be read, so nothing of it is here: {why}" in said.out
        said = harehearse("report", "all")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["rome/r-1", "bonn/r-1"],
         "harehearse: There is no run 'rome/r-1' in {store}/runs. Runs there: none. Choose another place: --store DIR"),
        ([], "harehearse: Which run? Name it, its directory, or latest: harehearse report latest"),
    ],
)  # fmt: skip
def test_no_run_is_there(runs, harehearse, words, expected):
    said = harehearse("report", "--merge", "all", *words)
    assert said.status == exits.USAGE
    assert said.err.splitlines()[0] == expected.format(store=runs / ".harehearse")
    assert not (runs / "all").exists()


def test_a_folder_that_holds_something(runs, harehearse):
    said = harehearse("report", "--merge", "paris", "oslo/r-1")
    assert (said.status, said.err) == (
        exits.USAGE, "harehearse: paris is there and not empty; name a folder for --merge that is not there yet.\n",
    )  # fmt: skip


def test_a_folder_among_the_runs_of_a_store(runs, harehearse):
    said = harehearse("report", "--merge", ".harehearse/runs/all", "oslo/r-1")
    assert (said.status, said.err) == (
        exits.USAGE,
        "harehearse: .harehearse/runs/all would lie among the runs of a store, and be one of them; name a folder elsewhere.\n",
    )


def test_a_damaged_run_is_told_and_the_rest_is_there(runs, harehearse):
    stream = runs / "oslo" / "r-1" / "events.jsonl"
    stream.write_text("\n".join([stream.read_text().splitlines()[0], "this is no event", "nor this", ""]))
    said = harehearse("report", "--merge", "all", "paris/r-1", "oslo/r-1")
    assert said.status == exits.NO
    assert said.err.splitlines()[-1].startswith(
        "harehearse: The run oslo/r-1 is damaged, so there is nothing of it in the report: "
    )
    assert said.out.startswith("? UNKNOWN  run all · 1 cluster · 1 rehearsal")
    assert "not all of the run could be read: r-1-2 cannot be read, so nothing of it is here" in said.out


def test_a_run_without_a_beginning(runs, harehearse):
    (runs / "oslo" / "r-1" / "events.jsonl").write_text("")
    said = harehearse("report", "--merge", "all", "paris/r-1", "oslo/r-1")
    assert said.status == exits.USAGE
    assert said.err == (
        "harehearse: The run oslo/r-1 cannot be merged: oslo/r-1/events.jsonl does not begin with RunStarted\n"
    )
    assert not (runs / "all").exists()
