# SPDX-License-Identifier: MIT
"""Waits until every cluster of a lab is healthy, and holds a lab against others while it is made or removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs import home as homes
from pytest_harehearse.labs.base import Say
from pytest_harehearse.managers.base import Manager
from pytest_harehearse.safety.lock import FileLock, Held

POLL_S: Final = 0.1


def until_healthy(
    lab: str, clusters: Iterable[str], manager: Callable[[str], Manager], until: float, *,
    lost: Callable[[], bool] = lambda: False, say: Say | None = None,
) -> None:  # fmt: skip
    """Return once every cluster is redundant.

    Args:
        lab: its name, for the message.
        clusters: their names.
        manager: returns a cluster's manager.
        until: the deadline (monotonic seconds).
        lost: whether there is nothing left that could become healthy.
        say: told when a cluster is healthy, and what is waited for.

    Raises:
        LabError: not in time; says what each lacked last.
    """
    lacking = dict.fromkeys(clusters, "not asked yet")
    told = ""
    while lacking:
        for cluster in list(lacking):
            seen = manager(cluster).state()
            reason = seen.redundancy_limitation()
            if reason is None:
                del lacking[cluster]
                if say is not None:
                    say(f"{cluster} is healthy: {seen.describe()}")
            else:
                lacking[cluster] = f"{reason} ({seen.describe()})"
        if lacking and (time.monotonic() > until or lost()):
            each = "; ".join(f"{name}: {why}" for name, why in lacking.items())
            raise LabError(f"The lab {lab} was not healthy in time; seen last: {each}")
        waiting = f"waiting for {' and '.join(lacking)}"
        if lacking and say is not None and waiting != told:
            say(told := waiting)
        if lacking:
            time.sleep(POLL_S)


def held(lab: str, home: Path, within: float) -> FileLock:
    """Return the lock under which the lab is created and removed, taken.

    Raises:
        LabError: another process has it; names it.
    """
    homes.base()
    try:
        return homes.lock_of(home).acquire(within=within)
    except Held as other:
        raise LabError(
            f"The lab {lab} is being created or removed by {other.holder}; waited {within:.0f} s for it."
        ) from other


def state_of(lab: str, home: Path) -> homes.LabState:
    """Return what a lab wrote about itself.

    Raises:
        LabError: it is not up; names the command that creates it.
    """
    state = homes.read(home)
    if state is None:
        raise LabError(f"The lab {lab} is not up. Create it: harehearse lab up {lab}")
    return state
