# SPDX-License-Identifier: MIT
"""A rehearsal of the history as JSON and back, and the digest by which a changed one is found."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pytest_harehearse.history.index.measured import Measured, PatchMeasured, ServiceMeasured


def encode(one: Measured) -> str:
    """Return it as JSON, the same text for the same content."""
    plain = dataclasses.asdict(one)
    plain["at"] = instant(one.at)
    return json.dumps(plain, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def decode(text: str) -> Measured:
    """Return the rehearsal of such a text.

    Raises:
        ValueError: it is none.
    """
    try:
        plain = json.loads(text)
        return _measured(plain)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no rehearsal of the history: {error!r}") from error


def digest(text: str) -> str:
    """Return SHA-256 in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def instant(at: datetime) -> str:
    """Return an aware time as UTC text of a fixed width, so that texts sort as times do."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_instant(text: str) -> datetime:
    """Return the time of an ISO 8601 text.

    Raises:
        ValueError: it is none, or says no zone.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    return at.astimezone(UTC)


def _measured(plain: Mapping[str, Any]) -> Measured:
    return Measured(
        **{
            **plain,
            "at": parse_instant(plain["at"]),
            "services": tuple(ServiceMeasured(**one) for one in plain["services"]),
            "patch_days": tuple(PatchMeasured(**one) for one in plain["patch_days"]),
            "fenced": tuple(plain["fenced"]),
            "faults": tuple(plain["faults"]),
        }
    )
