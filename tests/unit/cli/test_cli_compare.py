# SPDX-License-Identifier: MIT
"""``harehearse compare``: its table, its JSON contract, its exit status, what is a side and what is not."""

from __future__ import annotations

import json
import sqlite3

import pytest
from tests.common.run_files import happened, write

from pytest_harehearse.cli import exits
from pytest_harehearse.drift import kept
from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.history.build import build
from pytest_harehearse.history.index.history import FILE
from pytest_harehearse.history.rundir import write_json

BEGAN = 1_700_000_000.0
LAB, LIVE = "demo/orders", "live/orders"
INVENTORY = """
[environments.demo]
kind = "lab"
provider = "embedded"
[environments.demo.clusters.orders]
manager = "patroni"
nodes = ["n1", "n2", "n3"]
[environments.live]
kind = "lab"
provider = "embedded"
[environments.live.clusters.orders]
manager = "patroni"
nodes = ["n1", "n2", "n3"]
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project without a run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "harehearse.toml").write_text(INVENTORY)
    return tmp_path


@pytest.fixture
def rehearsed(project):
    """``rehearsed(demo=5, live=2)`` makes so many runs on each; they are numbered through, and take as long."""

    def make(demo=0, live=0):
        for number, cluster in enumerate([LAB] * demo + [LIVE] * live, 1):
            name = f"r-2023w46-{number:02d}"
            directory = write(
                project / ".harehearse/runs" / name, happened(name, wall=BEGAN + number * 3600, cluster=cluster)
            )
            write_json(build(directory), directory)
        return project

    return make


def snapshots(cluster, token, problems=None):
    return [
        Snapshot(cluster, "n1", "2026-11-23T12:00:00+00:00", {"corosync-conf/totem.token": token}, problems or {}, {})
    ]


def test_the_help_is_golden(harehearse, snapshot):
    """Read it as a user does."""
    assert harehearse("compare", "--help").out == snapshot


def test_alike_is_golden(harehearse, rehearsed, snapshot):
    """Both on one scale; what explains it was never read, and how it would be."""
    rehearsed(5, 5)
    said = harehearse("compare", LAB, LIVE)
    assert (said.status, said.err) == (exits.OK, "")
    assert said.out == snapshot
    assert max(map(len, said.out.splitlines())) <= 100


def test_too_few_is_not_known(harehearse, rehearsed):
    """It ends with 2, and says how many there must be."""
    rehearsed(5, 2)
    said = harehearse("compare", LAB, LIVE)
    assert said.status == exits.UNKNOWN
    assert "? write: too few rehearsals to tell: 2 of at least 5 on live/orders" in said.out


def test_different_ends_with_one(harehearse, rehearsed, monkeypatch):
    """As far as the medians are apart."""
    from dataclasses import replace

    from pytest_harehearse.history.index.history import History

    rehearsed(5, 5)
    found = History.rehearsals

    def slower(self, **asked):
        def longer(one):
            return replace(one, services=tuple(replace(s, lower=s.lower * 3, upper=s.upper * 3) for s in one.services))

        return [longer(one) if one.cluster == LIVE else one for one in found(self, **asked)]

    monkeypatch.setattr(History, "rehearsals", slower)
    said = harehearse("compare", LAB, LIVE)
    assert said.status == exits.NO
    assert "✗ write: live/orders is 2.8 to 3.2 times slower" in said.out
    assert harehearse("compare", LIVE, LAB).out.count("times faster") == 2


def test_json_is_a_contract(harehearse, rehearsed):
    """Bounds in seconds, both ends of the intervals, and every rehearsal."""
    rehearsed(5, 5)
    found = json.loads(harehearse("compare", LAB, LIVE, "--json").out)
    assert (found["schema"], found["one"], found["other"], found["answer"]) == (1, LAB, LIVE, "alike")
    assert "no snapshot of both was kept yet" in found["note"]
    read, write_ = found["pairs"]
    assert (read["service"], write_["service"]) == ("read", "write")
    assert [point["run"] for point in read["one"]["points"]] == [f"r-2023w46-0{number}" for number in range(1, 6)]
    assert all(0 < point["lower"] <= point["upper"] for point in read["other"]["points"])
    assert read["ratio"][0] < 1 < read["ratio"][1]
    assert read["difference"][0] < 0 < read["difference"][1]
    assert read["one"]["not_known"] == 0
    assert read["one"]["median"] == read["other"]["worst"]


def test_markdown_and_a_page(harehearse, rehearsed):
    """For a job's summary and for a mail."""
    project = rehearsed(5, 5)
    said = harehearse("compare", LAB, LIVE, "--format", "md", "--html", "page.html")
    assert said.out.startswith(f"# ✓ {LAB} and {LIVE}: alike\n")
    assert (project / "page.html").read_text().startswith("<!doctype html>")
    assert harehearse("compare", LAB, LIVE, "--format", "html").out.startswith("<!doctype html>")


