# SPDX-License-Identifier: MIT
"""Properties of the whole measurement: more attempts only narrow the bounds, and merging is associative."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.probes.attempts import Attempt, Outcome
from pytest_harehearse.probes.interruption import merge, outages, slow_spans, total
from pytest_harehearse.probes.measurement import measure

EVERY = 0.02


def meter(
    random: Random, until: float, down: tuple[float, float], *, most: int = 200, slowest: float = 0.06
) -> list[Attempt]:
    """Ask at random instants a service that is down in one span; each answer is decided at an instant within its ask."""
    attempts = []
    for n in range(random.randint(1, most)):
        sent = random.uniform(0, until)
        took = random.choice([0.01, 0.2, 1]) * slowest * random.random()
        failed = down[0] <= sent + random.random() * took < down[1]
        outcome = random.choice([Outcome.REFUSED, Outcome.TIMEOUT, Outcome.STALE]) if failed else Outcome.OK
        attempts.append(Attempt(n, sent, sent, sent + took, outcome))
    return attempts


seeds = st.integers(0, 2**32)


@given(seeds, st.floats(1, 4), st.floats(0.3, 3))
def test_bounds_are_monotone_in_the_attempts(seed, start, length):
    """Whatever is asked more of the same service, the bounds of its one interruption only come closer, around the truth.

    For asks that take no time. A failure that takes long while others succeed may be of an interruption of its own, and
    then counts as one: the upper bound must hold for a flapping service too.
    """
    random = Random(seed)
    few = meter(random, 8, (start, start + length), slowest=0.0)
    more = [*few, *meter(random, 8, (start, start + length), slowest=0.0)]
    lower, upper = total(outages(few))
    closer_lower, closer_upper = total(outages(more))
    assert lower - 1e-9 <= closer_lower <= length + 1e-9
    if upper is not None and any(a.outcome.down for a in few):
        assert closer_upper is not None
        assert length - 1e-9 <= closer_upper <= upper + 1e-9


@given(seeds, st.floats(1, 4), st.floats(0.3, 3), st.floats(0, 8), st.floats(0, 1))
def test_a_failure_more_never_lowers_the_lower_bound(seed, start, length, sent, took):
    """More evidence of not being served can only raise what was lost at least."""
    attempts = meter(Random(seed), 8, (start, start + length))
    more = [*attempts, Attempt(999, sent, sent, sent + took, Outcome.TIMEOUT)]
    assert total(outages(more))[0] >= total(outages(attempts))[0] - 1e-9


@given(seeds, st.floats(1, 4), st.floats(0.02, 3))
def test_merging_is_associative_and_commutative(seed, start, length):
    """Three meters of one service give the same measurement, whichever two are merged first."""
    random = Random(seed)
    a, b, c = (meter(random, 8, (start, start + length), most=40) for _ in range(3))
    assert merge(merge(a, b), c) == merge(a, merge(b, c)) == merge(c, b, a)
    assert measure(merge(merge(a, b), c), every=EVERY) == measure(merge(a, merge(c, b)), every=EVERY)


@given(seeds, st.lists(st.tuples(st.sampled_from(["up", "slow", "down"]), st.floats(0.2, 1)), min_size=3, max_size=8))
def test_slow_time_is_apart_from_time_not_served(seed, phases):
    """For any script of up, slow and down: each kind of time lies within its own bounds."""
    random = Random(seed)
    phases = [("up", 0.3), *phases, ("up", 0.3)]
    truth, edges, t = {"up": 0.0, "slow": 0.0, "down": 0.0}, [], 0.0
    for state, length in phases:
        truth[state] += length
        edges.append((t, t + length, state))
        t += length
    took = {"up": 0.001, "slow": 0.04, "down": 0.0005}
    outcome = {"up": Outcome.OK, "slow": Outcome.SLOW, "down": Outcome.REFUSED}
    attempts = []
    for n in range(int((t - 0.05) / EVERY)):
        sent = n * EVERY + random.uniform(0, 0.002)
        state = next(s for a, b, s in edges if a <= sent < b)
        attempts.append(Attempt(n, sent, sent, sent + took[state], outcome[state]))
    for kind, found in (("down", outages(attempts)), ("slow", slow_spans(attempts))):
        lower, upper = total(found)
        assert lower - 1e-9 <= truth[kind]
        assert upper is not None
        assert truth[kind] <= upper + 1e-9
        assert upper - lower <= max(1, len(found)) * (2 * 1.1 * EVERY + 0.1)
