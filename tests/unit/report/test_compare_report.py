# SPDX-License-Identifier: MIT
"""Two clusters side by side, shown: on one time axis, within 100 columns, well formed, nothing of a node obeyed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from page import Page

from pytest_harehearse.history.compare import Comparison, compare
from pytest_harehearse.history.index.measured import Measured, ServiceMeasured
from pytest_harehearse.report import compare as report
from pytest_harehearse.report.compare_drawing import MOST_POINTS, reach

LAB, LIVE = "lab/web", "production/web"
EVIL = "<script>alert(1)</script>\x1b[2J\u202e" + "x" * 90
NOTE = "settings as of 2026-11-20T10:00 and 2026-11-22T11:30; anew: harehearse drift production/web --against lab/web"
PHASES = {"served": 0.01, "detect": 1.0, "fence": 0.6, "start": 0.5, "answer": 0.02, "redundancy": 41.0}


def rehearsals(uppers, cluster, scenario="planned_switchover", services=("page", "orders"), phases=None):
    return [
        Measured(
            f"r-2026w{number:02d}-01", "r1", "n", f"scenarios/test_x.py::test_failover_{scenario}", cluster, "lab",
            datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=7 * number), "passed", None, 30.0,
            tuple(ServiceMeasured(name, "http", "read", "new", upper is not None, (upper or 0) * 0.97, upper, 1) for name in services),
            phases or {},
        )
        for number, upper in enumerate(uppers)
    ]  # fmt: skip


def row(path, acts_on, value="3000"):
    return SimpleNamespace(
        path=path, acts_on=acts_on, severity="forbidden", values={LAB: "1000", LIVE: value}, reason="it lasts so long"
    )


def sample(live=LIVE, service="orders"):
    left = rehearsals([2.2, 2.3, 2.4, 2.3, 2.2, 2.35, None], LAB, phases=PHASES, services=("page", service))
    right = rehearsals(
        [4.6, 5.0, 5.2, 4.9, 4.7], live, phases=PHASES | {"detect": 3.4, "redundancy": 49.0}, services=("page", service)
    )
    left += rehearsals([0.0] * 6, LAB, "replica_loss", services=("page",))
    right += rehearsals([0.0] * 6, live, "replica_loss", services=("page",))
    left += rehearsals([14.0] * 6, LAB, "node_power_off", services=("page",))
    return compare(left, right, (LAB, live), [row("corosync-conf/totem.token", ("detect",)), row("unit/x", ("start",), None)])  # fmt: skip


def test_the_screen_is_golden(golden):
    """Scenario by scenario; the phases once for all its services."""
    assert "\n".join(report.lines(sample(), NOTE)) + "\n" == golden("txt")


def test_markdown_is_golden(golden):
    """As in a job's summary."""
    assert report.markdown(sample(), NOTE) == golden("md")


def test_the_drawing_is_golden(golden):
    """Both sides of every service, then both sides' phases."""
    ((_, picture), *_) = report.drawings(sample())
    assert str(picture) == golden("svg")


@pytest.mark.parametrize("names", [(LIVE, "orders"), (EVIL, EVIL), ("x" * 300, "y" * 300)])
def test_the_screen_fits(names):
    """Within 100 columns, whatever things are called."""
    found = sample(*names)
    assert max(map(len, report.lines(found, NOTE))) <= 100
    assert "\x1b" not in "".join(report.lines(found, NOTE))


def test_the_page_is_well_formed():
    """Ids are unique, nothing comes from elsewhere, hostile words are words."""
    text = report.html(sample(EVIL, EVIL), NOTE)
    page = Page(text)
    assert page.faults == []
    assert len(page.ids) == len(set(page.ids)) == 3
    assert page.references == []
    assert "<script" not in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    assert "<script>alert(1)</script>" in page.text


def test_a_section_is_that_page_without_its_frame():
    """For another page with the same style sheet; two of them have ids of their own."""
    one, other = report.section(sample(), NOTE), report.section(sample("production/db"))
    assert str(one) in report.html(sample(), NOTE)
    page = Page(f"<html><body>{one}{other}</body></html>")
    assert page.faults == []
    assert len(page.ids) == len(set(page.ids)) == 6


def test_one_axis_for_all_of_a_scenario():
    """Neither redundancy nor another scenario squeezes it."""
    quiet, switchover = reversed(report.scenarios(sample()))
    assert [shown.scenario.rpartition("_")[2] for shown in (switchover, quiet)] == ["switchover", "loss"]
    assert reach(switchover.pairs) == 5.2


def test_of_many_rehearsals_the_latest_are_drawn():
    """And all are counted."""
    found = compare(rehearsals([2.0] * 300, LAB), rehearsals([2.0] * 6, LIVE), (LAB, LIVE))
    text = report.html(found)
    assert text.count('class="point"') == 2 * (MOST_POINTS + 6)
    assert "300 rehearsals of lab/web" in text
    assert "r-2026w299-01" in text
    assert f"the latest {MOST_POINTS} are drawn" in text


def test_what_is_not_known_is_shown():
    """Beside the points, in every form."""
    found = sample()
    assert "? 1 more not known" in report.html(found)
    assert "6 rehearsals of lab/web and 1 not known" in report.html(found)
    assert "n 6, 1 not known" in report.markdown(found)
    assert "n 6, 1 not known" in "\n".join(report.lines(found))


def test_nothing_on_both():
    """Is said, not left blank."""
    empty = Comparison(LAB, LIVE, (), {"a::test_failover_link_loss": LAB})
    assert report.lines(empty) == [
        "? lab/web and production/web: unknown", "? link_loss was rehearsed on lab/web only", "  nothing was rehearsed on both",
    ]  # fmt: skip
    assert "Nothing was rehearsed on both." in report.html(empty)
    assert report.markdown(empty).endswith("Nothing was rehearsed on both.\n")
