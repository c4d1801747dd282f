# SPDX-License-Identifier: MIT
"""What a run's page shows beside the run: the rehearsals before it as stems, and what they decide."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.common.run_files import happened, write

from pytest_harehearse.drift import kept
from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.history.build import build
from pytest_harehearse.history.index.history import FILE, History
from pytest_harehearse.history.index.measured import Measured, ServiceMeasured
from pytest_harehearse.history.series import by_scenario
from pytest_harehearse.inventory.model import Cluster, Environment, Inventory, Node
from pytest_harehearse.report import html
from pytest_harehearse.report.beside import Beside, gather
from pytest_harehearse.report.session import report
from pytest_harehearse.report.stems import DRAWN, stems

BEGAN = 1_700_000_000.0


@pytest.fixture
def inventory(tmp_path):
    """Of one cluster."""
    cluster = Cluster("demo", "orders", "lab", "patroni", (Node("n1"), Node("n2"), Node("n3")), provider="embedded")
    return Inventory(
        tmp_path / "harehearse.toml", {"demo": Environment("demo", "lab", "embedded", {"orders": cluster})}
    )


@pytest.fixture
def runs(tmp_path, inventory):
    """Three runs, a day apart, each with its reports."""
    found = []
    for number, outcome in enumerate(("passed", "failed", "passed"), 1):
        name = f"r-2023w46-{number:02d}"
        directory = write(
            tmp_path / ".harehearse/runs" / name, happened(name, wall=BEGAN + number * 86400, outcome=outcome)
        )
        report(directory, inventory)
        found.append(directory)
    return found


def test_the_page_shows_the_rehearsals_before(runs):
    """Only those up to the run itself, with verdicts, and what they decide."""
    first, _, last = [(path / "report.html").read_text() for path in runs]
    assert "<h3>History" not in first
    assert "<h3>History <small>3 rehearsals on demo/orders</small></h3>" in last
    drawn = re.findall(r'class="stem (\w+)"><title>(r-2023w46-\d+), ', last)
    assert drawn == [("passed", "r-2023w46-01"), ("failed", "r-2023w46-02"), ("passed", "r-2023w46-03")]
    assert "by the rehearsals of demo/orders" in last
    assert "harehearse gate demo/orders" in last


def test_an_older_run_written_anew_shows_none_of_the_later_ones(runs, inventory):
    """Its page is what it would have been then."""
    report(runs[1], inventory)
    assert "r-2023w46-03" not in (runs[1] / "report.html").read_text()


def test_a_report_written_anew_is_remembered(runs, inventory):
    """Also without the inventory: the history in the store must not take it for a change by hand."""
    for found in (inventory, None):
        report(runs[0], found)
        with History(runs[0].parent.parent) as history:
            assert history.damaged([one.key for one in history.rehearsals()]) == {}


def test_a_history_that_cannot_be_read_is_told(runs, inventory):
    """The page is written all the same, and says what is missing."""
    store = runs[0].parent.parent
    (store / FILE).write_text("no database, however long one looks at it " * 9)
    problems: list[str] = []
    report(runs[2], inventory, problems)
    assert "is not in the history yet: " in problems[0]
    page = (runs[2] / "report.html").read_text()
    assert "The rehearsals before this run cannot be shown: " in page
    assert "<h3>History" not in page


def test_nothing_beside_is_nothing_shown(whole_run_page):
    """A run alone has a whole page."""
    assert "<h3>History" not in whole_run_page
    assert 'class="decision"' not in whole_run_page


@pytest.fixture
def whole_run_page(tmp_path):
    """The page of a run of which nothing else is known."""
    return html.render(build(write(tmp_path / "r-2026w47-01", happened())), Beside())


def series(*seconds, run="r"):
    found = [
        Measured(
            f"{run}-{number}", "t", "n", "s", "lab/web", "lab", _at(number), "passed", None, 1.0,
            (ServiceMeasured("page", "http", "read", "new", value is not None, value or 0.0, value, 1),),
        )
        for number, value in enumerate(seconds)
    ]  # fmt: skip
    return by_scenario(found)[0]


def _at(number):
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)


@given(st.lists(st.none() | st.floats(0, 1e5), min_size=1, max_size=30), st.none() | st.floats(0, 1e5))
def test_every_stem_is_within_its_frame(seconds, limit):
    """Whatever was measured; one that is not known has no height, and never nought."""
    drawing = stems(series(*seconds), limit, "x")
    tops = [float(one) for one in re.findall(r'cy="([-\d.]+)"', drawing)]
    shown = seconds[-DRAWN:]
    assert len(tops) == sum(one is not None for one in shown)
    assert all(9.9 <= top <= 100.1 for top in tops)
    assert drawing.count('class="mark"') == sum(one is None for one in shown)
    assert ('class="limit"' in drawing) == (limit is not None)


def test_hostile_names_are_escaped():
    """Of runs."""
    drawing = stems(series(1.0, run="<script>"), None, "<x>")
    assert "<script>" not in drawing
    assert "&lt;x&gt;" in drawing


def test_gather_tells_nothing_of_another_cluster(runs, inventory):
    """Of a run whose cluster the inventory no longer has, no decision is shown."""
    summary = build(Path(runs[0]))
    bare = Inventory(inventory.path, {})
    found = gather(summary, bare, runs[0].parent.parent)
    assert found.decisions == ()
    assert len(found.series) == 1


def test_a_cluster_with_a_twin_is_held_against_it(tmp_path, inventory):
    """Both on one scale, and what is said of the settings."""
    (orders,) = inventory.environments["demo"].clusters.values()
    live = dataclasses.replace(orders, environment="production", kind="production", twin="demo/orders")
    both = dataclasses.replace(
        inventory,
        environments={
            **inventory.environments,
            "production": Environment("production", "production", None, {"orders": live}),
        },
    )
    for number, cluster in enumerate(["demo/orders"] * 5 + ["production/orders"] * 5, 1):
        name = f"r-2023w46-{number:02d}"
        stream = happened(name, wall=BEGAN + number * 3600, cluster=cluster)
        directory = write(tmp_path / ".harehearse/runs" / name, stream)
        report(directory, both)
    page = (directory / "report.html").read_text()
    assert "no difference to be seen: production/orders takes" in page
    assert page.count('<svg class="compare"') == 2
    assert "harehearse drift production/orders --against demo/orders" in page
    assert '<svg class="compare"' not in (tmp_path / ".harehearse/runs/r-2023w46-01/report.html").read_text()


def snapshot(node, **facts):
    return Snapshot("demo/orders", node, "", {name.replace("_", "/", 1): value for name, value in facts.items()}, {}, {node: "<node>"})  # fmt: skip


def kept_at(store, seconds, value, run=""):
    now = datetime.fromtimestamp(BEGAN + seconds, UTC)
    kept.write(store, "demo/orders", [snapshot("n1", unit_x="1"), snapshot("n2", unit_x=value)], run=run, now=now)


def test_the_page_shows_drift_as_it_was_when_the_run_ended(runs, inventory):
    """Not what was read later; what was read in the run itself comes first, and the page says which of both it is."""
    store = runs[0].parent.parent
    kept_at(store, 0, "1")
    kept_at(store, 86400 * 9, "2")
    report(runs[0], inventory)
    page = (runs[0] / "report.html").read_text()
    assert "0 differ, 1 alike" in page
    assert ", not in this run. As it is now: <code>harehearse drift demo/orders</code>" in page
    kept_at(store, 86400 * 9 + 5, "3", run="r-2023w46-01")
    report(runs[0], inventory)
    page = (runs[0] / "report.html").read_text()
    assert "1 differ (1 forbidden), 0 alike" in page
    assert "UTC in this run." in page
    assert '<details class="decision drifts" open>' in page
    assert "a service starts differently after a failover" in page


def test_drift_that_was_never_read_is_told_where_a_twin_waits_for_it(runs, inventory):
    """And not for a cluster that nobody ever compared."""
    store = runs[0].parent.parent
    assert gather(build(runs[0]), inventory, store).drift == ()
    (orders,) = inventory.environments["demo"].clusters.values()
    paired = dataclasses.replace(orders, twin="production/orders")
    inventory.environments["demo"].clusters["orders"] = paired
    report(runs[0], inventory)
    assert "Drift of demo/orders: not known, its nodes were never read." in (runs[0] / "report.html").read_text()


def test_a_damaged_snapshot_is_told(runs, inventory):
    """It is not the same as none."""
    store = runs[0].parent.parent
    kept_at(store, 0, "1")
    (file,) = (store / "drift/demo/orders").glob("*.json")
    file.write_text("{")
    report(runs[0], inventory)
    page = (runs[0] / "report.html").read_text()
    assert f"The snapshot {file} is damaged" in page