def test_only_what_is_asked_for(harehearse, rehearsed):
    """By the scenario's name, and by age."""
    rehearsed(5, 5)
    nothing = "  nothing was rehearsed on both"
    assert nothing in harehearse("compare", LAB, LIVE, "--scenario", "power_off").out
    assert nothing not in harehearse("compare", LAB, LIVE, "--scenario", "switchover").out
    said = harehearse("compare", LAB, LIVE, "--since", "1d")
    assert (said.status, nothing in said.out) == (exits.UNKNOWN, True)


def test_kept_snapshots_explain_it(harehearse, rehearsed):
    """What drift found different, as of when, and what could not be read."""
    project = rehearsed(5, 2)
    store = project / ".harehearse"
    kept.write(store, LAB, snapshots(LAB, "1000"))
    kept.write(store, LIVE, snapshots(LIVE, "3000", {"ntp": "no daemon"}))
    said = " ".join(harehearse("compare", LAB, LIVE).out.split())
    assert "settings as of " in said
    assert "; 1 areas of them could not be read; anew: harehearse drift live/orders --against demo/orders" in said


def test_a_damaged_snapshot_is_told(harehearse, rehearsed):
    """And the rest is shown all the same."""
    store = rehearsed(5, 5) / ".harehearse"
    kept.write(store, LAB, snapshots(LAB, "1000"))
    kept.write(store, LIVE, snapshots(LIVE, "3000")).write_text("{")
    said = harehearse("compare", LAB, LIVE)
    assert said.status == exits.OK
    assert "what explains it is not known: The snapshot" in said.out


def test_two_runs(harehearse, rehearsed):
    """One rehearsal each is too few, and both are shown."""
    rehearsed(2, 0)
    said = harehearse("compare", "r-2023w46-01", "r-2023w46-02")
    assert said.status == exits.UNKNOWN
    assert said.out.count("too few rehearsals to tell: 1 of at least 5 on r-2023w46-01") == 2


def test_a_run_is_not_held_against_itself(harehearse, rehearsed):
    """Of its cluster, the others are."""
    rehearsed(6, 0)
    found = json.loads(harehearse("compare", LAB, "r-2023w46-06", "--json").out)
    assert found["pairs"][0]["one"]["points"][-1]["run"] == "r-2023w46-05"
    assert found["note"] == f"{LAB} without r-2023w46-06"


def test_a_run_of_several_clusters(harehearse, rehearsed, monkeypatch):
    """Two such runs are compared cluster by cluster; against another cluster it is none of them."""
    from dataclasses import replace

    from pytest_harehearse.history.index.history import History

    rehearsed(2, 0)
    found = History.rehearsals

    def both(self, *, cluster=None, run=None, **asked):
        if run is None:
            return []
        (one,) = found(self, run=run, **asked)
        return [one, replace(one, cluster=LIVE)]

    monkeypatch.setattr(History, "rehearsals", both)
    said = harehearse("compare", "r-2023w46-01", "r-2023w46-02")
    assert "switchover on demo/orders" in said.out
    assert "switchover on live/orders" in said.out
    monkeypatch.setattr(History, "clusters", lambda self: ["third/orders"])
    refused = harehearse("compare", "third/orders", "r-2023w46-02")
    assert refused.status == exits.USAGE
    assert "A run of several clusters cannot be held against another cluster as a whole" in refused.err
    assert "harehearse compare ENV/NAME ENV/NAME" in refused.err


def test_what_was_changed_is_left_out(harehearse, rehearsed):
    """A row that is not as it was written proves nothing."""
    project = rehearsed(5, 5)
    assert harehearse("compare", LAB, LIVE).status == exits.OK
    with sqlite3.connect(project / ".harehearse" / FILE) as database:
        database.execute(
            "update rehearsals set document = replace(document, 'passed', 'failed') where document like '%r-2023w46-07%'"
        )
    database.close()
    said = harehearse("compare", LAB, LIVE)
    assert said.status == exits.UNKNOWN
    assert "4 of at least 5 on live/orders" in said.out
    assert "left out, for they prove nothing: r-2023w46-07: a row of it in the history" in " ".join(said.out.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((LAB, LAB), "A and B are both 'demo/orders'; name two clusters (lab/web production/web), or two runs."),
        ((LAB, "live/order"), "There is no cluster 'live/order' in the inventory or in the history; there are demo/orders, live/orders."),
        ((LAB, "r-1"), "'r-1' is no run in the history with a rehearsal in it, and no cluster (ENVIRONMENT/CLUSTER)."),
        ((LAB, LIVE, "--since", "90"), "'90' is not a duration"),
    ],
)  # fmt: skip
def test_a_wrong_name_is_told(harehearse, rehearsed, words, told):
    """With those there are."""
    rehearsed(1, 1)
    said = harehearse("compare", *words)
    assert (said.status, said.out) == (exits.USAGE, "")
    assert told in said.err
