# SPDX-License-Identifier: MIT
"""Whether the window is open then, and long enough."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from gate_samples import NOW, PATCH_DAY, PRODUCTION, good, measured, patch_day, rehearsals

from pytest_harehearse.history.gate import window
from pytest_harehearse.history.gate.decision import Answer

# NOW is a Monday noon.
TUESDAY = "Tue 01:00-03:00 UTC"


def gate(when, *found, cluster=PRODUCTION, now=NOW):
    span = window.opening(cluster.windows, when, now)
    return window.gate(rehearsals(*(found or good()), cluster=cluster, now=now), span, when)


def test_the_next_one_is_long_enough():
    """Two hours for 40 s and half of that again."""
    found = gate("next")
    assert (found.answer, found.value, found.limit) == (Answer.GO, "2 h 00 min", "≥ 1 min 00 s")
    assert found.evidence == (
        "Tue 2026-11-24 01:00 to 03:00 UTC; the longest of 1 patch days took 40.00 s (r-2026w48-04 on lab/web), "
        "and half of that again"
    )


def test_it_is_shut_now():
    """With when it opens, and how to ask for that."""
    found = gate("now")
    assert (found.answer, found.value, found.evidence) == (Answer.NO_GO, "shut", "no window is open then: now")
    assert found.remedy == "the next one: Tue 2026-11-24 01:00 to 03:00 UTC"
    assert found.command == "harehearse gate production/web --window next"


def test_an_hour_before_its_end():
    """Only what is left of it counts."""
    at = NOW + timedelta(hours=14)
    assert gate("now", now=at).value == "1 h 00 min"
    slow = measured(6, scenario=PATCH_DAY, patch_days=(patch_day(whole=3000.0),))
    found = gate("now", *good(), slow, now=at)
    assert (found.answer, found.limit) == (Answer.NO_GO, "≥ 1 h 15 min")
    assert found.remedy == "take a longer window, or begin at its beginning"


def test_no_patch_day_is_not_known():
    """How long it takes was never measured."""
    found = gate("next", *good()[:3])
    assert (found.answer, found.evidence) == (Answer.UNKNOWN, "no patch day that counts was gone through")


@pytest.mark.parametrize(
    "when", ["2026-11-24T02:00+00:00", "2026-11-24T03:30+02:00", TUESDAY, "Tue 01:00-03:00 Etc/UTC"]
)
def test_other_ways_to_name_it(when):
    """A time in it, in any zone, or a window that the inventory has not."""
    assert gate(when).answer is Answer.GO


def test_a_time_outside_is_a_no():
    """Also one that is over."""
    assert gate("2026-11-24T03:00+00:00").answer is Answer.NO_GO


def test_a_cluster_without_a_window():
    """Says so."""
    found = gate("next", cluster=dataclasses.replace(PRODUCTION, windows=()))
    assert found.evidence == "the inventory has no window: next"
    assert found.remedy == "write a window into the inventory"


@pytest.mark.parametrize("when", ["tomorrow", "2026-11-24T01:00", "Tue 25:00-03:00 UTC"])
def test_nonsense_is_refused(when):
    """A time without a zone is nonsense, too."""
    with pytest.raises(ValueError, match=r"names no time zone|is no window|minute|hour"):
        window.opening(PRODUCTION.windows, when, NOW)
