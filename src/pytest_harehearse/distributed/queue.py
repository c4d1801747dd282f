# SPDX-License-Identifier: MIT
"""Who runs what: every cluster's tests on one worker, in their order, the longest first. Pure.

The longest first is LPT of Graham, "Bounds on multiprocessing timing anomalies" (1969): no run takes longer than 4/3 of the
best one, as far as the expected times are right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Unit:
    """Tests that one worker runs, in this order."""

    name: str
    items: tuple[str, ...]
    #: Of a cluster: its id. Empty: ordinary tests, which nothing keeps together but this run's mode.
    cluster: str = ""
    #: Where its cluster is; empty: anywhere.
    site: str = ""
    #: Seconds that it took lately; None: never seen, which may be anything.
    expected: float | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """What became of the tests of a worker that died."""

    #: The test that it died in; None: it had nothing to do.
    crashed: str | None
    #: Tests that are not run any more: their cluster was left in the middle of one.
    not_run: tuple[str, ...] = ()


@dataclass
class _Worker:
    site: str
    units: list[Unit] = field(default_factory=list)
    #: Tests that were given to it and are not finished, in the order in which it runs them.
    pending: list[str] = field(default_factory=list)


class Queue:
    """What is waiting, and what each worker was given."""

    def __init__(self, units: Iterable[Unit]) -> None:
        known = sorted(units, key=lambda unit: (unit.expected is not None, -(unit.expected or 0.0)))
        self.waiting: list[Unit] = known
        self._unit = {item: unit for unit in known for item in unit.items}
        self._workers: dict[str, _Worker] = {}

    def join(self, worker: str, site: str = "") -> None:
        """Let a worker take part; one with a site is given no clusters of another site."""
        self._workers[worker] = _Worker(site)

    def stranded(self) -> list[Unit]:
        """Return the waiting units of sites that no worker is at."""
        sites = {worker.site for worker in self._workers.values()}
        return [unit for unit in self.waiting if unit.site and unit.site not in sites]

    def drop(self, units: Sequence[Unit]) -> None:
        """Take waiting units away: nobody will run them."""
        self.waiting = [unit for unit in self.waiting if unit not in units]

    def give(self, worker: str) -> Unit | None:
        """Give a worker the longest waiting unit that it may run; None: there is none."""
        mine = self._workers[worker]
        for unit in self.waiting:
            if self._may(mine, unit):
                self.waiting.remove(unit)
                mine.units.append(unit)
                mine.pending += unit.items
                return unit
        return None

    @staticmethod
    def _may(worker: _Worker, unit: Unit) -> bool:
        return not unit.site or unit.site == worker.site

    def finished(self, worker: str, item: str) -> None:
        """Take note that a test has ended."""
        self._workers[worker].pending.remove(item)

    def pending(self, worker: str) -> int:
        """Return how many tests a worker has yet to end."""
        return len(self._workers[worker].pending)

    @property
    def busy(self) -> bool:
        """Whether a worker has something to do."""
        return any(worker.pending for worker in self._workers.values())

    def lose(self, worker: str) -> Lost:
        """Take a worker away. Whole units that it had not begun wait again; of the one it was in, a cluster's are not run."""
        gone = self._workers.pop(worker)
        if not gone.pending:
            return Lost(None)
        crashed = gone.pending[0]
        within = self._unit[crashed]
        back: list[Unit] = []
        not_run: tuple[str, ...] = ()
        for unit in gone.units:
            left = tuple(item for item in unit.items if item in gone.pending and item != crashed)
            if not left:
                continue
            if unit == within and unit.cluster:
                not_run = left
                continue
            again = Unit(unit.name, left, unit.cluster, unit.site, unit.expected)
            self._unit |= dict.fromkeys(left, again)
            back.append(again)
        self.waiting = back + self.waiting
        return Lost(crashed, not_run)
