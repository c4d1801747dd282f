# SPDX-License-Identifier: MIT
"""Limits beside measurements: the upper bound judges, and what is not known never passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import LimitExceeded, NotMeasured
from pytest_harehearse.probes.interruption import Outage
from pytest_harehearse.probes.measurement import Measurement
from pytest_harehearse.rehearsal.limits import DualSeen, Measured, Redundancy, describe, interruption, judge, raise_for
from pytest_harehearse.rehearsal.verdict import Verdict, worst

SECONDS = st.floats(0, 1000, allow_nan=False)


def measurement(lower=0.0, upper=0.0, *, count=1, valid=True, reason=None) -> Measurement:
    outages = tuple(Outage(0.0, 1.0, lower / count, None if upper is None else upper / count) for _ in range(count))
    return Measurement(100, 0, valid, reason, outages, lower, upper, {})


def measured(lower=0.0, upper=0.0, *, budget=None, lost=None, problem=None, **more) -> Measured:
    return Measured("page", measurement(lower, upper, **more), budget, lost, problem)


def only(limits, found=(), redundancy=None):
    [limit] = judge(limits, found, redundancy)
    return limit


@pytest.mark.parametrize(
    ("one", "verdict", "evidence"),
    [
        (measured(), "passed", "1 interruption in 100 attempts"),
        (measured(1.0, 2.0), "passed", "1 interruption in 100 attempts"),
        (measured(1.0, 2.0, count=2), "passed", "2 interruptions in 100 attempts"),
        (
            measured(1.0, 2.5),
            "failed",
            "1 interruption in 100 attempts; 500 ms over the limit, only the lower bound is within it",
        ),
        (
            measured(3.0, 4.0),
            "failed",
            "1 interruption in 100 attempts; 2.00 s over the limit, even the lower bound is over it",
        ),
        (
            measured(0.5, None),
            "failed",
            "1 interruption in 100 attempts; its beginning or end was not seen, so it was at least 500 ms",
        ),
        (measured(valid=False, reason="the runner stalled for 3 s"), "unknown", "the runner stalled for 3 s"),
        (measured(valid=False), "unknown", "not soundly measured"),
    ],
)
def test_an_interruption_beside_its_limit(one, verdict, evidence):
    """Each verdict, each sentence."""
    limit = only({"interruption": 2.0}, [one])
    assert (limit.verdict.value, limit.evidence, limit.name) == (verdict, evidence, "interruption of page")


def test_a_service_that_was_never_interrupted_passes():
    """Nought is within every limit."""
    found = Measured("page", Measurement(100, 0, True, None, (), 0.0, 0.0, {}))
    limit = only({"interruption": 0.0}, [found])
    assert (limit.verdict, limit.evidence) == (Verdict.PASSED, "0 interruptions in 100 attempts")


def test_the_mark_overrides_the_budget_of_the_service():
    """And without a mark the budget judges; without either, nothing."""
    one = measured(1.0, 2.0, budget=1.5)
    assert only({}, [one]).verdict is Verdict.FAILED
    assert only({"interruption": 3.0}, [one]).verdict is Verdict.PASSED
    assert judge({}, [measured(1.0, 2.0)], None) == ()


def test_every_service_of_every_watch_is_judged():
    """The worst one fails the rehearsal."""
    found = judge({"interruption": 1.0}, [measured(0.1, 0.2), measured(5.0, 6.0)], None)
    assert [one.verdict for one in found] == [Verdict.PASSED, Verdict.FAILED]


def test_nothing_was_watched():
    """A limit that nobody measured is unknown."""
    limit = only({"interruption": 1.0})
    assert (limit.verdict, limit.evidence) == (Verdict.UNKNOWN, "no service was watched, so it is not known")


@pytest.mark.parametrize(
    ("found", "limit", "verdict", "evidence"),
    [
        ([measured(lost=0)], 0, "passed", "every numbered write was looked up afterwards"),
        ([measured(lost=1), measured(lost=2)], 3, "passed", "every numbered write was looked up afterwards"),
        ([measured(lost=1), measured(lost=2)], 2, "failed", "every numbered write was looked up afterwards"),
        ([measured()], 0, "unknown", "no service that writes was watched, so it is not known"),
        ([], 0, "unknown", "no service that writes was watched, so it is not known"),
        (
            [measured(lost=0), measured(lost=0, problem="the table is gone")],
            0,
            "unknown",
            "the writes could not be looked up: the table is gone",
        ),
    ],
)
def test_lost_writes_beside_their_limit(found, limit, verdict, evidence):
    """The sum of all services; unknown when one could not be looked up."""
    judged = only({"lost_writes": float(limit)}, found)
    assert (judged.verdict.value, judged.evidence) == (verdict, evidence)


@pytest.mark.parametrize(
    ("seen", "verdict", "evidence"),
    [
        (None, "unknown", "nothing was done to the cluster, or nobody looked afterwards"),
        (Redundancy(None, 3.0), "unknown", "not yet after 3.00 s"),
        (Redundancy(None, 10.0), "failed", "not yet after 10.00 s"),
        (Redundancy(10.0, 11.0), "passed", "from the first action until every node was in sync"),
        (Redundancy(10.1, 11.0), "failed", "from the first action until every node was in sync"),
    ],
)
def test_redundancy_beside_its_limit(seen, verdict, evidence):
    """Not seen is unknown before the limit, and failed after it."""
    judged = only({"redundancy": 10.0}, (), seen)
    assert (judged.verdict.value, judged.evidence) == (verdict, evidence)


@given(lower=SECONDS, more=SECONDS, limit=SECONDS)
def test_only_the_upper_bound_passes(lower, more, limit):
    """Passed exactly when even the upper bound is within the limit."""
    judged = interruption(measured(lower, lower + more), limit)
    assert (judged.verdict is Verdict.PASSED) == (lower + more <= limit)


@given(lower=SECONDS, limit=SECONDS)
def test_what_is_open_or_unsound_never_passes(lower, limit):
    """However wide the limit is."""
    assert interruption(measured(lower, None), limit).verdict is Verdict.FAILED
    assert interruption(measured(lower, lower, valid=False), limit).verdict is Verdict.UNKNOWN


@given(
    st.lists(
        st.builds(
            measured, SECONDS, st.none(), lost=st.none() | st.integers(0, 3), problem=st.none() | st.just("no answer"),
            valid=st.booleans(),
        ),
        max_size=3,
    ),
    st.none() | st.builds(Redundancy, st.none() | SECONDS, SECONDS),
)  # fmt: skip
def test_the_error_names_every_limit_that_did_not_pass(found, redundancy):
    """Failed wins over unknown; each limit is one line."""
    limits = judge({"interruption": 1.0, "lost_writes": 0.0, "redundancy": 10.0}, found, redundancy)
    bad = [one for one in limits if one.verdict is not Verdict.PASSED]
    verdict = worst([one.verdict for one in limits])
    if verdict is Verdict.PASSED:
        raise_for(limits)
        return
    with pytest.raises(LimitExceeded if verdict is Verdict.FAILED else NotMeasured) as caught:
        raise_for(limits)
    assert str(caught.value).split(";\n") == [describe(one) for one in bad]


@pytest.mark.parametrize(
    ("limits", "found", "redundancy", "sentence"),
    [
        (
            {"interruption": 1.0},
            [measured(2.0, 3.0)],
            None,
            (
                "interruption of page: 3.00 s (at least 2.00 s), limit 1.00 s; 1 interruption in 100 attempts; 2.00 s over "
                "the limit, even the lower bound is over it"
            ),
        ),
        (
            {"interruption": 1.0},
            [measured(2.0, None)],
            None,
            (
                "interruption of page: at least 2.00 s, limit 1.00 s; 1 interruption in 100 attempts; its beginning or end "
                "was not seen, so it was at least 2.00 s"
            ),
        ),
        (
            {"lost_writes": 0.0},
            [measured(lost=2)],
            None,
            "acknowledged writes lost: 2, over the limit of 0; every numbered write was looked up afterwards",
        ),
        (
            {"lost_writes": 0.0},
            [],
            None,
            (
                "acknowledged writes lost: unknown (limit 0), because no service that writes was watched, so it is not "
                "known"
            ),
        ),
        (
            {"redundancy": 10.0},
            [],
            Redundancy(12.0, 12.0),
            "redundancy back: 12.00 s, limit 10.00 s; from the first action until every node was in sync",
        ),
        (
            {"redundancy": 10.0},
            [],
            Redundancy(None, 12.0),
            "redundancy back: at least 12.00 s, limit 10.00 s; not yet after 12.00 s",
        ),
    ],
)
def test_the_sentence_of_a_limit(limits, found, redundancy, sentence):
    """As it stands in pytest's output."""
    assert describe(only(limits, found, redundancy)) == sentence


