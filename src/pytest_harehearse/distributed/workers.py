# SPDX-License-Identifier: MIT
"""How many workers ``-n auto`` means."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pytest_harehearse import options
from pytest_harehearse.errors import ConfigError

#: What a worker takes of memory, with its meter (bytes): measured with 100 of them, and rounded up.
WORKER_BYTES: Final = 80 << 20


def wanted(config: Any, clusters: Callable[[], int]) -> int | None:
    """Return the number of workers; None: xdist knows best, for there are no more clusters than processors.

    Args:
        config: pytest's.
        clusters: counts the selected ones; raises ConfigError where there is no inventory.
    """
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS") or config.getoption(options.PLAN.dest):
        return None
    try:
        count = clusters()
    except ConfigError:
        return None
    count = min(count, _room() // WORKER_BYTES)
    return count if count > len(os.sched_getaffinity(0)) else None


def _room() -> int:
    """Return half of the memory that is available (bytes)."""
    with Path("/proc/meminfo").open(encoding="ascii") as lines:
        available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return available << 9
