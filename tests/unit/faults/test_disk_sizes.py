# SPDX-License-Identifier: MIT
"""Sizes and shares are written with their unit; anything else is refused with a word on how they are written."""

from __future__ import annotations

import pytest

from pytest_harehearse.faults.sizes import SizeError, share, show_size, size


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), (" 0 ", 0), ("256MiB", 256 * 2**20), ("1.5 GiB", 3 * 2**29), ("2kB", 2000), ("7B", 7), ("1TB", 10**12)],
)
def test_sizes(text, value):
    """Binary and decimal units, and nought."""
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "256", "256M", "-1MiB", "1 mib", 256, None, "all"])
def test_what_is_no_size(text):
    """A bare number is an error, as everywhere."""
    with pytest.raises(
        SizeError, match=r"is not a size; write a number and a unit, as in '256MiB', '1GiB' \(units: B, "
    ):
        size(text)


@pytest.mark.parametrize(("text", "value"), [("80%", 0.8), ("1 %", 0.01), ("100%", 1.0)])
def test_shares(text, value):
    """In percent."""
    assert share(text) == value


@pytest.mark.parametrize("text", ["0%", "101%", "0.8", "80", "", None, 0.8])
def test_what_is_no_share(text):
    """Nothing, more than all, and what is not in percent."""
    with pytest.raises(SizeError, match=r"is not a share; write it in percent, from '1%' to '100%'\."):
        share(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (512, "512 B"), (2048, "2 KiB"), (256 * 2**20, "256 MiB"), (3 * 2**29, "1.5 GiB"), (2**40, "1 TiB")],
)
def test_how_sizes_are_shown(value, text):
    """With the largest unit that fits."""
    assert show_size(value) == text
