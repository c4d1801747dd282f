# SPDX-License-Identifier: MIT
"""Trends: the latest against those before, and since which run it is another."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.history.trend import LAST, MOST, SIDE, Point, trend

SECONDS = st.floats(0, 1e4)


def points(*values):
    return [Point(f"r-{number:03d}", value) for number, value in enumerate(values)]


def noisy(count, level, seed, spread=0.2):
    generator = random.Random(seed)
    return [level + generator.uniform(-spread, spread) for _ in range(count)]


def test_a_step_is_named_by_its_first_run():
    """Slower since the eleventh run, by about 1.8 s."""
    found = trend(points(*noisy(10, 2.3, 1), *noisy(8, 4.1, 2)))
    assert found.change is not None
    assert (found.change.run, found.change.number) == ("r-010", 10)
    assert found.change.seconds == pytest.approx(1.8, abs=0.2)
    assert found.change.chance < 0.01


def test_faster_is_negative():
    """The same the other way round."""
    found = trend(points(*noisy(9, 30.0, 3), *noisy(9, 20.0, 4)))
    assert found.change is not None
    assert found.change.seconds == pytest.approx(-10, abs=0.3)
    assert found.change.number == 9


@given(SECONDS)
def test_what_is_always_the_same_never_changes(value):
    """However long the series."""
    assert trend(points(*[value] * 40)).change is None


def test_noise_alone_is_seldom_a_change():
    """In 200 series without any, about one in a hundred may be told as one."""
    told = sum(trend(points(*noisy(24, 2.0, seed))).change is not None for seed in range(200))
    assert told <= 8


@given(st.lists(SECONDS, max_size=2 * SIDE - 1))
def test_too_few_never_claim_a_change(values):
    """It says how many there are."""
    found = trend(points(*values))
    assert found.change is None
    assert found.problem == f"too few to look for a change: {len(values)} of at least 8"


@given(st.lists(st.integers(0, 20).map(float), min_size=2 * SIDE, max_size=30), st.integers(2, 9))
def test_another_unit_is_the_same_change(values, factor):
    """The point of the change does not depend on the scale."""
    one, other = trend(points(*values)).change, trend(points(*[value * factor for value in values])).change
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert other.number == one.number
        assert other.seconds == pytest.approx(one.seconds * factor)


@given(st.lists(SECONDS, min_size=2, max_size=40))
def test_the_latest_against_the_median_before(values):
    """Of the last twelve, without itself."""
    before = sorted(values[-LAST - 1 : -1])
    middle = (before[(len(before) - 1) // 2] + before[len(before) // 2]) / 2
    assert trend(points(*values)).against_last == pytest.approx(values[-1] - middle)


def test_one_alone_has_nothing_before_it():
    """And none at all neither."""
    assert trend(points(2.0)).against_last is None
    assert trend([]).against_last is None


def test_a_very_long_series_is_looked_at_from_its_end():
    """The number still counts from the beginning."""
    found = trend(points(*noisy(500, 2.0, 5), *noisy(50, 5.0, 6)))
    assert found.change is not None
    assert found.change.number == 500
    assert len(found.points) == 550 > MOST
