# SPDX-License-Identifier: MIT
"""The interruption algebra keeps its promise: the truth lies within the bounds."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.probes.attempts import Attempt, Outcome
from pytest_harehearse.probes.interruption import outages, total
from pytest_harehearse.probes.measurement import measure

EVERY = 0.02
SLOWEST = 0.06
#: A span this long holds at least one whole attempt, so that no change of state goes unseen.
VISIBLE = 1.1 * EVERY + SLOWEST + 0.001
FAILURES = [o for o in Outcome if o.down]
NO_EVIDENCE = [o for o in Outcome if not o.up and not o.down]


def attempt(n: int, sent: float, done: float, outcome: Outcome) -> Attempt:
    return Attempt(n, sent, sent, done, outcome)


def ok(sent: float, done: float | None = None, n: int = 0) -> Attempt:
    return attempt(n, sent, sent if done is None else done, Outcome.OK)


def bad(sent: float, done: float | None = None, outcome: Outcome = Outcome.REFUSED, n: int = 0) -> Attempt:
    return attempt(n, sent, sent if done is None else done, outcome)


@st.composite
def scripted(draw: st.DrawFn, *, open_end: bool = False) -> tuple[list[Attempt], float, int]:
    """A scripted service (up, down, up …) and attempts whose answer was decided at some instant within each."""
    count = draw(st.integers(1, 4))
    lengths = draw(st.lists(st.floats(VISIBLE, 1.0), min_size=2 * count + 1, max_size=2 * count + 1))
    if open_end:
        lengths.pop()
    edges = [0.0]
    for length in lengths:
        edges.append(edges[-1] + length)
    down = [(a, b) for index, (a, b) in enumerate(pairwise(edges)) if index % 2]
    random = draw(st.randoms(use_true_random=False))
    attempts = []
    n = 0
    while (sent := n * EVERY + random.uniform(0, 0.1 * EVERY)) + SLOWEST < edges[-1]:
        took = random.choice([0.0001, 0.003, SLOWEST]) * random.random()
        decided = sent + random.random() * took
        failed = any(a <= decided < b for a, b in down)
        attempts.append(attempt(n, sent, sent + took, random.choice(FAILURES) if failed else Outcome.OK))
        n += 1
    return attempts, sum(b - a for a, b in down), count


arbitrary = st.lists(
    st.builds(
        lambda n, sent, took, outcome: attempt(n, sent, sent + took, outcome),
        st.integers(0, 50),
        st.floats(0, 10),
        st.floats(0, 3),
        st.sampled_from(list(Outcome)),
    ),
    max_size=12,
)


@given(scripted())
def test_truth_lies_within_the_bounds(case):
    """Whatever the script, the true seconds lie between the total bounds."""
    attempts, truth, count = case
    lower, upper = total(outages(attempts))
    assert upper is not None
    assert lower - 1e-9 <= truth <= upper + 1e-9
    assert upper - lower <= count * (2 * 1.1 * EVERY + 4 * SLOWEST)


@given(scripted(open_end=True))
def test_an_end_that_was_not_seen_leaves_no_upper_bound(case):
    """A service that is still down at the end was interrupted at least the lower bound."""
    attempts, truth, _ = case
    found = outages(attempts)
    assert found[-1].open_end
    assert found[-1].upper is None
    lower, upper = total(found)
    assert upper is None
    assert lower <= truth + 1e-9


@given(arbitrary, st.floats(0, 10), st.floats(0, 3))
def test_a_success_more_never_raises_the_upper_bound(attempts, sent, took):
    """More evidence of being up can only narrow what may have been an interruption."""
    before = total(outages(attempts))[1]
    after = total(outages([*attempts, ok(sent, sent + took, n=99)]))[1]
    if any(a.outcome.down for a in attempts):
        infinite = float("inf")
        assert (infinite if after is None else after) <= (infinite if before is None else before) + 1e-9


@given(arbitrary)
def test_bounds_are_ordered(attempts):
    """No lower bound is negative or above its upper one, nor is their total."""
    found = outages(attempts)
    for outage in found:
        assert outage.lower >= 0
        assert outage.upper is None or outage.upper >= outage.lower - 1e-9
        assert (outage.upper is None) == (outage.open_start or outage.open_end)
    lower, upper = total(found)
    assert upper is None or lower <= upper + 1e-9


@given(arbitrary, st.lists(st.tuples(st.floats(0, 10), st.sampled_from(NO_EVIDENCE)), max_size=5))
def test_attempts_without_evidence_change_nothing(attempts, more):
    """Not sent, unknown and misconfigured neither begin nor end an interruption."""
    added = [attempt(100 + n, sent, sent + 1, outcome) for n, (sent, outcome) in enumerate(more)]
    assert outages([*attempts, *added]) == outages(attempts)


@given(arbitrary, st.randoms(use_true_random=False))
def test_the_order_of_recording_does_not_matter(attempts, random):
    """Attempts are recorded as they end; only when they were sent counts."""
    numbered = [attempt(n, a.sent, a.done, a.outcome) for n, a in enumerate(attempts)]
    shuffled = list(numbered)
    random.shuffle(shuffled)
    assert outages(shuffled) == outages(numbered)


def test_the_bounds_of_one_interruption():
    """Upper: first end of a success after minus last sending before; lower: between the failures themselves."""
    (outage,) = outages([ok(0, 0.01), ok(1, 1.01), bad(2, 2.3), bad(3, 3.1), bad(4, 4.2), ok(5, 5.02), ok(5.01, 5.011)])
    assert outage.start == 1
    assert outage.end == 5.011
    assert outage.lower == pytest.approx(4 - 2.3)
    assert outage.upper == pytest.approx(5.011 - 1)
    assert outage.errors == {"refused": 3}


def test_one_failure_has_no_lower_bound():
    """A single failure proves an instant, not a length."""
    (outage,) = outages([ok(0), bad(1, 1.06), ok(2, 2.001)])
    assert (outage.lower, outage.upper) == (0.0, 2.001)


def test_down_from_the_beginning_has_no_upper_bound():
    """Nobody saw when it began."""
    (outage,) = outages([bad(1), bad(2), ok(3)])
    assert (outage.open_start, outage.open_end, outage.start, outage.end, outage.upper) == (True, False, 1, 3, None)
    assert outage.lower == 1


def test_windows_that_overlap_count_once():
    """Two interruptions with one success between them cannot last longer than the span around both."""
    found = outages([ok(0), bad(1), ok(2, 4), bad(3), ok(5)])
    assert [(o.start, o.end) for o in found] == [(0, 4), (2, 5)]
    assert total(found) == (0.0, 5.0)


def test_nothing_seen_is_no_interruption():
    """Successes alone make none; the total of none is nought."""
    assert outages([ok(0), ok(1)]) == ()
    assert total(()) == (0.0, 0.0)


def served(count: int = 100, every: float = EVERY) -> list[Attempt]:
    return [ok(n * every, n * every + 0.001, n) for n in range(count)]


def test_a_healthy_service_is_measured_as_not_interrupted():
    """Successes all along: valid, no interruption, nought seconds."""
    found = measure(served(), every=EVERY)
    assert (found.valid, found.reason, found.interrupted, found.total_upper) == (True, None, False, 0.0)


def test_no_attempt_is_no_measurement():
    """No attempt at all is unknown, never nought."""
    found = measure([], every=EVERY)
    assert (found.valid, found.reason) == (False, "no attempt was made")


def test_never_answered_is_unknown_and_says_why():
    """A target that never answered was perhaps never there."""
    failed = [Attempt(n, n, n, n, Outcome.REFUSED, error="Connection refused") for n in range(3)]
    found = measure(failed, every=1)
    assert not found.valid
    assert found.reason == "it never answered (refused 3: Connection refused)"


def test_a_wrong_password_is_no_interruption():
    """A misconfigured probe is named as such."""
    wrong = Attempt(50, 1, 1, 1, Outcome.MISCONFIGURED, error="password authentication failed")
    found = measure([*served(), wrong], every=EVERY)
    assert found.outages == ()
    assert found.reason == "the probe is misconfigured, which is no interruption: password authentication failed"


def test_a_stalled_runner_makes_it_unknown_and_no_interruption():
    """What failed while the meter stood still is no evidence; the measurement says so."""
    hung = bad(1.0, 2.6, Outcome.TIMEOUT, n=50)
    attempts = [a for a in served(200) if not 1.0 <= a.sent < 2.6]
    found = measure([*attempts, hung], every=EVERY, stalls=[(1.0, 2.55)])
    assert found.outages == ()
    assert found.reason == ("the runner itself stalled for 1.55 s (1 time over 0.25 s), so nothing was asked meanwhile")


def test_a_refusal_during_a_stall_stays_a_failure():
    """No stall of the runner makes a service refuse."""
    found = measure([*served(50), bad(1.0, n=50), *served(200)[51:]], every=EVERY, stalls=[(0.95, 1.05)])
    assert (found.valid, len(found.outages)) == (True, 1)


def test_short_stalls_cannot_hide_a_black_hole():
    """When every timeout fell into some short stall, nothing is known of that time, and it says so."""
    attempts = [
        bad(n * EVERY, n * EVERY + 0.06, Outcome.TIMEOUT, n) if 50 <= n < 80 else ok(n * EVERY, n=n) for n in range(120)
    ]
    stalls = [(1.0 + k * 0.06, 1.03 + k * 0.06) for k in range(11)]
    found = measure(attempts, every=EVERY, stalls=stalls)
    assert found.outages == ()
    assert found.reason == "for 0.62 s no attempt told anything"


def test_what_could_not_be_sent_makes_it_unknown():
    """More than one in twenty left out is too many."""
    attempts = [
        Attempt(n, a.sent, a.sent, a.sent, Outcome.NOT_SENT) if n % 10 == 0 else a for n, a in enumerate(served())
    ]
    assert (
        measure(attempts, every=EVERY).reason
        == "10 of 100 attempts could not be sent on time: ask less often, or fewer services at once"
    )


def test_a_killed_meter_is_unknown():
    """Without its end line, what came after the last attempt is not known."""
    found = measure(served(), every=EVERY, complete=False)
    assert found.reason == "the meter did not end by itself, so what came after its last attempt is unknown"


def test_a_fault_of_ours_is_unknown_and_no_interruption():
    """An internal error leaves a span without evidence, named with its text."""
    attempts = [
        Attempt(n, a.due, a.sent, a.done, Outcome.UNKNOWN, error="internal: KeyError: 1") if 40 <= n < 60 else a
        for n, a in enumerate(served())
    ]
    found = measure(attempts, every=EVERY)
    assert found.outages == ()
    assert found.reason == "for 0.42 s no attempt told anything: internal: KeyError: 1"
