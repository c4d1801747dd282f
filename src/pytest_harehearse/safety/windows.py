# SPDX-License-Identifier: MIT
"""Maintenance windows: when they are open, and until when; over midnight and over changes of the clocks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: As the inventory accepts it: "Tue 01:00-03:00 Europe/Berlin".
_WINDOW: Final = re.compile(r"\s*([A-Za-z]+)\s+(\d\d:\d\d)-(\d\d:\d\d)\s+(\S+)\s*")
#: Enough to find the next one in: one may fall into an hour that the clocks skip.
_WEEKS: Final = 3


@dataclass(frozen=True, slots=True)
class Span:
    """One opening of a window; both ends in UTC, the second one is outside. ``text``: the window as written."""

    begin: datetime
    end: datetime
    text: str
    zone: ZoneInfo

    def told(self) -> str:
        """Return it by its own clock: "Tue 2026-11-24 01:00 to 03:00 Europe/Berlin"."""
        begin, end = (instant.astimezone(self.zone) for instant in (self.begin, self.end))
        until = f"{end:%H:%M}" if begin.date() == end.date() else f"{end:%a %Y-%m-%d %H:%M}"
        return f"{begin:%a %Y-%m-%d %H:%M} to {until} {self.zone.key}"


@dataclass(frozen=True, slots=True)
class Window:
    """One window a week. It begins on ``day`` (Monday is 0), and ends on the day after where ``end`` is not later."""

    text: str
    day: int
    begin: time
    end: time
    zone: ZoneInfo

    def spans(self, at: datetime) -> Iterator[Span]:
        """Yield its openings around an instant, the earliest first."""
        here = at.astimezone(self.zone).date()
        monday = here - timedelta(days=here.weekday())
        for week in range(-1, _WEEKS):
            day = monday + timedelta(days=self.day, weeks=week)
            last = day + timedelta(days=1) if self.end <= self.begin else day
            begin, end = _instant(day, self.begin, self.zone), _instant(last, self.end, self.zone)
            # Where the clocks skip the whole of it, there is none that week.
            if begin < end:
                yield Span(begin, end, self.text, self.zone)


def parse(text: str) -> Window:
    """Return a window of the inventory.

    Raises:
        ValueError: it is none.
    """
    match = _WINDOW.fullmatch(text)
    if match is None or match[1].lower()[:3] not in _DAYS:
        raise ValueError(f"{text!r} is no window; write it as in 'Tue 01:00-03:00 Europe/Berlin'")
    begin, end = time.fromisoformat(match[2]), time.fromisoformat(match[3])
    return Window(text.strip(), _DAYS.index(match[1].lower()[:3]), begin, end, ZoneInfo(match[4]))


def open_at(windows: Iterable[str], at: datetime) -> Span | None:
    """Return the opening that an instant lies in; None: all are shut.

    Where windows overlap or follow on each other without a gap, it ends with the last of them.
    """
    spans = sorted((span for text in windows for span in parse(text).spans(at)), key=lambda span: span.begin)
    found: Span | None = None
    for span in spans:
        if found is None:
            found = span if span.begin <= at < span.end else None
        elif span.begin <= found.end < span.end:
            found = replace(found, end=span.end)
    return found


def next_after(windows: Iterable[str], at: datetime) -> Span | None:
    """Return the next opening that begins after an instant."""
    spans = [span for text in windows for span in parse(text).spans(at) if span.begin > at]
    return min(spans, key=lambda span: span.begin, default=None)


def _instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return the first instant (UTC) at which the zone's clocks show a time that day, or skip it."""
    naive = datetime.combine(day, clock)
    found = naive.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == naive:
        return found
    # Skipped: the instant of the skip lies between what the offsets before and after it make of the time.
    before, after = naive.replace(tzinfo=zone, fold=1).astimezone(UTC), found
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        before, after = (middle, after) if middle.astimezone(zone).utcoffset() == offset else (before, middle)
    return after
