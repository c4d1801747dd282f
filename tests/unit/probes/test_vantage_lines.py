# SPDX-License-Identifier: MIT
"""Lines of an attempts file from another machine come onto our axis, and nothing else of them changes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.probes.attempts import Attempt, Outcome, decode_attempt, encode_attempt
from pytest_harehearse.probes.vantage import Offset, shifted

times = st.floats(0, 1e7)


@given(st.integers(0, 10**9), times, times, times, st.sampled_from(Outcome), st.text(), st.text(), st.floats(-1e7, 1e7))
def test_an_attempt_is_moved_and_nothing_else(n, due, sent, done, outcome, by, error, offset):
    line = encode_attempt(Attempt(n, due, sent, done, outcome, by, error))
    moved = decode_attempt(json.loads(shifted(line, offset, **{"from": "branch"})))
    assert (moved.n, moved.outcome, moved.by, moved.error) == (n, outcome, by, error)
    for before, after in ((due, moved.due), (sent, moved.sent), (done, moved.done)):
        assert after == pytest.approx(before - offset, abs=2e-6)


@pytest.mark.parametrize(
    ("line", "moved"),
    [
        ({"name": "page", "began": 12.5, "every": 0.02}, {"name": "page", "began": 2.5, "every": 0.02, "from": "branch"}),
        ({"stall": [11.0, 12.0]}, {"stall": [1.0, 2.0]}),
        ({"control": [11.0, 12.0]}, {"control": [1.0, 2.0]}),
        ({"end": 20.25}, {"end": 10.25}),
        ({"suspended": 3.0}, {"suspended": 3.0}),
        ({"note": "é"}, {"note": "é"}),
    ],
)  # fmt: skip
def test_what_is_told_of_the_machine_is_moved(line, moved):
    assert json.loads(shifted(json.dumps(line), 10.0, **{"from": "branch"})) == moved


@pytest.mark.parametrize("line", ["", "{", "nothing"])
def test_what_is_no_line_is_refused(line):
    with pytest.raises(ValueError, match=r"Expecting"):
        shifted(line, 1.0)


@given(
    st.floats(-1e3, 1e3), st.floats(0, 1), st.floats(-1e-2, 1e-2), st.floats(0, 1), st.floats(0, 1), st.floats(-1, 1),
    st.floats(-1, 1),
)  # fmt: skip
def test_a_clock_that_drifts_is_within_what_is_said(true, first, drift, last, part, wrong, later_wrong):
    """Wherever between the two readings: the first offset is off by no more."""
    before = Offset(true + wrong * first, first)
    after = Offset(true + drift + later_wrong * last, last)
    assert abs(true + part * drift - before.seconds) <= before.through(after) + 1e-9
    assert before.through(after) >= first
