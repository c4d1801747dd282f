# SPDX-License-Identifier: MIT
"""Makes the fault plan of a test that failed smaller, by running the test again with parts of it; in labs only.

A further run is the test anew: its fixtures, its body, its judgement, a rehearsal of its own on the stream. pytest's
reports and counts, JUnit and Allure get none of it: they have the test that failed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import pytest

from pytest_harehearse import items
from pytest_harehearse.chance.drawn import DrawnPlan
from pytest_harehearse.chance.paste import pasted
from pytest_harehearse.chance.plans import Plan
from pytest_harehearse.chance.shrink import Came, Search
from pytest_harehearse.events import ShrinkFinished, ShrinkStarted
from pytest_harehearse.fixtures import DRAWN, PART

if TYPE_CHECKING:
    from pytest_harehearse.rehearsal.controller import Controller


class Shrinking:
    """Registered when ``--harehearse-shrink`` was given."""

    def __init__(
        self, controller: Callable[[pytest.Config], Controller], identity: Callable[[pytest.Item], str | None]
    ) -> None:
        self._controller = controller
        self._identity = identity

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Go on where the test has ended and was reported."""
        result = yield
        identity, failed = self._identity(item), items.failure(item)
        if identity is not None and failed is not None and DRAWN in item.stash:
            controller = self._controller(item.config)
            # Refused before the run already; never is one too many.
            if controller.inventory.clusters[identity].kind == "lab":
                _Shrink(item, nextitem, controller, *failed).done()
        return result


class _Shrink:
    """One plan that is made smaller."""

    def __init__(
        self,
        item: pytest.Item,
        nextitem: pytest.Item | None,
        controller: Controller,
        rehearsal: str,
        cause: items.Cause,
    ) -> None:
        self._item = item
        self._nextitem = nextitem
        self._controller = controller
        self._rehearsal = rehearsal
        self._cause = cause
        self._plan: DrawnPlan = item.stash[DRAWN]
        self._search = Search(list(self._plan), controller.shrinks, self._tried, self._stopped)

    def done(self) -> None:
        """Make it smaller, and put what that came to on the stream, however it ended."""
        log, strikes, most = self._controller.session.run.log, len(self._plan), self._controller.shrinks
        log.write(ShrinkStarted(rehearsal=self._rehearsal, strikes=strikes, most=most))
        runs = "1 further run" if most == 1 else f"{most} further runs"
        if strikes > 1:
            self._say(f"{self._item.name} failed; its plan of {strikes} strikes is made smaller, by at most {runs}")
        why = "stopped before its end"
        try:
            self._search.run()
            why = self._search.why
        finally:
            counts, plan = self._search.counts, self._search.plan
            log.write(
                ShrinkFinished(
                    rehearsal=self._rehearsal, strikes=len(plan), alike=counts[Came.ALIKE],
                    otherwise=counts[Came.OTHERWISE], passed=counts[Came.PASSED], unknown=counts[Came.UNKNOWN], why=why,
                    test=self._test(plan),
                )
            )  # fmt: skip

    def _test(self, plan: Plan) -> str:
        function = getattr(self._item, "function", None)
        try:
            source = inspect.getsource(function) if function is not None else ""
        except (OSError, TypeError):
            source = ""
        return pasted(plan, f"{self._item.name.partition('[')[0]}_smallest", source, self._plan.seed)

    def _say(self, text: str) -> None:
        self._controller.say(text)

    def _stopped(self) -> str | None:
        return f"pytest stops: {self._item.session.shouldstop}" if self._item.session.shouldstop else None

    def _tried(self, plan: Plan) -> Came:
        """Run the test with a part of the plan, and return what it came to."""
        again = next((one for one in _collected(self._item) if one.name == self._item.name), None)
        if again is None:
            self._say(f"{self._item.name} could not be collected again")
            return Came.UNKNOWN
        run = self._search.runs + 1
        again.stash[items.SHRINKS] = self._rehearsal
        again.stash[PART] = DrawnPlan(plan, self._plan.seed), run
        _run(again, self._nextitem)
        found = items.failure(again)
        if found is None:
            came = Came.PASSED if items.passed(again) else Came.UNKNOWN
        else:
            came = Came.ALIKE if self._cause.alike(found[1]) else Came.OTHERWISE
        strikes = "1 strike" if len(plan) == 1 else f"{len(plan)} strikes"
        self._say(f"further run {run} of at most {self._controller.shrinks}, with {strikes}: {came}")
        return came


def _collected(item: pytest.Item) -> list[pytest.Item]:
    """Return the items beside this one anew: one that has run keeps its fixtures."""
    if not isinstance(item.parent, pytest.Collector):
        return []
    return [one for one in item.parent.collect() if isinstance(one, pytest.Item)]


def _run(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Run an item as pytest does, and report it to nobody."""
    hook = item.ihook

    def phase(call: Callable[[], object], when: str) -> bool:
        ended = pytest.CallInfo.from_call(call, when, reraise=(pytest.exit.Exception, KeyboardInterrupt))  # type: ignore[arg-type]  # one of three words
        hook.pytest_runtest_makereport(item=item, call=ended)
        return ended.excinfo is None

    try:
        if phase(lambda: hook.pytest_runtest_setup(item=item), "setup"):
            phase(lambda: hook.pytest_runtest_call(item=item), "call")
    finally:
        phase(lambda: hook.pytest_runtest_teardown(item=item, nextitem=nextitem), "teardown")
