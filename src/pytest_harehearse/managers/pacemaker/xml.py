# SPDX-License-Identifier: MIT
"""XML from nodes, which may be anything: read without entities, and small questions about an element."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: Far more than any cluster says of itself.
_LARGEST: Final = 32 * 1024 * 1024
_INFINITY: Final = 1_000_000
_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))? ?(Z|[+-]\d\d:?\d\d)")


def parse(data: bytes) -> Element | str:
    """Return the root, or why there is none."""
    data = data.strip()
    if not data:
        return "it printed nothing"
    if len(data) > _LARGEST:
        return f"it printed {len(data)} bytes, more than any cluster has to say"
    try:
        root: Element = ElementTree.fromstring(data, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
        return f"what it printed is no XML ({type(error).__name__}: {str(error)[:120]})"
    return root


def flag(element: Element, name: str) -> bool | None:
    """Return a boolean attribute; None where it is not said."""
    value = element.get(name)
    return None if value is None else value.strip().lower() in {"true", "1", "yes", "on"}


def number(element: Element, name: str, otherwise: int = 0) -> int:
    """Return an attribute as a whole number; INFINITY is a million, as Pacemaker has it."""
    value = (element.get(name) or "").strip().lstrip("+")
    if value.upper() in {"INFINITY", "-INFINITY"}:
        return -_INFINITY if value.startswith("-") else _INFINITY
    return int(value) if re.fullmatch(r"-?[0-9]{1,18}", value) else otherwise


def infinite(value: int) -> bool:
    """Return whether Pacemaker holds a score or a count to be without limit."""
    return value >= _INFINITY


def instant(text: str | None) -> datetime | None:
    """Return a time such as ``2026-11-23 05:08:17.123456Z``; None when it is none, or names no zone."""
    found = _STAMP.search(text or "")
    if found is None:
        return None
    day, clock, part, zone = found.groups()
    zone = "+00:00" if zone == "Z" else zone
    try:
        # Python keeps microseconds; a node may print nanoseconds.
        return datetime.fromisoformat(f"{day}T{clock}.{(part or '')[:6]:0<6}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
