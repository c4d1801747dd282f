# SPDX-License-Identifier: MIT
"""A stepped clock is proved by the runner's own clock, whatever the node says of itself."""

from __future__ import annotations

import pytest

from pytest_harehearse.errors import Indeterminate
from pytest_harehearse.faults import clock_jump as module
from pytest_harehearse.faults.base import Expected, Scene
from pytest_harehearse.faults.clock_jump import clock_jump
from pytest_harehearse.remote.base import Done
from pytest_harehearse.remote.clock_offset import NodeClock


class Node:
    """Agrees to everything."""

    url, node = "ssh://n1", "n1"

    def __init__(self):
        self.needs = Done(0)

    def run(self, command, *, deadline, stdin=b"", root=True):
        return self.needs


@pytest.fixture
def offsets(monkeypatch):
    """What is measured of the node's clock, one after the other; a text is a measurement that failed."""
    found = []

    def measure(channel, deadline):
        one = found.pop(0)
        return one if isinstance(one, str) else NodeClock(channel.node, one, 0.1, one, 0.0)

    monkeypatch.setattr(module, "measure", measure)
    return found


def a_jump(by="2min"):
    return clock_jump(Scene(None, None, {"n1": Node()}), "n1", by=by)


@pytest.mark.parametrize(
    ("by", "before", "after", "text"),
    [
        ("2min", 0.0, 120.4, None),
        ("-2min", 0.3, -119.9, None),
        ("2min", 50.0, 170.0, None),
        (
            "2min", 0.0, 0.0,
            "by the runner's clock, that of n1 has moved by 0 s instead of 2 min 00 s since it was measured before",
        ),
        (
            "5s", 0.0, 3.0,
            "by the runner's clock, that of n1 has moved by 3.00 s instead of 5.00 s since it was measured before",
        ),
    ],
)  # fmt: skip
def test_a_step(by, before, after, text, offsets):
    """By as much as was said, from wherever the clock was before; the errors of both measurements are allowed for."""
    fault = a_jump(by)
    offsets[:] = [before, after]
    assert fault.limitation() is None
    assert fault.effect() == text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (0.0, 0.3, None),
        (50.0, 50.2, None),
        # What keeps it right has set it better than it was.
        (50.0, 0.1, None),
        (
            0.0, 120.0,
            "by the runner's clock, that of n1 has moved by 2 min 00 s instead of 0 s since it was measured before",
        ),
    ],
)  # fmt: skip
def test_a_step_back(before, after, text, offsets):
    """To what it was, or to what is right."""
    fault = a_jump()
    offsets[:] = [before, after]
    assert fault.limitation() is None
    assert fault.undone() == text


def test_a_clock_that_cannot_be_measured(offsets):
    """Before the strike it is a limitation; after it nothing is claimed."""
    fault = a_jump()
    offsets[:] = ["the clock of n1 could not be read: no route", 0.0, "no route", "no route"]
    assert fault.limitation() == "the clock of n1 could not be read: no route"
    assert fault.limitation() is None
    for ask in (fault.effect, fault.undone):
        with pytest.raises(Indeterminate, match=r"^no route$"):
            ask()


def test_what_was_never_measured_is_not_proved(offsets):
    """An effect needs the clock as it was; the undo is then proved by the node alone, as by recover."""
    fault = a_jump()
    offsets[:] = [120.0]
    assert fault.effect() == "the clock of n1 was not measured before"
    assert fault.undone() is None


def test_what_the_node_cannot_do(offsets):
    """Its own words; its clock is not measured for that."""
    node = Node()
    node.needs = Done(1, b"", b"it is a container: its clock is that of its host, which alone may set it")
    assert clock_jump(Scene(None, None, {"n1": node}), "n1").limitation() == (
        "n1: it is a container: its clock is that of its host, which alone may set it"
    )
    assert offsets == []


@pytest.mark.parametrize("by", ["1s", "-2s", "0s"])
def test_a_small_step(by):
    """Could not be told from none."""
    assert a_jump(by).limitation() == "a step of less than 3.00 s could not be told from none"


@pytest.mark.parametrize(
    ("by", "way"), [("2min", "forward by 2 min 00 s"), ("-1h", "back by 1 h 00 min"), (" -30s", "back by 30.00 s")]
)
def test_its_words(by, way):
    """What a person would do by hand; a plan that has no channels builds it."""
    fault = clock_jump(Scene(None, None, planned=True), "n1", by=by, dead_man="20s")
    assert fault.strike_text == f"on n1, stop what keeps the clock right, and step it {way} (date -s)"
    assert fault.undo_text == (
        "on n1, set the clock to what it would show, and start what keeps it right: "
        f"sh /run/harehearse/{fault.id}/undo.sh"
    )
    assert (fault.expected, fault.dead_man) == (Expected.NO_EFFECT, 20.0)
    assert fault.limitation() == "n1 is no host that commands can be run on"


@pytest.mark.parametrize("by", ["120", "2 minutes", "--2min", "-"])
def test_what_is_no_step(by):
    """A bare number is an error, as everywhere."""
    with pytest.raises(ValueError, match="is not a duration"):
        a_jump(by)
