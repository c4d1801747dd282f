# SPDX-License-Identifier: MIT
"""Judging numbered writes: acknowledged and gone is lost, whatever else happened."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.events import WritesAudited
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Attempt, Outcome, Write
from pytest_harehearse.probes.audit import Audit, audit, judge_writes


def writes(*fates: Write | None) -> list[Attempt]:
    """One attempt a second with these fates."""
    return [Attempt(n, n, n, n + 0.01, Outcome.OK, write=fate) for n, fate in enumerate(fates)]


fates = st.lists(st.none() | st.sampled_from(list(Write)), max_size=30)
counts = st.dictionaries(st.integers(0, 29), st.integers(0, 3))


@given(fates, counts)
def test_every_write_is_accounted_for(drawn, present):
    """Counts add up, lost are exactly the acknowledged ones that are absent, a hole needs a loss."""
    attempts = writes(*drawn)
    found = judge_writes(attempts, Counter(present))
    acked = {a.n for a in attempts if a.write is Write.ACKED}
    there = {n for n, count in present.items() if count}
    assert (found.acked, found.failed, found.unknown) == tuple(drawn.count(fate) for fate in Write)
    assert list(found.lost) == sorted(acked - there)
    assert found.unknown_present == len(there - acked)
    assert found.duplicates == sum(present.values()) - len(there)
    assert 0 <= found.largest_hole_s <= len(drawn)
    if not found.lost:
        assert found.largest_hole_s == 0.0


@given(fates, counts, st.integers(0, 29))
def test_a_row_more_never_makes_a_loss(drawn, present, number):
    """Finding a number can only shrink what was lost and the hole."""
    attempts = writes(*drawn)
    before = judge_writes(attempts, Counter(present))
    after = judge_writes(attempts, Counter(present) + Counter([number]))
    assert set(after.lost) <= set(before.lost)
    assert after.largest_hole_s <= before.largest_hole_s


A = Write.ACKED


@pytest.mark.parametrize(
    ("present", "lost", "hole"),
    [
        ({0, 1, 2, 3, 4, 5}, (), 0.0),
        ({0, 1, 4, 5}, (2, 3), 3.0),
        ({0, 2, 5}, (1, 3, 4), 3.0),
        ({4, 5}, (0, 1, 2, 3), 4.0),
        ({0, 1}, (2, 3, 4, 5), 4.0),
        (set(), (0, 1, 2, 3, 4, 5), 5.0),
    ],
)
def test_the_largest_hole(present, lost, hole):
    """From the last present acknowledged write before the lost ones to the first after them."""
    found = judge_writes(writes(A, A, A, A, A, A), Counter(present))
    assert (found.lost, found.largest_hole_s) == (lost, hole)


def test_failed_writes_make_no_hole():
    """Writes that were never acknowledged promise nothing."""
    found = judge_writes(writes(A, Write.FAILED, Write.UNKNOWN, A), Counter({0, 3}))
    assert (found.lost, found.largest_hole_s, found.unknown) == ((), 0.0, 1)


def test_the_fields_are_those_of_the_event():
    """An audit becomes an event without a translation."""
    names = {f.name for f in dataclasses.fields(Audit)}
    assert names == {f.name for f in dataclasses.fields(WritesAudited)} - {"t", "rehearsal", "service", "file"}


def test_an_audit_that_cannot_be_made_says_why():
    """Nobody there: a problem, no exception, and no loss is claimed."""
    service = Service("write", "postgresql", "postgresql://u:secret@127.0.0.1:1/db", "write")
    found = audit(service, "w", writes(A, A), deadline=0.1)
    assert (found.acked, found.lost) == (2, ())
    assert found.problem == (
        "the writes could not be looked up: no host of postgresql://u:***@127.0.0.1:1/db takes writes, "
        "waited at most 100 ms (127.0.0.1: Connection refused)"
    )
