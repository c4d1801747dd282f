# SPDX-License-Identifier: MIT
"""The ``cluster`` of a test: its state, its switchover and its waits, each with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from pytest_harehearse.clock import now
from pytest_harehearse.errors import DeadlineExceeded, HarehearseError, Indeterminate, NotSettled, Refused, Unsupported
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.managers.base import ChoosesItself, Manager, Switchover, SwitchoverWays
from pytest_harehearse.managers.state import ClusterState
from pytest_harehearse.rehearsal.recorder import REDUNDANT, Recorder
from pytest_harehearse.units import seconds, show

POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster under rehearsal."""

    name: str

    def __str__(self) -> str:
        """Its name, so that it reads well in messages."""
        return self.name


class Cluster:
    """A cluster that is rehearsed on; what the ``cluster`` fixture gives."""

    def __init__(self, described: Described, manager: Manager) -> None:
        self._described = described
        self.manager = manager
        self._recorder: Recorder | None = None

    def __repr__(self) -> str:
        """Its id and kind, as it stands in messages of pytest."""
        return f"<cluster {self.id} ({self.kind}, {self.manager.name})>"

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """ENVIRONMENT/CLUSTER."""
        return self._described.id

    @property
    def name(self) -> str:
        """Its name within the environment."""
        return self._described.name

    @property
    def kind(self) -> str:
        """``lab`` or ``production``."""
        return self._described.kind

    @property
    def nodes(self) -> dict[str, Node]:
        """Its nodes by name, in the inventory's order."""
        return {node.name: Node(node.name) for node in self._described.nodes}

    @property
    def services(self) -> tuple[Service, ...]:
        """What users reach of it."""
        return self._described.services

    # -- what it says ----------------------------------------------------------------------------------------------

    def state(self) -> ClusterState:
        """Ask the manager and the witnesses now."""
        return self.manager.state()

    @property
    def active(self) -> str | None:
        """The node that serves, confirmed by the manager and by itself; None while there is none (or two)."""
        return self.state().active

    @property
    def primary(self) -> str | None:
        """The same as :attr:`active`, in the words of database managers."""
        return self.active

    @property
    def standbys(self) -> tuple[str, ...]:
        """The nodes that could take over, the best first."""
        return self.state().standbys

    @property
    def replicas(self) -> tuple[str, ...]:
        """The same as :attr:`standbys`, in the words of database managers."""
        return self.standbys

    # -- what it does ----------------------------------------------------------------------------------------------

    def switchover(self, to: str | None = None, *, how: str | None = None, within: str | timedelta = "60s") -> str:
        """Move the service to another node on purpose and wait until that node alone is active; return its name.

        Args:
            to: the target; default: the standby that the manager would choose.
            how: one of the manager's ``switchover_ways``, as "classic"; default: the first of them.
            within: the deadline of the whole.

        Raises:
            Unsupported: the manager has no switchover.
            Refused: it cannot be done now or in this way, or the manager said no; nothing was changed.
            DeadlineExceeded: the manager agreed, but the target was not active in time.
            Indeterminate: the manager did not answer and the target was not seen active: it may still happen.
        """
        manager = self._mover(how)
        limit = seconds(within)
        before = self.state()
        reason = manager.switchover_limitation(before, to)
        target = to or manager.choose_target(before)
        if reason is not None or target is None:
            raise Refused(f"{self.id}: no switchover was asked for, because {reason or 'no standby is ready'}.")
        # Where the manager chooses by itself among equals, each of them is what was asked for.
        targets = (target,) if to or not isinstance(manager, ChoosesItself) else manager.candidates(before)
        named = " or ".join(targets)
        deadline = now() + limit
        with self.recorder.action(
            "switchover", f"{before.active} → {named}", manager.describe_switchover(str(before.active), named)
        ) as outcome:
            unanswered: Indeterminate | None = None
            try:
                outcome.detail = manager.switchover(before, target, limit)
            except Indeterminate as error:
                unanswered = error
            state = self._poll(lambda s: s.active in targets, deadline)
            if state.active is None or state.active not in targets:
                seen = f"{named} was not seen active within {show(limit)}; seen last: {state.describe()}"
                if unanswered is not None:
                    raise Indeterminate(f"{self.id}: {unanswered} {seen}")
                raise DeadlineExceeded(f"{self.id}: the switchover was accepted ({outcome.detail}), but {seen}")
        return state.active

    def _mover(self, how: str | None) -> Switchover:
        manager = self.manager
        if not isinstance(manager, Switchover):
            raise Unsupported(f"{self.id}: {manager.name} has no switchover, so nothing was touched.")
        if how is None:
            return manager
        ways = manager.switchover_ways if isinstance(manager, SwitchoverWays) else ()
        if not isinstance(manager, SwitchoverWays) or how not in ways:
            valid = f"valid are {', '.join(ways)}" if ways else "it has one way only, without a name"
            raise Refused(f"{self.id}: {manager.name} has no switchover {how!r}, so nothing was touched; {valid}.")
        return manager.by(how)

    def until(
        self, what: str, condition: Callable[[Cluster], object] | None = None, *, within: str | timedelta = "60s"
    ) -> None:
        """Wait until ``condition(cluster)`` is true.

        Args:
            what: the condition as a sentence; it stands in reports and in the error.
            condition: asked every 0.2 s.
            within: the deadline.

        Raises:
            DeadlineExceeded: it was not true in time; says what was seen last.
        """
        if condition is None:
            raise TypeError("until(what, condition, within=…) needs a condition, as in lambda c: c.active != before")
        limit = seconds(within)
        deadline = now() + limit
        with self.recorder.waiting(what, limit) as seen:
            while True:
                try:
                    reached, trouble = bool(condition(self)), ""
                except HarehearseError as error:
                    reached, trouble = False, f"; asking it failed: {error}"
                if reached:
                    return
                if now() >= deadline:
                    seen.detail = self.state().describe() + trouble
                    raise DeadlineExceeded(f"{self.id}: not within {show(limit)}: {what}. Seen last: {seen.detail}")
                time.sleep(POLL_S)

    def until_redundant(self, *, within: str | timedelta = "5min") -> None:
        """Wait until every node is back: one active, all others in sync with it (lag 0).

        Raises:
            DeadlineExceeded: it was not in time; says which node lacks what.
        """
        limit = seconds(within)
        with self.recorder.waiting(REDUNDANT, limit) as seen:
            state = self._poll(lambda s: s.redundancy_limitation() is None, now() + limit)
            seen.detail = state.describe()
            reason = state.redundancy_limitation()
            if reason is not None:
                raise DeadlineExceeded(
                    f"{self.id}: not redundant within {show(limit)}, because {reason}. Seen last: {seen.detail}"
                )
            self.recorder.redundant_at = now()

    # -- for the plugin --------------------------------------------------------------------------------------------

    @property
    def recorder(self) -> Recorder:
        """The current rehearsal's.

        Raises:
            HarehearseError: between tests, when there is none.
        """
        if self._recorder is None:
            raise HarehearseError(
                f"{self.id} was acted on outside a test. Act on it in the test itself or in a function-scoped fixture."
            )
        return self._recorder

    def attend(self, recorder: Recorder | None) -> None:
        """Let what is done from now on be recorded by this rehearsal."""
        self._recorder = recorder

    def settle(self, within: float) -> None:
        """Make sure the cluster is healthy before a rehearsal.

        Raises:
            NotSettled: it is not; nothing was started.
        """
        state = self._poll(lambda s: s.redundancy_limitation() is None, now() + within)
        reason = state.redundancy_limitation()
        if reason is not None:
            raise NotSettled(
                f"{self.id} was not healthy before the rehearsal, so nothing was started: {reason}. Waited "
                f"{show(within)}; seen last: {state.describe()}. Heal it first; for a lab: harehearse lab down "
                f"{self._described.environment} and harehearse lab up {self._described.environment}"
            )

    def _poll(self, reached: Callable[[ClusterState], bool], deadline: float) -> ClusterState:
        while True:
            state = self.state()
            if reached(state) or now() >= deadline:
                return state
            time.sleep(POLL_S)
