# SPDX-License-Identifier: MIT
"""Flaps, brown-outs, slow time, ramp, lag and the stretches of which nothing is known."""

from __future__ import annotations

import pytest

from pytest_harehearse.probes.attempts import Attempt, Outcome
from pytest_harehearse.probes.measurement import measure

EVERY = 0.02
LETTERS = {"u": Outcome.OK, "s": Outcome.SLOW, "d": Outcome.REFUSED, "n": Outcome.NOT_SENT, "?": Outcome.UNKNOWN}


def asked(word: str, late: float = 0.0) -> list[Attempt]:
    """One attempt a letter: u up, s slow, d down, n not sent, ? unknown."""
    return [
        Attempt(n, n * EVERY, n * EVERY + late, n * EVERY + late + (0.01 if letter == "s" else 0.001), LETTERS[letter])
        for n, letter in enumerate(word)
    ]


def test_flaps():
    """Count, the longest and the errors in between are told apart from the total."""
    found = measure(asked("uuu" + "dd" + "u" + "dddd" + "uu" + "d" + "u" * 30), every=EVERY)
    course = found.disturbance
    assert course is not None
    assert course.count == len(found.outages) == 3
    assert course.longest_lower == pytest.approx(3 * EVERY - 0.001)
    assert course.longest_upper == pytest.approx(5 * EVERY + 0.001)
    assert course.error_ratio == pytest.approx(7 / 10)
    assert (course.start, course.end) == (pytest.approx(3 * EVERY), pytest.approx(12 * EVERY + 0.001))


def test_a_brown_out_has_an_error_ratio():
    """One ask in three fails for a while: many short interruptions, and the ratio says what it was."""
    course = measure(asked("u" * 10 + "duu" * 20 + "u" * 10), every=EVERY).disturbance
    assert course is not None
    assert course.count == 20
    assert course.error_ratio == pytest.approx(20 / 58)


def test_a_healthy_service_has_no_course():
    """No interruption, no disturbance, no ramp, no slow time."""
    found = measure(asked("u" * 50), every=EVERY)
    assert (found.disturbance, found.ramp, found.slow.attempts, found.slow.upper) == (None, None, 0, 0.0)


def test_slow_is_not_down():
    """Slow answers are no interruption; their time has bounds of its own."""
    found = measure(asked("uuu" + "ssss" + "u" * 30), every=EVERY)
    assert not found.interrupted
    assert found.slow.attempts == 4
    assert found.slow.lower == pytest.approx(3 * EVERY - 0.01)
    assert found.slow.upper == pytest.approx(5 * EVERY + 0.001)


def test_the_ramp_ends_when_the_throughput_is_back():
    """After the interruption every other answer is slow for a while; the ramp reaches to where 95 % are in time."""
    found = measure(asked("u" * 40 + "d" * 10 + "us" * 15 + "u" * 40), every=EVERY).ramp
    assert found is not None
    # The first window of twenty with at most one slow answer begins at the last slow one but one, the 28th after.
    assert found.seconds == pytest.approx(28 * EVERY)
    assert (found.baseline, found.window) == (1.0, pytest.approx(19 * EVERY))


def test_a_ramp_that_was_not_seen_to_end():
    """Still slow when the watch ended: at least that long, and no number."""
    found = measure(asked("u" * 40 + "d" * 10 + "us" * 30), every=EVERY).ramp
    assert found is not None
    assert (found.seconds, found.watched) == (None, pytest.approx(59 * EVERY))


def test_back_at_once_is_no_ramp():
    """A service that serves as before from its first answer on."""
    found = measure(asked("u" * 40 + "d" * 10 + "u" * 40), every=EVERY).ramp
    assert found is not None
    assert found.seconds == 0.0


def test_without_both_ends_there_is_no_ramp():
    """Nobody knows the baseline of what was down from the beginning, nor the end of what is still down."""
    assert measure(asked("d" * 5 + "u" * 40), every=EVERY).ramp is None
    assert measure(asked("u" * 40 + "d" * 5), every=EVERY).ramp is None


def test_the_lag_of_the_schedule():
    """How late attempts were sent, without those that were not."""
    found = measure([*asked("u" * 99), Attempt(99, 1.98, 1.988, 1.99, Outcome.OK)], every=EVERY).lag
    assert found is not None
    assert (found.p50, found.p99, found.worst) == (0.0, pytest.approx(0.008), pytest.approx(0.008))
    assert measure([], every=EVERY).lag is None


def test_a_stretch_of_which_nothing_is_known():
    """It is named with its beginning and end, and the measurement is not sound."""
    found = measure(asked("u" * 10 + "?" * 20 + "u" * 10), every=EVERY)
    assert found.unknown == ((pytest.approx(9 * EVERY), pytest.approx(30 * EVERY)),)
    assert not found.valid


def test_a_lost_control_target_makes_failures_no_evidence():
    """When the runner cannot even reach itself, a timeout says nothing of the service."""
    hung = [Attempt(n, n * EVERY, n * EVERY, n * EVERY + 0.06, Outcome.TIMEOUT) for n in range(50, 70)]
    rest = [a for a in asked("u" * 120) if not 50 <= a.n < 70]
    found = measure([*rest, *hung], every=EVERY, control=[(0.99, 1.41)])
    assert found.outages == ()
    assert found.reason == (
        "the control target on the runner itself did not answer for 0.42 s (1 time over 0.25 s), so failures meanwhile "
        "prove nothing about the service"
    )


def test_a_lost_control_target_does_not_matter_while_the_service_answers():
    """Who answered was served, whatever else the runner could not reach."""
    found = measure(asked("u" * 120), every=EVERY, control=[(0.99, 1.41)])
    assert (found.valid, found.outages) == (True, ())


def test_a_machine_that_slept_is_unknown():
    """Its clock stood still meanwhile, so every length may be too short."""
    found = measure(asked("uuuddu"), every=EVERY, suspended=12.5)
    assert found.reason == "the runner itself slept for 12.50 s, which its clock does not count"
