# SPDX-License-Identifier: MIT
"""The words and numbers all reports share."""

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.history.summary import Verdict
from pytest_harehearse.probes.interruption import Outage
from pytest_harehearse.report import wording


@pytest.mark.parametrize(
    ("lower", "upper", "unit", "expected"),
    [
        (2.38, 2.44, "s", "2.38 – 2.44 s"),
        (0.0, 0.06, "s", "0.00 – 0.06 s"),
        (3.1, None, "s", "≥ 3.10 s"),
        (None, None, "s", "unknown"),
        (None, 3.81, "s", "3.81 s"),
        (2.441, 2.442, "s", "2.44 s"),
        (0.0, 0.001, "s", "0.00 – <0.01 s"),
        (3.0, 3.0, "writes", "3"),
        (2.0, 5.0, "writes", "2 – 5"),
    ],
)
def test_bounds_are_a_pair_unless_they_read_the_same(lower, upper, unit, expected):
    """Bounds read as a range; an open one as a minimum; nothing measured as unknown."""
    assert wording.bounds(lower, upper, unit) == expected


@given(st.floats(0.001, 1e4), st.floats(1e-5, 10))
def test_a_broken_limit_never_reads_as_kept(limit, over):
    """What is over the limit is written so that it is seen to be over it."""
    text = wording.amount(limit + over, beside=limit)
    assert float(text.removesuffix(" s").removeprefix("<")) > limit or limit + over < 0.005


@given(st.floats(1e-9, 1e6))
def test_what_is_not_nought_never_reads_as_nought(value):
    """No rounding to 0.00 s."""
    assert wording.amount(value) != "0.00 s"


def test_an_unsound_service_is_unknown_whatever_it_counted():
    """Unsound is unknown, never 0 and never a number."""
    unsound = samples.service(outages=(), valid=False, reason="stalled")
    assert wording.service_bounds(unsound) == wording.service_down(unsound) == "unknown"
    assert wording.service_bounds(samples.service()) == "not interrupted"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, "0"), ({"lost": (4, 5)}, "2"), ({"problem": "p"}, "unknown"), ({"problem": "p", "lost": (1,)}, "≥ 1")],
)
def test_lost_writes_are_counted_only_when_they_were_looked_up(changes, expected):
    """An audit that could not be made proves no zero."""
    services = (samples.service(writes=samples.writes(**changes)),)
    assert wording.lost(samples.switchover(services=services)) == expected


def test_lost_writes_without_an_audit_are_a_dash():
    """Nobody asked, so nothing is said."""
    assert wording.lost(samples.switchover(services=(samples.service(),))) == "–"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(False, False, ""), (True, False, "already down"), (False, True, "still down"), (True, True, "neither")],
)
def test_open_interruptions_are_said_in_words(start, end, expected):
    """What was not seen of an interruption is said."""
    note = wording.outage_note(Outage(0.0, None, 1.0, None, start, end))
    assert expected in note
    assert bool(note) is (start or end)


def test_every_verdict_has_sign_sentence_and_advice():
    """No verdict is left without words, whatever the rehearsals say."""
    for verdict in Verdict:
        assert wording.sign(verdict)
        assert wording.advice(verdict).endswith(":")
        assert wording.why(samples.run(samples.switchover(), verdict=verdict))
        assert wording.why(samples.run(verdict=verdict)).startswith("No rehearsal")


@pytest.mark.parametrize(
    ("services", "expected"),
    [((), "No service was watched."), ((samples.service(),), "No service was interrupted.")],
)
def test_a_pass_says_what_users_felt(services, expected):
    """A pass without an interruption does not claim more than was watched."""
    assert wording.why(samples.run(samples.switchover(services=services))).endswith(expected)


def test_the_limit_shown_is_that_of_the_worst_service():
    """Of several limits, the row of a rehearsal shows the one that belongs to its number."""
    limits = (
        samples.limit("interruption of page", 1.0),
        samples.limit("interruption of sql write", 5.0),
        samples.limit("redundancy back", 0.5),
    )
    assert wording.interruption_limit(samples.switchover(limits=limits)).limit == 5.0
    assert wording.interruption_limit(samples.switchover(limits=())) is None


@given(st.text(st.characters(codec=None)))
def test_plain_text_cannot_steer_anything(text):
    """No control character, direction mark or lone surrogate is left."""
    plain = wording.plain(text)
    plain.encode()
    assert plain.isprintable() or not any(ord(c) < 32 for c in plain)


def test_command_is_quoted_for_a_shell():
    """The command line of the run can be copied."""
    assert wording.command(samples.run(argv=("-k", "a b"))) == "pytest -k 'a b'"
    assert wording.command(samples.run(argv=("pytest", "x"))) == "pytest x"
