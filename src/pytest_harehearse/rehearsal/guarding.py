# SPDX-License-Identifier: MIT
"""The guard of a production, asked right before each thing that is done there; what the cluster says counts last.

A refusal makes the rehearsal *unknown*, not failed: nothing was tried, so nothing was learned of how it fails over.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pytest_harehearse.clock import now
from pytest_harehearse.errors import HarehearseError, Indeterminate, Refused
from pytest_harehearse.events import Event, GuardAsked
from pytest_harehearse.faults.base import Fault
from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.faults.drain import Drained, InMaintenance
from pytest_harehearse.inventory.model import Cluster
from pytest_harehearse.managers.base import Manager
from pytest_harehearse.managers.state import ACTIVE, PRIMARY, REPLICA, STANDBY, ClusterState
from pytest_harehearse.safety.arming import PRODUCTION, Arming
from pytest_harehearse.safety.guard import Wanted, forbidden
from pytest_harehearse.units import show

if TYPE_CHECKING:
    from pytest_harehearse.managers.pacemaker.crm_mon import Failure

#: A cluster that has just moved needs a moment until its nodes agree again.
PATIENCE_S: Final = 10.0
POLL_S: Final = 0.5
#: A fault without a timer is over by then: its strike, its proof, its undo.
FAULT_S: Final = 60.0


class NotAllowed(Refused, Indeterminate):
    """The guard of a production said no; nothing was changed, and nothing was learned."""


class Guard:
    """Guards one cluster during one rehearsal; a lab is let pass.

    Args:
        cluster: as the inventory says.
        manager: is asked for the state right before each action.
        arming: of this run.
        rehearsal: its id, for the record.
        write: takes each decision.
        clock: the time of day, which the windows are compared with.
        patience: seconds to wait for a state that allows it.
    """

    def __init__(
        self, cluster: Cluster, manager: Manager, arming: Arming | None, *, rehearsal: str = "",
        write: Callable[[Event], None] | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        patience: float = PATIENCE_S,
    ) -> None:  # fmt: skip
        self._cluster = cluster
        self._manager = manager
        self._arming = arming
        self._rehearsal = rehearsal
        self._write = write
        self._clock = clock
        self._patience = patience
        #: Why the lease on the cluster is not ours any more; None: it is.
        self.lease_lost: Callable[[], str | None] = lambda: None
        #: What this rehearsal has struck and not undone, as (name, target); told by its striker.
        self.struck: Callable[[], Iterable[tuple[str, str]]] = tuple
        #: Nodes that this rehearsal did anything to: what failed there since is its own doing.
        self._touched: set[str] = set()
        #: Something was allowed, so there is something to go back from; and a way back is being taken.
        self._acted = False
        self._going_back = False

    @contextmanager
    def way_back(self) -> Iterator[None]:
        """Let pass, while the block runs, what takes back what this rehearsal was allowed to do.

        Neither the end of the window nor a cluster that is not whole is a reason against that.
        """
        before, self._going_back = self._going_back, True
        try:
            yield
        finally:
            self._going_back = before

    def ask(self, wanted: Wanted, *, beforehand: bool = False) -> None:
        """Return when it may be done now.

        Args:
            wanted: what is about to be done.
            beforehand: it will be asked again; whether the cluster is in a state for it can wait until then.

        Raises:
            NotAllowed: it may not; nothing was changed.
        """
        if (lost := self.lease_lost()) is not None:
            raise Indeterminate(
                f"{self._cluster.id}: {wanted.name} of {wanted.target} was not done and nothing was changed, because {lost}."
            )
        if self._cluster.kind != PRODUCTION:
            return None
        if self._going_back and self._acted:
            return self._decided(wanted, None, "the way back of what was allowed")
        reason = forbidden(self._cluster, self._arming, wanted, self._clock())
        if reason is None and beforehand:
            return None
        # Waiting for the state takes its time.
        reason = reason or self._unfit(wanted) or forbidden(self._cluster, self._arming, wanted, self._clock())
        return self._decided(wanted, reason)

    def _decided(self, wanted: Wanted, reason: str | None, why: str = "") -> None:
        """Put a decision on the stream, and act on it."""
        if self._write is not None:
            change = "" if self._arming is None else self._arming.change
            self._write(
                GuardAsked(
                    rehearsal=self._rehearsal, name=wanted.name, target=wanted.target, allowed=reason is None,
                    reason=reason or why, kind=self._cluster.kind, change=change,
                )
            )  # fmt: skip
        if reason is not None:
            raise NotAllowed(
                f"{self._cluster.id} (PRODUCTION): {wanted.name} of {wanted.target} was refused and nothing was changed: "
                f"{reason}."
            )
        self._acted = True
        if wanted.target in {node.name for node in self._cluster.nodes}:
            self._touched.add(wanted.target)

    def ask_strike(self, fault: Fault, *, beforehand: bool = False) -> None:
        """Return when a fault may be struck now; see :meth:`ask`."""
        kind = CATALOGUE.get(fault.name)
        planned = fault.name in {Drained.name, InMaintenance.name}
        self.ask(
            Wanted(
                fault.name if planned else f"fault {fault.name}",
                "patch" if planned else "fault",
                fault.target,
                # How long those may take, the cluster has asked for already.
                0.0 if planned else fault.dead_man or FAULT_S,
                takes_out=not planned and (kind is None or kind.loses),
            ),
            beforehand=beforehand,
        )

    # -- by what the cluster says ----------------------------------------------------------------------------------

    def _unfit(self, wanted: Wanted) -> str | None:
        """Ask the manager until its state allows it; return what was against it last."""
        until = now() + self._patience
        while True:
            try:
                reason = unfit(self._manager.state(), wanted, tuple(self.struck()), self._touched)
            except HarehearseError as error:
                reason = f"the state of the cluster could not be learned: {error}"
            if reason is None:
                return None
            if now() >= until:
                return f"{reason} (asked for {show(self._patience)})" if self._patience else reason
            time.sleep(POLL_S)


def unfit(
    state: ClusterState, wanted: Wanted, struck: Collection[tuple[str, str]] = (), touched: Collection[str] = ()
) -> str | None:
    """Return why a cluster is in no state for something to be done to it; None when it is. Pure.

    Args:
        state: what the manager says now.
        wanted: what is about to be done.
        struck: what this rehearsal did itself and has not undone, as (name, target): no reason against it.
        touched: nodes that this rehearsal did something to.
    """
    mine = {target for _, target in struck} & set(state.names)
    if state.maintenance and any(name == InMaintenance.name for name, _ in struck):
        # It hides what else would be pending: nothing is, for the manager does nothing meanwhile.
        state = dataclasses.replace(state, pending=None)
    healthy = {name for name in (state.active, *state.standbys) if name is not None} - mine
    # The active one counts, whatever was done to it: without it none would be seen to be active.
    counted = tuple(member for member in state.members if member.name not in mine or member.name == state.active)
    seen = dataclasses.replace(state, members=counted)
    if wanted.target in state.names and wanted.action != "switchover" and not healthy - {wanted.target}:
        return f"{wanted.target} is the last healthy node: {state.describe()}. Bring another one back first"
    if (lacking := seen.redundancy_limitation()) is not None and not wanted.heals:
        return f"the cluster is not whole: {lacking}. Heal it, or wait until it is, and run again"
    failed = [str(one) for one in _failures(state) if _node_of(state, one) not in {*mine, *touched}]
    if failed and not wanted.heals:
        return (
            f"something failed there before: {'; '.join(failed)}. Find out why, let the cluster forget it "
            "(crm_resource --cleanup), and run again"
        )
    return _outvoted(state, wanted) if wanted.takes_out else None


def _outvoted(state: ClusterState, wanted: Wanted) -> str | None:
    """Return why the nodes that are left would have no quorum; two nodes have a rule of their own for that."""
    voting = [member.name for member in state.members if member.role in {PRIMARY, ACTIVE, REPLICA, STANDBY}]
    left = [name for name in voting if name != wanted.target]
    if len(state.members) <= 2 or 2 * len(left) > len(state.members):
        return None
    return (
        f"without {wanted.target} only {len(left)} of {len(state.members)} nodes would be left, and they would have no "
        "quorum. Bring another one back first"
    )


def _failures(state: ClusterState) -> tuple[Failure, ...]:
    from pytest_harehearse.managers.pacemaker.facts import PacemakerState

    return state.facts.failures if isinstance(state, PacemakerState) else ()


def _node_of(state: ClusterState, failure: Failure) -> str:
    """Return the node of a failure by its name in the inventory."""
    from pytest_harehearse.managers.pacemaker.facts import PacemakerState

    names = state.facts.names if isinstance(state, PacemakerState) else {}
    return next((node for node, name in names.items() if name == failure.node), failure.node)
