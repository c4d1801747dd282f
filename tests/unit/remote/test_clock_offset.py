# SPDX-License-Identifier: MIT
"""A node's clock is measured by round trips, and is true within the error that is stated."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.remote import clock_offset
from pytest_harehearse.remote.base import Done, Unknown, Unreachable
from pytest_harehearse.remote.clock_offset import measure


class World:
    """Clocks that only move when told to: the runner's two, and a node's that is ahead by ``offset``."""

    def __init__(self, offset, ways):
        self.now, self.offset, self.ways = 5000.0, offset, iter(ways)

    def monotonic(self):
        return self.now

    def time(self):
        return self.now + 1.7e9


class Held:
    """A node at the end of a stream: each question travels, is answered by its clock, and travels back."""

    node = "web1"
    url = "test://web1"

    def __init__(self, world, *, says=None, ends=None):
        self.world, self.says, self.ends, self.closed = world, says, ends, False
        self.waiting = []

    def stream(self, *_, **__):
        return self

    def send(self, *_):
        there, back = next(self.world.ways, (None, None))
        if there is None:
            return False
        self.world.now += there
        stamp = self.world.time() + self.world.offset
        whole, part = divmod(round(stamp * 1e9), 10**9)
        self.waiting.append(self.says or f"{whole}.{part:09d}")
        self.world.now += back
        return True

    def lines(self, *_):
        if self.waiting and not self.ends:
            yield self.waiting.pop()

    def outcome(self):
        return self.ends

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.closed = True


@contextlib.contextmanager
def clocks(world):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock_offset.time, "monotonic", world.monotonic)
        patch.setattr(clock_offset.time, "time", world.time)
        yield


ways = st.lists(
    st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)), min_size=clock_offset.TRIPS, max_size=clock_offset.TRIPS
)


@given(st.floats(-1e6, 1e6), ways)
def test_the_offset_is_true_within_its_error(offset, trips):
    """Whatever the ways there and back took, and however unlike they were."""
    world = World(offset, trips)
    with clocks(world):
        found = measure(Held(world), 30.0)
    assert abs(found.offset - offset) <= found.error + 1e-5
    assert found.error <= min(there + back for there, back in trips) / 2 + 1e-9


def test_the_narrowest_trip_wins():
    """One quick answer among slow ones makes the error small; the stream is ended."""
    world = World(2.5, [(0.2, 0.3), (0.001, 0.003), *[(0.1, 0.4)] * 7])
    held = Held(world)
    with clocks(world):
        found = measure(held, 30.0)
    assert found.error == pytest.approx(0.002)
    assert found.offset == pytest.approx(2.499, abs=1e-5)
    assert held.closed


def test_a_stamp_of_the_node_comes_onto_the_runners_clock_and_back():
    """Both ways give the same; a stamp of long ago is less certain."""
    world = World(-3.0, [(0.001, 0.001)] * 9)
    with clocks(world):
        found = measure(Held(world), 30.0)
    stamp = found.wall(4400.0)
    assert found.monotonic(stamp) == pytest.approx(4400.0)
    assert stamp == pytest.approx(4400.0 + 1.7e9 - 3.0, abs=1e-4)
    assert found.error_at(4400.0) == pytest.approx(found.error + 600 * clock_offset.DRIFT, rel=0.01)


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        (Done(127, b"", b"sh: date: not found"), "the shell there ended with status 127: sh: date: not found"),
        (Unknown("the connection was lost"), "the connection was lost"),
        (None, "no answer within"),
    ],
)
def test_a_node_that_does_not_answer_has_no_clock(ends, reason):
    """The reason says what was seen; there is no number."""
    world = World(0.0, [(0.1, 0.1)] * 9)
    held = Held(world, ends=ends)
    if ends is None:
        held.lines = lambda *_: iter(())
    with clocks(world):
        found = measure(held, 30.0)
    assert found.startswith("the clock of web1 could not be read: ")
    assert reason in found


def test_an_answer_that_is_no_time_is_told():
    """A date without parts of a second, as of a small shell."""
    world = World(0.0, [(0.1, 0.1)] * 9)
    with clocks(world):
        found = measure(Held(world, says="1795410729.%N"), 30.0)
    assert "its date says '1795410729.%N' to +%s.%N, which is no time with parts of a second" in found


def test_what_was_measured_before_the_end_counts():
    """A connection that is lost after two trips has given two."""
    world = World(7.0, [(0.1, 0.1), (0.01, 0.01)])
    with clocks(world):
        found = measure(Held(world), 30.0)
    assert found.error == pytest.approx(0.01)


def test_a_node_out_of_reach_is_told():
    """With the reason of the channel."""

    class Gone(Held):
        def stream(self, *_, **__):
            return Unreachable("nobody answered on port 22")

    assert measure(Gone(World(0, [])), 1.0) == "the clock of web1 could not be read: nobody answered on port 22"


def test_the_machines_own_clock_has_no_offset():
    """The question itself, asked of a real shell on this machine."""
    from pytest_harehearse.remote.local import LocalChannel

    found = measure(LocalChannel("here"), 20.0)
    assert abs(found.offset) <= found.error
    assert found.error < 5
    assert abs(found.monotonic(time.time()) - time.monotonic()) <= found.error + 0.5
