# SPDX-License-Identifier: MIT
"""The meter's pulse: notices when its own loop stood still, when the machine slept, and when a clock was set."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from pytest_harehearse.clock import now

#: The wall clock was set, or the machine slept, when a clock moved by more than this (seconds) between two beats.
STEP_S: Final = 0.05


def clocks() -> tuple[float, float]:
    """Return how far the wall clock, and the clock that counts sleep, are ahead of the monotonic one."""
    here = now()
    return time.time() - here, time.clock_gettime(time.CLOCK_BOOTTIME) - here


def compare(before: tuple[float, float], after: tuple[float, float], at: float) -> dict[str, Any] | None:
    """Return what to write down about two readings of :func:`clocks`; None when the clocks kept step."""
    slept, step = after[1] - before[1], after[0] - before[0]
    if slept > STEP_S:
        return {"suspended": round(slept, 3)}
    if abs(step) > STEP_S:
        # Durations do not move with it: they are taken from the monotonic clock.
        return {"note": f"the runner's clock was set by {step:+.3f} s at {at:.3f}; durations are not affected"}
    return None


async def beat(every: float, stall: float) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield at each beat what went wrong since the one before: lines for the attempts files.

    Args:
        every: seconds between beats.
        stall: a silence longer than this (seconds) beyond that is a stall.
    """
    last, seen = now(), clocks()
    while True:
        await asyncio.sleep(every)
        here, read = now(), clocks()
        told = [{"stall": [round(last, 6), round(here, 6)]}] if here - last - every > stall else []
        moved = compare(seen, read, here)
        yield told if moved is None else [*told, moved]
        last, seen = here, read
