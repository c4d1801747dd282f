# SPDX-License-Identifier: MIT
"""Repeats at a random phase: how often, in which order, and how long is waited."""

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.rehearsal import phase

names = st.lists(st.sampled_from(["lab/a", "lab/b", "lab/c-1"]), unique=True)


@given(names, st.integers(1, 20))
def test_every_cluster_has_as_many_turns_and_each_has_its_own_id(clusters, repeats):
    found = phase.turns(clusters, repeats)
    assert [str(turn) for turn in found] == [name for name in clusters for _ in range(repeats)]
    assert len({turn.shown for turn in found}) == len(clusters) * repeats
    assert [(turn.number, turn.of) for turn in found] == (
        [(0, 0)] * len(clusters) if repeats == 1 else [(n, repeats) for _ in clusters for n in range(1, repeats + 1)]
    )


def test_a_turn_is_its_cluster_and_is_shown_with_its_number():
    turn = phase.Turn("lab/web", 2, 5)
    assert (turn == "lab/web", turn.shown, phase.Turn("lab/web").shown) == (True, "lab/web-2of5", "lab/web")
    assert {turn: 1}["lab/web"] == 1


@pytest.mark.parametrize(("text", "found"), [(None, 1), ("1", 1), ("5", 5), ("1000", 1000)])
def test_how_often(text, found):
    assert phase.times(text) == found


@pytest.mark.parametrize("text", ["0", "-1", "1001", "x", "", "1.5", "٣", "2 "])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ConfigError) as refused:
        phase.times(text)
    assert str(refused.value) == f"--harehearse-repeat {text}: write a whole number from 1 to 1000"


@given(st.text(), st.text())
def test_the_wait_is_within_the_period_and_the_same_for_the_same(seed, nodeid):
    found = phase.wait(seed, nodeid)
    assert 0.0 <= found <= phase.PERIOD_S
    assert phase.wait(seed, nodeid) == found


def test_waits_are_spread_over_the_whole_period():
    found = sorted(phase.wait("2026w48", f"t.py::t[lab/web-{n}of200]") for n in range(200))
    assert found[10] < 1.5
    assert found[-10] > 8.5
    assert max(b - a for a, b in itertools.pairwise(found)) < 1.0


def test_another_week_is_another_seed():
    assert phase.week(datetime(2026, 11, 23, tzinfo=UTC)) == "2026w48"
    assert phase.week(datetime(2026, 1, 1, tzinfo=UTC)) == "2026w01"
    assert phase.wait("2026w48", "t") != phase.wait("2026w49", "t")
