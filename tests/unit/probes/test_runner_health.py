# SPDX-License-Identifier: MIT
"""The meter's own health: its beat, the clocks, the control target."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from pytest_harehearse.probes import beat, control


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ((100.0, 5.0), None),
        ((100.04, 5.04), None),
        ((103.5, 5.0), {"note": "the runner's clock was set by +3.500 s at 7.000; durations are not affected"}),
        ((98.0, 5.0), {"note": "the runner's clock was set by -2.000 s at 7.000; durations are not affected"}),
        ((112.0, 17.0), {"suspended": 12.0}),
    ],
)
def test_clocks_that_move_apart(after, told):
    """A step of the wall clock is a note; time slept is not counted by the clock we measure with."""
    assert beat.compare((100.0, 5.0), after, 7.0) == told


def test_a_loop_that_stood_still_is_told():
    """What blocks the loop for longer than the limit is a stall, from the beat before it to the one after."""

    async def run() -> tuple[list, list]:
        beats = beat.beat(0.01, 0.2)
        first = await anext(beats)
        time.sleep(0.4)  # noqa: ASYNC251 - blocking the loop is what is tested
        return first, await anext(beats)

    first, second = asyncio.run(run())
    assert first == []
    start, end = second[0]["stall"]
    assert end - start >= 0.4


@pytest.fixture
def target():
    """A running control target."""
    made = control.ControlTarget.start()
    yield made
    made.stop()


def test_the_control_target_answers(target):
    """It echoes to everybody, one after the other."""

    async def ask_often() -> None:
        for _ in range(20):
            async with asyncio.timeout(5):
                await control.ask(target.address)

    asyncio.run(ask_often())


def test_a_lost_control_target_is_a_span():
    """From its first silence to its next answer, or to the end of the watch."""
    made = control.ControlTarget.start()
    made.stop()
    spans = []

    async def run() -> None:
        watching = asyncio.ensure_future(control.watch(made.address, 0.1, lambda a, b: spans.append((a, b))))
        await asyncio.sleep(0.3)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(run())
    ((start, end),) = spans
    assert end - start >= 0.2


def test_the_control_target_ends_with_its_parent(target):
    """Nobody holds its leash any more: it ends by itself, so a killed meter leaves nothing behind."""
    leash = target._leash
    os.close(leash)
    _, status = os.waitpid(target._pid, 0)
    assert status == 0
    target._leash = os.open(os.devnull, os.O_RDONLY)
