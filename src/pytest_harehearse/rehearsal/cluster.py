# SPDX-License-Identifier: MIT
"""The ``cluster`` of a test: its state, its switchover and its waits, each with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import TypeVar

from pytest_harehearse.clock import now
from pytest_harehearse.errors import DeadlineExceeded, HarehearseError, Indeterminate, NotSettled, Refused, Unsupported
from pytest_harehearse.faults.dead_man import DeadMan
from pytest_harehearse.faults.drain import Drained, InMaintenance
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.managers.base import ChoosesItself, Manager, Switchover, SwitchoverWays
from pytest_harehearse.managers.capabilities import Cleanup, Drain, Fence, Predict
from pytest_harehearse.managers.state import ClusterState
from pytest_harehearse.rehearsal.guarding import Guard
from pytest_harehearse.rehearsal.node import Node
from pytest_harehearse.rehearsal.recorder import REDUNDANT, Recorder
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.remote.base import Channel
from pytest_harehearse.safety.guard import Wanted
from pytest_harehearse.units import seconds, show

POLL_S = 0.2
#: The managers' own deadline of a cleanup.
CLEANUP_S = 60.0
_Tool = TypeVar("_Tool")


class Cluster:
    """A cluster that is rehearsed on; what the ``cluster`` fixture gives."""

    def __init__(self, described: Described, manager: Manager, channels: Mapping[str, Channel] | None = None) -> None:
        self._described = described
        self.manager = manager
        #: Node → the way to run commands there; none where nodes are no hosts.
        self.channels: Mapping[str, Channel] = channels or {}
        #: Where no node can carry the undo of a maintenance: what makes its timer, for this many seconds.
        self.pause_timer: Callable[[float], DeadMan | None] | None = None
        self._recorder: Recorder | None = None
        self._striker: Striker | None = None
        #: Armed for nothing; a model of a cluster, which has no channels, is not guarded.
        self._unarmed = Guard(described, manager, None) if self.channels else None
        self._guard = self._unarmed

    def __repr__(self) -> str:
        """Its id and kind, as it stands in messages of pytest."""
        return f"<cluster {self.id} ({self.kind}, {self.manager.name})>"

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """ENVIRONMENT/CLUSTER."""
        return self._described.id

    @property
    def described(self) -> Described:
        """As the inventory says, with what its lab knows besides."""
        return self._described

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
        return {
            node.name: Node(node.name, self.channels.get(node.name), lambda: self.recorder, self.permit)
            for node in self._described.nodes
        }

    @property
    def services(self) -> tuple[Service, ...]:
        """What users reach of it."""
        return self._described.services

    @property
    def writes(self) -> bool:
        """Whether a service of it is written to, so that acknowledged writes could be lost."""
        return any(service.mode == "write" for service in self._described.services)

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
        self.permit(Wanted("switchover", "switchover", to or "the service", limit), beforehand=True)
        before = self.state()
        reason = manager.switchover_limitation(before, to)
        target = to or manager.choose_target(before)
        if reason is not None or target is None:
            raise Refused(f"{self.id}: no switchover was asked for, because {reason or 'no standby is ready'}.")
        # Where the manager chooses by itself among equals, each of them is what was asked for.
        targets = (target,) if to or not isinstance(manager, ChoosesItself) else manager.candidates(before)
        named = " or ".join(targets)
        deadline = now() + limit
        predicted = self._predict(manager, target)
        self.permit(Wanted("switchover", "switchover", named, limit))
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
        if predicted is not None:
            agrees = "as it came" if predicted == state.active else f"but {state.active} is active"
            self.recorder.note(f"{self.manager.name} predicted that {predicted} would be active, {agrees}.")
        return state.active

    def _predict(self, manager: object, to: str) -> str | None:
        """Return where the manager's own scheduler expects the service after a switchover; None: it cannot tell."""
        if not isinstance(manager, Predict) or self._described.group is None:
            return None
        try:
            where = manager.predict_switchover(to).resources.get(self._described.group, ())
        except HarehearseError as error:
            # Its tools may be too old to predict: that is no reason against a switchover that was not refused.
            self.recorder.note(f"What the manager expects of the switchover is not known: {error}")
            return None
        return ", ".join(where) or "no node"

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

    def drain(self, node: object, *, within: str | timedelta = "60s") -> None:
        """Take every resource off a node and keep them off, until :meth:`undrain` or the end of the test.

        Raises:
            Unsupported: the manager cannot; nothing was touched.
            Refused: the manager said no.
            DeadlineExceeded: something still ran there at the end of the deadline.
        """
        drained = Drained(
            self.manager, self._node(node), seconds(within), channels=self.channels, dead_man=self._described.dead_man
        )
        self.permit(Wanted("drain", "patch", drained.target, seconds(within)))
        self.striker.strike(drained, action="drain", undo="undrain")

    def undrain(self, node: object) -> None:
        """Let a drained node run resources again; does nothing for a node that this test did not drain."""
        self.striker.undo(Drained.name, self._node(node))

    def set_aside(self, node: object, *, within: str | timedelta = "60s") -> bool:
        """Drain a node and leave it drained beyond the end of the rehearsal; return False where a node cannot be drained.

        For a node that is worse than none: the cluster serves without it, until a person undrains it.

        Raises:
            Refused: the manager said no.
            DeadlineExceeded: something still ran there at the end of the deadline.
        """
        name = self._node(node)
        if self.striker.holds(Drained.name, name):
            self.striker.leave(Drained.name, name)
        manager = self.manager
        if not isinstance(manager, Drain):
            return False
        limit = seconds(within)
        with self.way_back():
            self.permit(Wanted("set aside", "patch", name, limit))
        # Also when it was drained already: an undrain that did not come to its end has lifted that.
        with self.recorder.action("set aside", name, f"take everything off {name}, and leave it so") as outcome:
            outcome.detail = manager.drain(name, limit)
        self.recorder.aside.add(name)
        self.recorder.note(f"{name} is left drained on purpose, until a person lets it in again.")
        return True

    @contextmanager
    def maintenance(self, *, within: str | timedelta = "60s") -> Iterator[None]:
        """Let the manager start, stop and watch nothing while the block runs.

        Raises:
            Unsupported: the manager cannot; nothing was touched.
        """
        held = InMaintenance(
            self.manager, self.name, seconds(within), channels=self.channels, dead_man=self._described.dead_man,
            timer=self.pause_timer(self._described.dead_man) if self.pause_timer is not None else None,
        )  # fmt: skip
        self.permit(Wanted("maintenance", "patch", self.name, seconds(within)))
        with self.striker.struck(held, action="maintenance on", undo="maintenance off"):
            yield

    def fence(self, node: object, *, within: str | timedelta = "60s") -> None:
        """Let the cluster itself fence a node, which reboots it, and wait for the fencer's word.

        Raises:
            Unsupported: the manager has no fencing.
            Refused: the fencer said no, or could not.
            Indeterminate: it did not answer in time; it may happen.
        """
        manager = self.manager
        if not isinstance(manager, Fence):
            raise Unsupported(f"{self.id}: {manager.name} has no fencing, so nothing was touched.")
        target = self._node(node)
        self.permit(Wanted("fence", "fault", target, seconds(within), takes_out=True))
        with self.recorder.action("fence", target, f"the cluster reboots {target} by its own fencing") as outcome:
            outcome.detail = manager.fence(target, deadline=seconds(within))

    def cleanup(self) -> None:
        """Let the manager forget failed actions, so that it tries again.

        Raises:
            Unsupported: the manager remembers none.
        """
        manager = self.manager
        if not isinstance(manager, Cleanup):
            raise Unsupported(f"{self.id}: {manager.name} has no failed actions to forget, so nothing was touched.")
        self.permit(Wanted("cleanup", "patch", self.name, CLEANUP_S, heals=True))
        with self.recorder.action("cleanup", self.name, "forget failed actions") as outcome:
            outcome.detail = manager.cleanup()

    def _node(self, node: object) -> str:
        if str(node) not in self.nodes:
            raise Unsupported(f"{self.id} has no node {str(node)!r}; its nodes are {', '.join(self.nodes)}.")
        return str(node)

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
        return self._in_test(self._recorder)

    @property
    def striker(self) -> Striker:
        """What strikes and undoes for the current rehearsal.

        Raises:
            HarehearseError: between tests, when there is none.
        """
        return self._in_test(self._striker)

    def permit(self, wanted: Wanted, *, beforehand: bool = False) -> None:
        """Ask the guard of a production, right before something is done; ``beforehand``: it will be asked again then.

        Raises:
            NotAllowed: it may not be done; nothing was changed.
        """
        if self._guard is not None:
            self._guard.ask(wanted, beforehand=beforehand)

    @contextmanager
    def way_back(self) -> Iterator[None]:
        """Let the guard pass, while the block runs, whatever takes back what this rehearsal was allowed to do."""
        with nullcontext() if self._guard is None else self._guard.way_back():
            yield

    def _in_test(self, tool: _Tool | None) -> _Tool:
        if tool is None:
            raise HarehearseError(
                f"{self.id} was acted on outside a test. Act on it in the test itself or in a function-scoped fixture."
            )
        return tool

    def attend(self, recorder: Recorder | None, striker: Striker | None = None, guard: Guard | None = None) -> None:
        """Let what is done from now on be recorded, undone and guarded by this rehearsal."""
        self._recorder = recorder
        self._striker = striker
        self._guard = guard or self._unarmed

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
                f"{show(within)}; seen last: {state.describe()}. Heal it first{self._anew()}"
            )

    def _anew(self) -> str:
        """Return how a lab is made anew; nothing for what nobody here makes."""
        if self.kind != "lab":
            return "; it is PRODUCTION, so that is for whoever runs it."
        name = self._described.environment
        return f"; for a lab: harehearse lab down {name} and harehearse lab up {name}"

    def _poll(self, reached: Callable[[ClusterState], bool], deadline: float) -> ClusterState:
        while True:
            state = self.state()
            if reached(state) or now() >= deadline:
                return state
            time.sleep(POLL_S)
