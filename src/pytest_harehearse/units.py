# SPDX-License-Identifier: MIT
"""Durations with units: ``"200ms"``, ``"5s"``, ``"2min"``, ``"7d"``. A bare number is an error, at every boundary."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

SECONDS_PER_UNIT: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SPELLING: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Zµ]+)\s*")


class DurationError(ValueError):
    """The text is not a duration; the message shows how one is written."""


def _refusal(value: object) -> DurationError:
    units = ", ".join(SECONDS_PER_UNIT)
    return DurationError(
        f"{value!r} is not a duration; write a number and a unit, as in '200ms', '30s', '5min' (units: {units})."
    )


def seconds(value: str | timedelta) -> float:
    """Return a duration in seconds.

    Args:
        value: text with a unit (``"1.5s"``, ``"5min"``) or a ``timedelta``.

    Raises:
        DurationError: for a bare number, an unknown unit, a negative or empty value.
    """
    if isinstance(value, timedelta):
        return value.total_seconds()
    if not isinstance(value, str):
        raise _refusal(value)
    match = _SPELLING.fullmatch(value)
    if match is None or match[2] not in SECONDS_PER_UNIT:
        raise _refusal(value)
    return float(match[1]) * SECONDS_PER_UNIT[match[2]]


def show(value: float | None) -> str:
    """Write seconds for people: ``2.41 s``, ``60 ms``, ``4 min 07 s``; an en dash for what is not known.

    Never rounds a time that is not zero to nought.
    """
    if value is None:
        return "–"
    if value == 0:
        return "0 s"
    if abs(value) <= 0.0005:
        return "<1 ms"
    if abs(value) < 0.9995:
        return f"{value * 1000:.0f} ms"
    if abs(value) < 59.995:
        return f"{value:.2f} s"
    whole = round(value)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
