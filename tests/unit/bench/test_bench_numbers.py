# SPDX-License-Identifier: MIT
"""The benches' own arithmetic: statistics, scripts, truth."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.script import DURATIONS, FLAP_GAP_S, durations, make, steps
from tests.bench.states import FLAPPING, State, allowed_width
from tests.bench.stats import quantile, share, spread
from tests.bench.table import markdown, ms
from tests.bench.truth import Span, doubt, read

COUNTS = dict.fromkeys(DURATIONS, 6)


def test_errors_count_by_their_size_and_the_worst_is_seen():
    """An error below the truth is as bad as one above it, and a single bad one is not averaged away."""
    found = spread([0.001, -0.003, 0.002, -0.5])
    assert (found.n, found.p50, found.p99, found.worst) == (4, 0.002, 0.5, 0.5)
    assert spread([]).p50 is None
    assert share([]) is None
    assert share([True, False]) == 0.5


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1.0))
def test_a_quantile_is_one_of_the_values_and_enough_are_not_above_it(values, part):
    """No value is made up between two measured ones, and at least the part named lies at or below it."""
    ordered = sorted(values)
    found = quantile(ordered, part)
    assert found in values
    assert sum(value <= found for value in ordered) >= part * len(ordered) - 1e-9


@given(st.integers(0, 1000))
def test_interruptions_of_a_target_never_touch(seed):
    """Between two interruptions of a target there is always the gap asked for, so each can be told apart."""
    script = make(["a", "b"], COUNTS, seed=seed, gap=(0.4, 0.9), longest=2.0)
    assert len(script) == sum(COUNTS.values())
    for target in ("a", "b"):
        its = [episode for episode in script if episode.target == target]
        assert all(later.spans[0][0] - earlier.end >= 0.4 for earlier, later in pairwise(its))


@given(st.sampled_from(sorted(DURATIONS)), st.integers(1, 50), st.integers(0, 1000))
def test_durations_cover_the_whole_range(shape, count, seed):
    """Short and long interruptions are equally likely on the logarithm: one from each equal part of it."""
    low, high = DURATIONS[shape]
    found = sorted(durations(shape, count, random.Random(seed)))
    edges = [low * (high / low) ** (n / count) for n in range(count + 1)]
    for value, lower, upper in zip(found, edges[:-1], edges[1:], strict=True):
        assert lower * 0.999999 <= value <= upper * 1.000001


def test_the_same_seed_makes_the_same_script():
    """A run can be repeated."""
    assert make(["a"], COUNTS, seed=7, gap=(1, 2)) == make(["a"], COUNTS, seed=7, gap=(1, 2))
    assert make(["a"], COUNTS, seed=7, gap=(1, 2)) != make(["a"], COUNTS, seed=8, gap=(1, 2))


def test_flapping_is_several_refusals_with_time_to_be_seen_up_between():
    """Its steps are refuse and ok in turn, and no two refusals are closer than an attempt can tell."""
    (episode,) = make(["a"], {FLAPPING: 1}, seed=3, gap=(1, 2))
    told = steps([episode])["a"]
    assert len(episode.spans) >= 2
    assert [state for _, state, _ in told] == [State.REFUSE, State.OK] * len(episode.spans)
    ups = [later[0] - earlier[1] for earlier, later in pairwise(episode.spans)]
    assert all(up >= FLAP_GAP_S[0] for up in ups)


def test_what_does_not_fit_is_left_out():
    """No interruption ends after the run."""
    script = make(["a"], COUNTS, seed=1, gap=(2, 3), until=20.0)
    assert 0 < len(script) < sum(COUNTS.values())
    assert all(episode.end <= 20.0 for episode in script)


def test_silence_may_cost_one_timeout_more_than_a_refusal():
    """The limits of the table are those of the requirement; a brown-out has none."""
    assert allowed_width("refuse", 0.01, 0.03) == pytest.approx(0.025)
    assert allowed_width("black-hole", 0.01, 0.03) == pytest.approx(0.05)
    assert allowed_width("brown-out", 0.01, 0.03) is None


def _edges(label, begin, end, took=0.0001):
    return [
        {"label": label, "before": begin, "after": begin + took},
        {"label": label, "before": end, "after": end + took},
    ]


def test_truth_is_an_interval_between_the_switches():
    """What happened within a switch is neither counted as surely down nor as surely up."""
    script = make(["a"], {"refuse": 1}, seed=1, gap=(1, 2))
    said = {"edges": _edges(0, 10.0, 11.0), "stalls": [], "decisions": {}}
    (truth,) = read(script, said, interval=0.01, timeout=0.03)
    assert truth.shortest == pytest.approx(0.9999)
    assert truth.longest == pytest.approx(1.0001)
    assert truth.uncertain is None


@pytest.mark.parametrize(
    ("stalls", "took", "used"),
    [
        ([], 0.0001, True),
        ([], 0.002, False),
        ([(10.02, 10.03)], 0.0001, False),
        ([(10.5, 10.508)], 0.0001, True),
        ([(10.5, 10.52)], 0.0001, False),
        ([(12.0, 12.1)], 0.0001, True),
    ],
)
def test_an_interruption_is_set_aside_only_when_its_truth_is_not_certain(stalls, took, used):
    """Slow switches, stalls at a switch and long ones beside it count; a short stall amid a long outage does not."""
    reason = doubt([Span(10.0, 10.0 + took, 11.0, 11.0001)], stalls, 0.04, 0.03)
    assert (reason is None) == used


def test_a_script_that_was_not_played_to_its_end_is_an_error():
    """Missing switches are never read as a short interruption."""
    script = make(["a"], {"refuse": 1}, seed=1, gap=(1, 2))
    said = {"edges": _edges(0, 10.0, 11.0)[:1], "stalls": [], "decisions": {}}
    with pytest.raises(ValueError, match="1 switches instead of 2"):
        read(script, said, interval=0.01, timeout=0.03)


def test_a_table_shows_none_as_a_dash():
    """What is not known is no zero."""
    assert ms(None) == "–"
    assert ms(0.00123) == "1.23 ms"
    assert markdown(["a", "b"], [["x", 1]]).splitlines() == ["| a | b |", "|---|--:|", "| x | 1 |"]
