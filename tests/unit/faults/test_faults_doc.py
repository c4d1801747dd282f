# SPDX-License-Identifier: MIT
"""The page of faults and the catalogue say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_harehearse.faults.catalogue import CATALOGUE, COLOURS, colour, label

PAGE = Path(__file__).parents[3] / "docs" / "faults.md"


def test_every_fault_stands_on_the_page_and_no_other():
    """A fault that nobody can read about does not exist for users; one that is only told of is worse."""
    told = set(re.findall(r"`([a-z_]+)\((?:node|node=None)[,)]", PAGE.read_text()))
    assert told == set(CATALOGUE)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_fault_can_be_built_has_words_a_colour_and_a_label(name):
    """Its builder is found and says what it does in its first line; its family has a colour."""
    kind = CATALOGUE[name]
    first = (kind.builder.__doc__ or "").splitlines()[0]
    assert first.endswith(".")
    assert kind.builder.__annotations__["return"] == "Fault"
    assert colour(name) == COLOURS[kind.family]
    assert label(name) == kind.label != ""
    assert kind.where <= {"hosts", "power", "embedded"}
