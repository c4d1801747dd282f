# SPDX-License-Identifier: MIT
"""What the marks say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse import options
from pytest_harehearse.errors import ConfigError
from pytest_harehearse.rehearsal import marks

OFFER = {"cluster": "lab/web", "nodes": 2, "manager": "patroni", "fencing": False, "capabilities": ["b", "a"]}
ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text() | st.integers())


def said(what):
    """The result, or the text of the error."""
    try:
        return what()
    except ConfigError as error:
        return str(error)


def test_limits_are_seconds_and_counts():
    """Texts, timedeltas and a count."""
    said = {"interruption": "200ms", "lost_writes": 3, "redundancy": timedelta(minutes=2)}
    assert marks.limits([((), said)]) == {"interruption": 0.2, "lost_writes": 3.0, "redundancy": 120.0}


def test_the_nearest_mark_wins_key_by_key():
    """What it does not say is taken from the next."""
    near, far = ((), {"interruption": "1s"}), ((), {"interruption": "2s", "redundancy": "3s"})
    assert marks.limits([near, far]) == {"interruption": 1.0, "redundancy": 3.0}
    assert marks.limits([]) == {}


@pytest.mark.parametrize("value", [True, -1, 1.5, "0", None])
def test_lost_writes_is_a_count(value):
    """And nothing that could be taken for one."""
    with pytest.raises(ConfigError, match="a count of writes is wanted, as in lost_writes=0"):
        marks.limits([((), {"lost_writes": value})])


def test_the_texts_that_pytest_shows_name_every_keyword():
    """``pytest --markers`` and the checks agree."""
    for name in ("interruption", "lost_writes", "redundancy"):
        assert f"{name}=" in options.REHEARSAL
    for name in ("nodes", "manager", "fencing", "capability"):
        assert f"{name}=" in options.NEEDS


@pytest.mark.parametrize(
    ("needs", "reason"),
    [
        ({}, None),
        ({"nodes": 2, "manager": "patroni", "fencing": False, "capability": "a"}, None),
        ({"manager": ("galera", "patroni"), "capability": ["a", "b"]}, None),
        ({"nodes": 3}, "needs 3 nodes: lab/web has 2"),
        ({"manager": ["x", "y"]}, "needs manager x or y: lab/web is run by patroni"),
        ({"fencing": True}, "needs fencing: lab/web has none"),
        ({"capability": ["a", "c"]}, "needs c: lab/web can do a, b"),
    ],
)
def test_what_is_lacking(needs, reason):
    """The first thing, as a reason to skip."""
    assert marks.unmet([((), needs)], **OFFER) == reason


def test_a_cluster_that_can_do_nothing():
    """Reads as a sentence too."""
    offer = {**OFFER, "capabilities": []}
    assert marks.unmet([((), {"capability": "a"})], **offer) == "needs a: lab/web can do nothing of the kind"


def test_every_mark_is_asked():
    """Not only the nearest."""
    assert marks.unmet([((), {"nodes": 1}), ((), {"nodes": 9})], **OFFER) == "needs 9 nodes: lab/web has 2"


@given(name=st.sampled_from(["interruption", "lost_writes", "redundancy"]), value=ANYTHING)
def test_whatever_is_written_as_a_limit_is_a_number_or_an_error_that_shows_it(name, value):
    """Never another exception."""
    found = said(lambda: marks.limits([((), {name: value})])[name])
    assert found >= 0 if isinstance(found, float) else found.startswith(f"rehearsal({name}={value!r}): ")


@given(name=st.sampled_from(["nodes", "manager", "fencing", "capability"]), value=ANYTHING)
def test_whatever_is_written_as_a_need_is_understood_or_an_error_that_shows_it(name, value):
    """Never another exception."""
    found = said(lambda: marks.unmet([((), {name: value})], **OFFER))
    assert found is None or found.startswith(("needs ", f"needs({name}={value!r}): "))


@given(name=st.text(), mark=st.sampled_from([marks.limits, lambda found: marks.unmet(found, **OFFER)]))
def test_an_unknown_keyword_is_always_an_error(name, mark):
    """A misspelt limit must not be one that is not judged."""
    known = {"interruption", "lost_writes", "redundancy", "nodes", "manager", "fencing", "capability"}
    if name not in known:
        with pytest.raises(ConfigError, match="has no keyword"):
            mark([((), {name: "1s"})])
