# SPDX-License-Identifier: MIT
"""Durations are read strictly and shown honestly."""

import math
import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.units import SECONDS_PER_UNIT, DurationError, seconds, show

UNITS = st.sampled_from(sorted(SECONDS_PER_UNIT))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250us", 0.00025),
        ("200ms", 0.2),
        ("5s", 5.0),
        ("1.5 s", 1.5),
        (" 2min ", 120.0),
        ("1h", 3600.0),
        ("7d", 604800.0),
        ("1w", 604800.0),
        ("0s", 0.0),
    ],
)
def test_a_number_and_a_unit_are_seconds(text, expected):
    """Every unit of the reference is read."""
    assert seconds(text) == pytest.approx(expected, rel=1e-12)


def test_a_timedelta_is_taken_as_it_is():
    """Python callers may pass a timedelta."""
    assert seconds(timedelta(milliseconds=60)) == 0.06


@pytest.mark.parametrize(
    "value", ["20", "", "s", "-1s", "1,5s", "5 sec", "1s 2s", "5S", "5\ns\n5", "1e3s", "infs", 20, 0.5, None, True]
)
def test_whatever_has_no_unit_is_refused_with_the_way_to_write_it(value):
    """A bare number, an unknown unit, a sign or a second number is an error that shows how to write it."""
    wanted = (
        "is not a duration; write a number and a unit, as in '200ms', '30s', '5min' (units: us, ms, s, min, h, d, w)."
    )
    with pytest.raises(DurationError, match=f"^{re.escape(f'{value!r} {wanted}')}$"):
        seconds(value)


@given(st.decimals(0, 10**6, places=3, allow_nan=False), UNITS, st.sampled_from(["", " "]))
def test_any_decimal_with_any_unit_is_that_many_units(number, unit, space):
    """The value read is the number times the unit."""
    assert math.isclose(seconds(f"{number}{space}{unit}"), float(number) * SECONDS_PER_UNIT[unit])


@given(st.integers(0, 10**6), st.integers(0, 10**6), UNITS)
def test_reading_keeps_the_order(one, other, unit):
    """A longer text duration is never read as a shorter one."""
    assert (one <= other) == (seconds(f"{one}{unit}") <= seconds(f"{other}{unit}"))


@given(st.text())
def test_any_text_is_a_finite_duration_or_refused(text):
    """Nothing but DurationError comes out of a text, and no negative time."""
    try:
        value = seconds(text)
    except DurationError:
        return
    assert value >= 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.0001, "<1 ms"),
        (0.06, "60 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (2.414, "2.41 s"),
        (59.994, "59.99 s"),
        (59.996, "1 min 00 s"),
        (247, "4 min 07 s"),
        (3599.6, "1 h 00 min"),
        (7260, "2 h 01 min"),
    ],
)
def test_a_time_is_shown_for_people(value, expected):
    """Each range has its own unit, and no border shows 60 s or 1000 ms."""
    assert show(value) == expected


@given(st.floats(min_value=0, max_value=1e7, exclude_min=True))
def test_a_time_that_is_not_zero_is_never_shown_as_nought(value):
    """However short an interruption was, it does not look like none."""
    assert not re.match(r"0(\.0+)? ", show(value))


@given(st.floats(min_value=0.00051, max_value=59.99))
def test_what_is_shown_below_a_minute_reads_back(value):
    """The text is a duration again, within the rounding of its last digit."""
    shown = show(value)
    assert abs(seconds(shown) - value) <= (0.000501 if shown.endswith("ms") else 0.00501)