@pytest.mark.parametrize(
    ("dual", "verdict", "text"),
    [
        (DualSeen(), Verdict.PASSED, None),
        (
            DualSeen(0.5, 0.9),
            Verdict.FAILED,
            "two nodes active at once: 900 ms (at least 500 ms), limit 0 s; by the nodes' own word",
        ),
        (
            DualSeen(problem="n2 cannot be asked: no"),
            Verdict.UNKNOWN,
            "two nodes active at once: unknown (limit 0 s), because n2 cannot be asked: no",
        ),
        (None, Verdict.UNKNOWN, "two nodes active at once: unknown (limit 0 s), because no service was watched"),
    ],
)
def test_two_actives(dual, verdict, text):
    """Judged by the upper bound; what was not asked is unknown, never nought."""
    [limit] = judge({"dual_active": 0.0}, [], None, dual)
    assert limit.verdict is verdict
    assert text is None or describe(limit) == text


@pytest.mark.parametrize("found", [(), [measured()], [measured(0.0, 9.0), measured(valid=False)]])
def test_a_cluster_that_is_not_written_to_loses_no_writes(found):
    """Whatever was watched: that is known, and it is nought."""
    [limit] = judge({"lost_writes": 0.0}, found, None, writes=False)
    assert (limit.verdict, limit.lower, limit.upper, limit.unit) == (Verdict.PASSED, 0.0, 0.0, "writes")
    assert limit.evidence == "no service of this cluster is written to, so none could be lost"
    raise_for((limit,))


def test_without_writes_the_other_limits_are_judged_as_ever():
    """Only lost writes are settled by it."""
    found = judge({"interruption": 1.0, "lost_writes": 0.0, "redundancy": 5.0}, [], None, writes=False)
    assert [one.verdict for one in found] == [Verdict.UNKNOWN, Verdict.PASSED, Verdict.UNKNOWN]
    assert judge({}, [], None, writes=False) == ()
