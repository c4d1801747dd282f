# SPDX-License-Identifier: MIT
"""The interval of how much longer one median is: what must hold whatever the values are."""

from __future__ import annotations

import random
from math import inf
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.history.medians import interval

SECONDS = st.floats(0, 1000).map(lambda value: round(value, 3))
BOUNDS = st.tuples(SECONDS, st.floats(0, 5) | st.just(inf)).map(
    lambda pair: (pair[0], pair[0] + round(pair[1], 3) if pair[1] < inf else inf)
)
SAMPLES = st.lists(BOUNDS, min_size=1, max_size=12)
KNOWN = st.lists(st.floats(0.5, 100), min_size=5, max_size=12)


def exactly(values):
    return [(value, value) for value in values]


@given(SAMPLES, SAMPLES)
def test_swapped_the_interval_is_inverted(one, other):
    """Slower by as much as the other is faster."""
    there, back = interval(one, other), interval(other, one)
    assert back.difference == pytest.approx((-there.difference[1], -there.difference[0]))
    inverted = tuple(1 / end if end else inf for end in reversed(there.ratio))
    assert back.ratio == pytest.approx(inverted)


@given(SAMPLES, SAMPLES)
def test_ratio_and_difference_never_contradict_each_other(one, other):
    """Longer by the one is longer by the other."""
    found = interval(one, other)
    assert found.difference[0] <= found.difference[1]
    assert found.ratio[0] <= found.ratio[1]
    assert (found.difference[0] > 0) == (found.ratio[0] > 1)
    assert (found.difference[1] < 0) == (found.ratio[1] < 1)


@given(KNOWN, KNOWN, st.floats(0.01, 100))
def test_another_unit_is_the_same_ratio(one, other, factor):
    """Seconds or minutes."""
    scaled = interval(exactly(x * factor for x in one), exactly(x * factor for x in other))
    assert scaled.ratio == pytest.approx(interval(exactly(one), exactly(other)).ratio)


@given(SAMPLES, SAMPLES, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(one, other, generator):
    """Nor how often it is asked."""
    shuffled = list(one)
    generator.shuffle(shuffled)
    assert interval(shuffled, other) == interval(one, other)


@given(KNOWN, KNOWN, st.integers(2, 8))
def test_more_of_the_same_never_widens_much(one, other, times):
    """It narrows it, but for the last digits that chance decides."""
    few, many = (interval(exactly(one * n), exactly(other * n)).difference for n in (1, times))
    assert many[1] - many[0] <= (few[1] - few[0]) * 1.01 + 1e-9


@given(SAMPLES, SAMPLES, st.data())
def test_whatever_the_values_are_within_their_bounds(one, other, data):
    """The interval of the bounds holds that of any values in them."""

    def within(sample):
        return exactly(low + data.draw(st.floats(0, 1)) * (min(high, low + 5) - low) for low, high in sample)

    wide, narrow = interval(one, other), interval(within(one), within(other))
    assert wide.difference[0] <= narrow.difference[0] + 1e-9
    assert narrow.difference[1] <= wide.difference[1] + 1e-9


@given(st.floats(0.1, 100), st.integers(1, 30), st.integers(1, 30))
def test_all_equal_is_that_ratio(value, many, few):
    """Degenerate data are no error."""
    assert interval(exactly([value] * many), exactly([2 * value] * few)).ratio == (2.0, 2.0)
    assert interval(exactly([0.0] * many), exactly([0.0] * few)).ratio == (1.0, 1.0)


def test_it_is_the_bootstrap_that_it_says_it_is():
    """Held against one that makes its resamples, for an odd and an even number."""
    generator = random.Random(7)
    one, other = (
        [generator.lognormvariate(0, 0.4) for _ in range(9)],
        [generator.lognormvariate(0.5, 0.4) for _ in range(12)],
    )
    ratios = sorted(median(generator.choices(other, k=12)) / median(generator.choices(one, k=9)) for _ in range(8000))
    assert interval(exactly(one), exactly(other)).ratio == pytest.approx((ratios[200], ratios[-201]), rel=0.06)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Of 300 pairs of samples, some 95 in a hundred."""
    generator = random.Random(11)
    held = 0
    for _ in range(300):
        one, other = ([level * generator.lognormvariate(0, 0.3) for _ in range(9)] for level in (2.0, 3.0))
        low, high = interval(exactly(one), exactly(other)).ratio
        held += low <= 1.5 <= high
    assert 270 <= held <= 300
