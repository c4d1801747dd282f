# SPDX-License-Identifier: MIT
"""The interruption as the user compares and reads it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pytest_harehearse.errors import NotMeasured
from pytest_harehearse.probes.attempts import Attempt, Outcome
from pytest_harehearse.probes.felt import Interruption
from pytest_harehearse.probes.interruption import outages, total
from pytest_harehearse.probes.measurement import Measurement, measure
from pytest_harehearse.units import DurationError


def felt(*states: tuple[float, bool], valid: bool = True) -> Interruption:
    """An interruption made of instant attempts: (time, served)."""
    attempts = [Attempt(n, t, t, t, Outcome.OK if up else Outcome.REFUSED) for n, (t, up) in enumerate(states)]
    found = outages(attempts)
    lower, upper = total(found)
    reason = None if valid else "the runner itself stalled"
    return Interruption("write", Measurement(len(attempts), 0, valid, reason, found, lower, upper, {}))


CLOSED = felt((0, True), (0.04, False), (6.06, False), (6.10, True))
OPEN_END = felt((0, True), (1, False), (3, False))
OPEN_START = felt((0, False), (2, False), (3, True))
NONE = felt((0, True), (1, True))
UNSOUND = felt((0, True), (1, True), valid=False)


def test_compares_by_the_upper_bound():
    """The verdict of a limit uses the upper bound, with text and timedelta alike."""
    assert (CLOSED.lower, CLOSED.upper, CLOSED.seconds) == (pytest.approx(6.02), 6.10, 6.10)
    assert not CLOSED <= "6.05s"
    assert not CLOSED < "6.1s"
    limit = timedelta(seconds=6.1)
    assert CLOSED <= limit  # noqa: SIM300
    assert CLOSED > "6050ms"
    assert CLOSED >= "6.1s"
    assert CLOSED == "6.1s"
    assert NONE == "0s"
    assert NONE <= "0s"


@pytest.mark.parametrize("interruption", [OPEN_END, OPEN_START])
def test_an_open_interruption_never_passes(interruption):
    """At least its lower bound: no limit is kept, however wide."""
    assert not interruption <= "7d"
    assert not interruption < "7d"
    assert interruption > "7d"
    assert interruption != "2s"


def test_what_was_not_measured_does_not_compare():
    """Unknown is never nought: every comparison raises."""
    for compare in ("__le__", "__lt__", "__ge__", "__gt__", "__eq__"):
        with pytest.raises(NotMeasured, match=r"^The interruption of write is unknown: the runner itself stalled\.$"):
            getattr(UNSOUND, compare)("5s")


def test_a_bare_number_is_an_error():
    """Seconds or milliseconds is not guessed."""
    with pytest.raises(DurationError, match=r"5 is not a duration; write a number and a unit"):
        CLOSED <= 5  # noqa: B015


def test_explains_a_broken_limit():
    """Both bounds and by how much the limit was exceeded."""
    assert CLOSED.explain("5s") == [
        "write was interrupted for 6.10 s at most (at least 6.02 s), 1.10 s over the limit of 5 s",
        "errors seen: refused 2",
    ]


def test_explains_a_limit_between_the_bounds():
    """Within the lower bound and over the upper: the upper counts, and it says so."""
    assert CLOSED.explain("6.05s")[0] == (
        "write was interrupted for 6.10 s at most (at least 6.02 s), 50 ms over the limit of 6.05 s by the upper bound, "
        "which counts; the lower one is within it"
    )


def test_explains_a_kept_limit():
    """Kept limits read plainly too."""
    assert CLOSED.explain("10s")[0].endswith("(at least 6.02 s), within the limit of 10 s")
    assert NONE.explain("10s") == ["write was not interrupted, within the limit of 10 s"]


def test_explains_an_open_end():
    """Not back when the watch ended: at least, never exactly."""
    assert OPEN_END.explain("5s")[0] == (
        "write was interrupted for at least 2.00 s and was still down when the watch ended; that it kept the limit of "
        "5 s was not seen"
    )
    assert OPEN_END.explain("500ms")[0].endswith(
        "and was still down when the watch ended, 1.50 s or more over the limit of 500 ms"
    )
    assert (
        OPEN_START.explain()[0] == "write was interrupted for at least 2.00 s and was already down when the watch began"
    )


def test_explains_several():
    """Each interruption has its line."""
    several = felt((0, True), (1, False), (2, True), (3, False), (4, False), (5, True))
    assert several.explain() == [
        "write was interrupted for 5.00 s at most (at least 1.00 s)",
        "interruption 1 of 2: 2.00 s at most (at least 0 s); errors seen: refused 1",
        "interruption 2 of 2: 3.00 s at most (at least 1.00 s); errors seen: refused 2",
    ]


def test_shows_itself_in_an_assertion():
    """What pytest prints tells the number."""
    assert repr(CLOSED) == "<write was interrupted for 6.10 s at most (at least 6.02 s)>"
    assert repr(UNSOUND) == "<write was not soundly measured: the runner itself stalled>"


def test_is_not_hashable():
    """It equals a text, so it cannot be a key."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(CLOSED)


def test_measures_to_the_same_as_the_algebra():
    """The values come straight from the measurement."""
    found = Interruption("page", measure([], every=1))
    assert (found.valid, found.reason, found.outages) == (False, "no attempt was made", ())
