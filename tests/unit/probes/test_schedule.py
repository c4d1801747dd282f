# SPDX-License-Identifier: MIT
"""The schedule: fixed in advance, with a small jitter, never further apart than the interval."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.probes.schedule import Schedule, most_at_once


@given(st.floats(0, 1e6), st.floats(0.001, 10), st.integers(0, 2**32))
def test_no_two_attempts_are_further_apart_than_the_interval(begin, every, seed):
    """Whatever the seed: 0.84 to 0.92 intervals, and numbered from nought."""
    schedule = Schedule(begin, every, seed)
    due = [schedule.next() for _ in range(50)]
    assert [n for n, _ in due] == list(range(50))
    slack = 1e-9 * max(1.0, begin)
    for (_, earlier), (_, later) in pairwise(due):
        assert 0.84 * every - slack <= later - earlier <= 0.92 * every + slack


def test_the_same_seed_gives_the_same_schedule():
    """A measurement can be repeated at the same phase; another seed gives another."""
    one, same, other = Schedule(0, 1, 7), Schedule(0, 1, 7), Schedule(0, 1, 8)
    first = [one.next() for _ in range(10)]
    assert first == [same.next() for _ in range(10)]
    assert first != [other.next() for _ in range(10)]


def test_an_attempt_that_comes_too_late_is_left_out():
    """By more than an interval, at least 5 ms: it would be a burst and no schedule."""
    schedule = Schedule(0, 0.02, 1)
    assert not schedule.missed(1.0, 1.019)
    assert schedule.missed(1.0, 1.021)
    assert not Schedule(0, 0.001, 1).missed(1.0, 1.004)


def test_how_many_run_side_by_side():
    """As many as fit into a timeout, and a few more."""
    assert (most_at_once(0.02, 0.06), most_at_once(1, 0.1)) == (7, 5)
