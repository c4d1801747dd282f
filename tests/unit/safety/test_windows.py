# SPDX-License-Identifier: MIT
"""When a maintenance window is open: over midnight, over changes of the clocks, several of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.inventory import schema
from pytest_harehearse.safety.windows import next_after, open_at, parse

BERLIN = "Tue 01:00-03:00 Europe/Berlin"


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        ("2026-11-23 23:59:59", False),
        ("2026-11-24 00:00:00", True),
        ("2026-11-24 01:59:59", True),
        ("2026-11-24 02:00:00", False),
        ("2026-11-25 01:00:00", False),
        ("2026-07-20 23:00:00", True),
    ],
)
def test_it_is_open_by_its_own_clock(at, inside):
    """01:00 in Berlin is midnight UTC in winter and 23:00 the day before in summer; the end is outside."""
    assert (open_at([BERLIN], utc(at)) is not None) is inside


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        ("2026-11-24 21:59", False),
        ("2026-11-24 22:00", True),
        ("2026-11-25 00:30", True),
        ("2026-11-25 02:00", False),
        ("2026-11-23 23:00", False),
        ("2026-11-24 00:30", False),
    ],
)
def test_over_midnight_it_begins_on_its_day(at, inside):
    """Tuesday night reaches into Wednesday, and not back into Monday's."""
    assert (open_at(["Tuesday 22:00-02:00 UTC"], utc(at)) is not None) is inside


def test_sunday_night_reaches_into_the_next_week():
    """The week of its beginning is not the week of its end."""
    assert open_at(["Sun 23:00-01:00 UTC"], utc("2026-11-23 00:30")) is not None


@pytest.mark.parametrize(
    ("window", "begin", "end"),
    [
        # Clocks go from 02:00 to 03:00 at 01:00 UTC.
        ("Sun 01:00-04:00 Europe/Berlin", "2026-03-29 00:00", "2026-03-29 02:00"),
        ("Sun 02:30-04:00 Europe/Berlin", "2026-03-29 01:00", "2026-03-29 02:00"),
        ("Sun 01:00-02:30 Europe/Berlin", "2026-03-29 00:00", "2026-03-29 01:00"),
        # Clocks go from 03:00 back to 02:00 at 01:00 UTC: the first 02:30 counts, for a beginning and for an end.
        ("Sun 01:00-04:00 Europe/Berlin", "2026-10-24 23:00", "2026-10-25 03:00"),
        ("Sun 02:30-04:00 Europe/Berlin", "2026-10-25 00:30", "2026-10-25 03:00"),
        ("Sun 01:00-02:30 Europe/Berlin", "2026-10-24 23:00", "2026-10-25 00:30"),
        # Half an hour, in autumn and in another hemisphere.
        ("Sun 01:00-04:00 Australia/Lord_Howe", "2026-04-04 14:00", "2026-04-04 17:30"),
    ],
)
def test_when_the_clocks_change(window, begin, end):
    """The first instant at which the clocks show the time, or skip it."""
    span = open_at([window], utc(begin))
    assert span is not None
    assert (span.begin, span.end) == (utc(begin), utc(end))
    assert open_at([window], utc(begin) - timedelta(seconds=1)) is None
    assert open_at([window], utc(end)) is None


def test_a_window_that_the_clocks_skip_is_not_open_that_week():
    """02:10 to 02:50 does not come on the night that has no such hour; the next one is a week later."""
    window = "Sun 02:10-02:50 Europe/Berlin"
    assert open_at([window], utc("2026-03-29 01:00")) is None
    following = next_after([window], utc("2026-03-28 12:00"))
    assert following is not None
    assert following.begin == utc("2026-04-05 00:10")


def test_of_several_the_one_that_is_open_counts():
    """And what follows on it without a gap lengthens it; what comes after a gap does not."""
    several = [
        BERLIN,
        "Tue 03:00-04:00 Europe/Berlin",
        "Tue 03:30-05:00 Europe/Berlin",
        "Tue 06:00-07:00 Europe/Berlin",
    ]
    span = open_at(several, utc("2026-11-24 00:30"))
    assert span is not None
    assert (span.begin, span.end) == (utc("2026-11-24 00:00"), utc("2026-11-24 04:00"))
    assert open_at(several, utc("2026-11-24 04:30")) is None
    assert open_at([], utc("2026-11-24 00:30")) is None


def test_it_is_told_by_its_own_clock():
    """With its date, so that nobody takes it for this week's."""
    following = next_after([BERLIN], utc("2026-11-24 00:00"))
    assert following is not None
    assert following.told() == "Tue 2026-12-01 01:00 to 03:00 Europe/Berlin"
    night = next_after(["Tue 22:00-02:00 UTC"], utc("2026-11-24 00:00"))
    assert night is not None
    assert night.told() == "Tue 2026-11-24 22:00 to Wed 2026-11-25 02:00 UTC"


@pytest.mark.parametrize("text", ["", "Tue 01:00-03:00", "Xyz 01:00-03:00 UTC", "Tue 1:00-3:00 UTC"])
def test_what_is_no_window(text):
    """Is an error, never a window that is shut or open by accident."""
    with pytest.raises(ValueError, match="is no window; write it as in 'Tue 01:00-03:00 Europe/Berlin'"):
        parse(text)


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
DAYS = st.sampled_from(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
#: Without a zone, as Hypothesis wants them.
FIRST, LAST = datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2027-12-31")
CLOCKS = st.times().map(lambda clock: clock.strftime("%H:%M"))


@given(
    DAYS, CLOCKS, CLOCKS, ZONES, st.datetimes(FIRST, LAST, timezones=st.just(UTC))
)  # fmt: skip
def test_whatever_the_window_and_the_instant(day, begin, end, zone, at):
    """What is open holds the instant and lasts no longer than a day and an hour; what comes next begins after it."""
    text = f"{day} {begin}-{end} {zone}"
    span, following = open_at([text], at), next_after([text], at)
    if span is not None:
        assert span.begin <= at < span.end
        assert span.end - span.begin <= timedelta(hours=25)
    assert following is not None
    assert at < following.begin < at + timedelta(days=15)


@given(st.from_regex(schema._WINDOW, fullmatch=True))
def test_what_the_inventory_accepts_can_be_read(text):
    """Both know the same windows."""
    try:
        schema._window(text)
    except ValueError:
        return
    assert parse(text).text == text.strip()
