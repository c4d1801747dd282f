# SPDX-License-Identifier: MIT
"""Repeats at a random phase: how long a failover takes depends on where the cluster's timers stand when it begins.

Whoever always begins at once after the cluster became healthy always meets the timers in one place, and measures one of many
outcomes again and again. A wait of a random part of the longest usual period before each repeat meets all of them.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Final, Self

from pytest_harehearse.errors import ConfigError

#: Seconds, the usual longest period of what decides: Patroni's ``loop_wait`` and Pacemaker's monitors.
PERIOD_S: Final = 10.0
MOST: Final = 1000


class Turn(str):  # noqa: SLOT000 - a text with two numbers beside it; there are few
    """The id of a cluster, and which of how many repeats on it; as a text it is the id alone."""

    number: int
    of: int

    def __new__(cls, cluster: str, number: int = 0, of: int = 0) -> Self:
        """Return the turn; ``number`` counts from 1, 0: not repeated."""
        made = super().__new__(cls, cluster)
        made.number, made.of = number, of
        return made

    @property
    def shown(self) -> str:
        """Return how it stands in a test's id: ``lab/web-2of5``."""
        return f"{self}-{self.number}of{self.of}" if self.number else str(self)


def turns(clusters: list[str], repeats: int) -> list[Turn]:
    """Return every turn, cluster by cluster."""
    if repeats == 1:
        return [Turn(cluster) for cluster in clusters]
    return [Turn(cluster, number, repeats) for cluster in clusters for number in range(1, repeats + 1)]


def times(text: str | None) -> int:
    """Return how often each rehearsal is done.

    Raises:
        ConfigError: it is no number, or none that can be meant.
    """
    if text is None:
        return 1
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST):
        raise ConfigError(f"--harehearse-repeat {text}: write a whole number from 1 to {MOST}")
    return int(text)


def week(now: datetime | None = None) -> str:
    """Return the ISO week, from which chance is drawn when nothing else is said: weeks differ, and any can be had again."""
    year, number, _ = (now or datetime.now(UTC)).isocalendar()
    return f"{year}w{number:02d}"


def wait(seed: str, nodeid: str) -> float:
    """Return the seconds to wait before a repeat: from 0 to the period, the same for the same seed and test."""
    return random.Random(f"{seed}\n{nodeid}").uniform(0.0, PERIOD_S)  # noqa: S311 - chance, no secret
