# SPDX-License-Identifier: MIT
"""Two actives: proved when it happened, never when it did not."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.probes.attempts import Attempt, Outcome, Write
from pytest_harehearse.probes.dual import Dual, DualActive, claimed, written

EVERY = 0.1


def ask(sent: float, outcome: Outcome = Outcome.OK, took: float = 0.01) -> Attempt:
    return Attempt(round(sent * 1000), sent, sent, sent + took, outcome)


def node(spans: list[tuple[float, float]], until: float, phase: float, random) -> list[Attempt]:
    """Ask a node every 0.1 s whether it is active, which it is in these spans."""
    asks = []
    sent = phase
    while sent < until:
        took = random.uniform(0.0005, 0.03)
        decided = sent + random.random() * took
        yes = any(a <= decided < b for a, b in spans)
        asks.append(ask(sent, Outcome.OK if yes else Outcome.READ_ONLY, took))
        sent += EVERY
    return asks


@given(st.floats(2.5, 5), st.floats(-2, 2), st.floats(0, 0.1), st.floats(0, 0.1), st.integers(0, 2**32))
def test_a_handover_with_a_gap_is_never_two_actives_and_a_long_overlap_always_is(gone, gap, a, b, seed):
    """One node ends at ``gone``, the other begins ``gap`` later (earlier when negative); the truth is the overlap."""
    until, random = 10.0, Random(seed)
    one = node([(0, gone)], until, a, random)
    other = node([(gone + gap, until)], until, b, random)
    found = DualActive.of(claimed({"n1": one, "n2": other}))
    truth = max(0.0, -gap)
    if truth == 0:
        assert found.total_seconds() == 0
        assert found.spans == ()
    if truth > 2 * EVERY + 0.1 and found.spans:
        assert found.lower <= truth + 1e-9 <= found.upper + 2e-6
    if truth > 2 * EVERY + 0.1:
        assert found.spans


def test_silence_is_no_answer():
    """A node that cannot be reached does not say yes, and its silence ends nothing for certain."""
    one = [ask(t / 10) for t in range(10)] + [ask(1 + t / 10, Outcome.TIMEOUT) for t in range(10)]
    other = [ask(t / 10 + 0.05, Outcome.REFUSED) for t in range(12)] + [ask(1.25 + t / 10) for t in range(5)]
    assert claimed({"n1": one, "n2": other}) == ()


def test_bounds_of_two_actives():
    """At least the sure overlap; at most between the answers "no" around it."""
    one = [ask(0, Outcome.READ_ONLY), ask(1), ask(2), ask(3), ask(4, Outcome.READ_ONLY)]
    other = [ask(1.5, Outcome.REFUSED), ask(2.5), ask(2.9), ask(3.5), ask(5, Outcome.READ_ONLY)]
    (found,) = claimed({"b": other, "a": one})
    assert found.nodes == ("a", "b")
    assert found.lower == pytest.approx(3 - 2.51)
    assert (found.start, found.end) == (1.5, 4.01)


def test_one_yes_within_the_others_span_is_proof():
    """A single answer is an instant, and the other node was active all around it."""
    one = [ask(t / 10) for t in range(10)]
    (found,) = claimed({"n1": one, "n2": [ask(0.44, Outcome.READ_ONLY), ask(0.55), ask(0.66, Outcome.READ_ONLY)]})
    assert (found.lower, found.start, found.end) == (0.0, 0.44, 0.67)


def test_writes_acknowledged_in_turns():
    """A, B, then at once A again: nobody switches over and back so quickly; a real switchover and back is no proof."""

    def ack(sent: float, by: str) -> Attempt:
        return Attempt(0, sent, sent, sent + 0.01, Outcome.OK, by, write=Write.ACKED)

    turns = [ack(0.0, "a"), ack(0.1, "b"), ack(0.2, "a"), ack(0.3, "b"), ack(5.0, "a")]
    assert DualActive.of(written(turns, 0.02)).total_seconds() == pytest.approx(0.31)
    assert written([ack(0.0, "a"), ack(0.1, "b"), ack(1.0, "a")], 0.02) == ()
    assert written([ack(0.0, "a"), ack(0.1, ""), ack(0.2, "a")], 0.02) == ()


def test_time_of_several_pairs_is_counted_once():
    """Three actives are no more time than two."""
    found = DualActive.of([Dual(("a", "b"), 0, 2, 1.5), Dual(("a", "c"), 1, 3, 0.5)])
    assert (found, found.upper, found.lower) == (timedelta(seconds=3), 3.0, 1.5)
    assert DualActive.of([]) == timedelta(0)
