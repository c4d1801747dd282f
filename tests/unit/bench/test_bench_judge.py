# SPDX-License-Identifier: MIT
"""The benches' judgement: an error of the meter is seen, and a right answer is not held against it."""

import dataclasses

import pytest
from tests.bench.judge import judge, judge_target, phantoms
from tests.bench.truth import Span, Truth

from pytest_harehearse.probes.attempts import Attempt, AttemptsFile, Outcome

TRUTH = Truth(0, "a", "refuse", (Span(10.0, 10.0001, 11.0, 11.0001),))


def measured(*downs, outcome=Outcome.REFUSED, begin=9.0, end=12.5, every=0.01):
    """Return a measurement that failed exactly within these spans."""
    attempts = []
    for n in range(round((end - begin) / every)):
        at = begin + n * every
        down = any(a <= at < b for a, b in downs)
        attempts.append(Attempt(n, at, at, at + 0.001, outcome if down else Outcome.OK))
    return AttemptsFile({"every": every}, tuple(attempts), ended=end, complete=True)


def test_a_right_answer_is_in_bounds():
    """Failures exactly while it was down: the bounds hold the truth and are two intervals wide."""
    verdict = judge(TRUTH, measured((10.0, 11.0)))
    assert verdict.in_bounds is True
    assert verdict.width == pytest.approx(0.022, abs=0.003)
    assert verdict.point == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("span", [(10.0, 11.1), (10.0, 10.9), (9.9, 11.0)])
def test_a_wrong_answer_is_out_of_bounds(span):
    """A tenth of a second too long or too short is found."""
    assert judge(TRUTH, measured(span)).in_bounds is False


def test_an_interruption_that_was_not_seen_is_out_of_bounds():
    """Nothing found is no excuse."""
    verdict = judge(TRUTH, measured())
    assert (verdict.in_bounds, verdict.upper) == (False, 0.0)


def test_what_is_unknown_counts_neither_for_nor_against():
    """Neither an uncertain truth nor a measurement that calls itself unknown has a share in the result."""
    uncertain = dataclasses.replace(TRUTH, uncertain="the server stalled")
    assert judge(uncertain, measured((10.0, 11.0))).in_bounds is None
    blind = dataclasses.replace(measured((10.0, 11.0)), stalls=((10.2, 10.9),))
    verdict = judge(TRUTH, blind)
    assert verdict.in_bounds is None
    assert "stalled" in verdict.unknown


def test_each_interruption_is_judged_by_its_own_attempts():
    """A neighbour's failures are not added to it."""
    second = Truth(1, "a", "refuse", (Span(11.5, 11.5001, 11.7, 11.7001),))
    verdicts = judge_target([second, TRUTH], measured((10.0, 11.0), (11.5, 11.7)))
    assert [verdict.in_bounds for verdict in verdicts] == [True, True]
    assert verdicts[1].upper == pytest.approx(0.21, abs=0.02)


def test_a_brown_out_must_be_told_failure_by_failure():
    """One failure more or fewer than the server decided is out of bounds, and so is an interruption elsewhere."""
    spans = (Span(10.0, 10.0001, 11.0, 11.0001),)
    seen = Truth(0, "a", "brown-out", spans, decisions=((10.1005, True), (10.2, False)))
    assert judge(seen, measured((10.095, 10.105), outcome=Outcome.WRONG)).in_bounds is True
    assert judge(seen, measured((10.095, 10.115), outcome=Outcome.WRONG)).in_bounds is False
    assert judge(seen, measured((11.495, 11.505), outcome=Outcome.WRONG)).in_bounds is False
    assert judge(dataclasses.replace(seen, decisions=()), measured()).in_bounds is True


def test_a_slow_service_is_not_called_interrupted():
    """Slow answers count as slow time with bounds of their own; one failure among them is a wrong answer."""
    slow = dataclasses.replace(TRUTH, shape="sluggish")
    assert judge(slow, measured((10.0, 11.0), outcome=Outcome.SLOW)).in_bounds is True
    assert judge(slow, measured((10.0, 11.0))).in_bounds is False


def test_phantoms_are_what_no_script_explains():
    """An interruption elsewhere is a phantom; one that touches a scripted one is not."""
    assert phantoms([TRUTH], measured((10.0, 11.0))) == []
    ((start, end),) = phantoms([TRUTH], measured((10.0, 11.0), (12.0, 12.1)))
    assert 11.9 < start < 12.1 <= end
