# SPDX-License-Identifier: MIT
"""Whatever stands in a well-formed TOML file, it is loaded or refused in the user's words."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.inventory.checks import check
from pytest_harehearse.inventory.problems import lines, validate
from pytest_harehearse.inventory.schema import (
    ClusterTable,
    EnvironmentTable,
    GatesTable,
    InventoryTable,
    NodeTable,
    ServiceTable,
)

WORDS = st.sampled_from(
    ["lab", "production", "embedded", "patroni", "http", "tcp", "a", "a/b", "5s", "", "${X}", "a b", "Tue"]
)
LEAVES = WORDS | st.integers() | st.floats() | st.booleans() | st.just(dt.time(1)) | st.just([]) | st.just({})


def table(kind, **nested):
    """Tables of this kind, with right, wrong, missing and unknown settings."""
    settings = {key: nested.get(key, LEAVES) | LEAVES for key in kind.settings()}
    return st.fixed_dictionaries({}, optional={**settings, "unknown": LEAVES})


def named(entries):
    """Tables of tables."""
    return st.dictionaries(st.sampled_from(["a", "b", "a b", ""]), entries, max_size=2)


CLUSTERS = table(
    ClusterTable,
    nodes=st.lists(table(NodeTable) | LEAVES, max_size=3),
    services=st.lists(table(ServiceTable, status=st.lists(LEAVES, max_size=2)), max_size=2),
    gates=table(GatesTable),
    allow=st.lists(LEAVES, max_size=2),
    windows=st.lists(LEAVES, max_size=2),
)
DOCUMENTS = table(InventoryTable, environments=named(table(EnvironmentTable, clusters=named(CLUSTERS))))


@given(DOCUMENTS)
def test_any_document_is_valid_or_every_fault_is_a_sentence(document):
    """No crash, no pydantic word, no line without file and end; without faults there are tables."""
    tables, found = validate(document, document)
    faults = lines([*found, *check(document, document)], document, "harehearse.toml")
    assert tables is not None or faults
    for line in faults:
        assert line.startswith("harehearse.toml: ")
        assert line.endswith((".", "?"))
        assert not any(jargon in line for jargon in ("pydantic", "Input should", "[type=", "None", "not valid here"))
