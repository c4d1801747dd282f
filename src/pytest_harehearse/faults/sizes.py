# SPDX-License-Identifier: MIT
"""Amounts of memory and disk with units: ``"256MiB"``, ``"1GiB"``, ``"0"``. A bare number is an error, as with durations."""

from __future__ import annotations

import re
from typing import Final

BYTES_PER_UNIT: Final = {
    "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
}  # fmt: skip
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*")
_SHARE: Final = re.compile(r"\s*(\d{1,3})\s*%\s*")


class SizeError(ValueError):
    """The text is no size; the message shows how one is written."""


def size(value: str) -> int:
    """Return an amount in bytes.

    Args:
        value: text with a unit (``"256MiB"``, ``"1.5GB"``), or ``"0"``.

    Raises:
        SizeError: for a bare number other than nought, an unknown unit, a negative or empty value.
    """
    if isinstance(value, str):
        if value.strip() == "0":
            return 0
        match = _SIZE.fullmatch(value)
        if match is not None and match[2] in BYTES_PER_UNIT:
            return int(float(match[1]) * BYTES_PER_UNIT[match[2]])
    units = ", ".join(BYTES_PER_UNIT)
    raise SizeError(f"{value!r} is not a size; write a number and a unit, as in '256MiB', '1GiB' (units: {units}).")


def share(value: str) -> float:
    """Return a share between 0 and 1.

    Args:
        value: text in percent, as ``"80%"``.

    Raises:
        SizeError: for anything else, or for nothing and for more than all.
    """
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 0 < int(match[1]) <= 100:
        raise SizeError(f"{value!r} is not a share; write it in percent, from '1%' to '100%'.")
    return int(match[1]) / 100


def show_size(value: float) -> str:
    """Write bytes for people: ``512 B``, ``256 MiB``, ``1.5 GiB``."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if abs(value) >= BYTES_PER_UNIT[unit]:
            return f"{value / BYTES_PER_UNIT[unit]:.4g} {unit}"
    return f"{value:.0f} B"
