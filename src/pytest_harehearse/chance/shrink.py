# SPDX-License-Identifier: MIT
"""Make a failing plan smaller where each try is a rehearsal: few of them, in a bounded time, and some come to nothing known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pytest_harehearse.chance.plans import Plan, smallest
from pytest_harehearse.clock import now
from pytest_harehearse.units import show

#: No further run is begun after so many seconds.
LONGEST_S: Final = 3600.0
#: So many runs one after the other that came to nothing known: the cluster is not what it was.
MOST_UNKNOWN: Final = 2


class Came(StrEnum):
    """What a part of a plan came to; only a failure of the same sort says that the part fails, too."""

    ALIKE = "failed alike"
    OTHERWISE = "failed otherwise"
    PASSED = "passed"
    UNKNOWN = "unknown"


class _Enough(Exception):
    pass


@dataclass
class Search:
    """Searches the smallest part of a plan that still fails.

    Args:
        plan: that failed; afterwards the smallest part that was seen to fail alike.
        most: runs.
        rehearse: runs a part of the plan, and returns what it came to.
        stopped: returns why nothing more may be begun; None: it may.
        clock: monotonic seconds.
    """

    plan: Plan
    most: int
    rehearse: Callable[[Plan], Came]
    stopped: Callable[[], str | None] = lambda: None
    clock: Callable[[], float] = now
    counts: Counter[Came] = field(default_factory=Counter)
    #: Why it ended before it was done; empty: it did not.
    bound: str = ""
    _in_a_row: int = 0

    def run(self) -> None:
        """Search until no part is smaller, or a bound is reached."""
        whole, until, known = self.plan, self.clock() + LONGEST_S, dict[str, bool]()

        def fails(part: Plan) -> bool:
            if part == whole:
                return True
            if repr(part) not in known:
                self._may_go_on(until)
                came = self.rehearse(part)
                self._count(came)
                known[repr(part)] = came is Came.ALIKE
                if came is Came.ALIKE:
                    self.plan = part
            return known[repr(part)]

        try:
            smallest(whole, fails)
        except _Enough as enough:
            self.bound = str(enough)

    def _may_go_on(self, until: float) -> None:
        if (why := self.stopped()) is not None:
            raise _Enough(why)
        if self._in_a_row >= MOST_UNKNOWN:
            raise _Enough(f"{MOST_UNKNOWN} runs, one after the other, came to nothing known")
        if self.runs >= self.most:
            raise _Enough(
                f"the {self.most} further runs were used up" if self.most > 1 else "the further run was used up"
            )
        if self.clock() >= until:
            raise _Enough(f"no further run is begun after {show(LONGEST_S)}")

    def _count(self, came: Came) -> None:
        self.counts[came] += 1
        self._in_a_row = self._in_a_row + 1 if came is Came.UNKNOWN else 0

    @property
    def runs(self) -> int:
        """How many further runs there were."""
        return self.counts.total()

    @property
    def why(self) -> str:
        """Why a smaller part may fail, too; empty: leave out any one more strike, and it did not fail alike."""
        if self.bound:
            return self.bound
        unknown = self.counts[Came.UNKNOWN]
        return f"{unknown} of the parts came to nothing known" if unknown else ""
