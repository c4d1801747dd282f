# SPDX-License-Identifier: MIT
"""What a rehearsal would do, told without touching anything: the test runs against a model of the cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from pytest_harehearse.errors import Refused
from pytest_harehearse.events import ActionStarted, Event
from pytest_harehearse.faults.stack import StackKill
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.managers.base import SWITCHOVER_WAYS
from pytest_harehearse.managers.state import PRIMARY, REPLICA, UNREACHABLE, ClusterState, Member
from pytest_harehearse.probes.dual import DualActive
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.recorder import Recorder
from pytest_harehearse.units import seconds, show


class ModelManager:
    """A cluster that always does what it should, in memory only; the first node is active at the start."""

    def __init__(self, described: Described) -> None:
        self.name = described.manager
        self.switchover_ways = SWITCHOVER_WAYS.get(described.manager, ())
        self._way = ""
        self._names = [node.name for node in described.nodes]
        self.active = self._names[0]
        self.lost: set[str] = set()

    def begin(self) -> None:
        """Return to the beginning: all nodes in, the first one active."""
        self.active = self._names[0]
        self.lost.clear()
        self._way = ""

    def state(self, deadline: float = 3.0) -> ClusterState:  # noqa: ARG002 - the protocol's
        """Return the model's state."""
        return ClusterState(tuple(self._member(name) for name in self._names))

    def _member(self, name: str) -> Member:
        if name in self.lost:
            return Member(name, UNREACHABLE)
        if name == self.active:
            return Member(name, PRIMARY, "running", 1, witness_primary=True)
        return Member(name, REPLICA, "running", 1, 0, streaming=True, witness_primary=False)

    def roles(self, deadline: float = 1.0) -> dict[str, str]:
        """Return the model's roles."""
        return {member.name: member.role for member in self.state(deadline).members}

    def choose_target(self, state: ClusterState) -> str | None:
        """Return the first standby."""
        return state.standbys[0] if state.standbys else None

    def switchover_limitation(self, state: ClusterState, to: str | None) -> str | None:
        """Return what no manager would allow."""
        if to is not None and to not in state.names:
            return f"{to!r} is not a node of it; nodes are {', '.join(state.names)}"
        return f"{to} is the active node already" if to == state.active else None

    def describe_switchover(self, leader: str, to: str) -> str:
        """Return the change in words."""
        way = f" ({self._way})" if self._way else ""
        return f"{self.name}: move the service from {leader} to {to}{way}"

    def by(self, way: str) -> ModelManager:
        """Return itself, to switch over in this way."""
        self._way = way
        return self

    def switchover(self, state: ClusterState, to: str, deadline: float) -> str:  # noqa: ARG002 - the protocol's
        """Move it in the model."""
        self.active = to
        return "planned"

    def lose(self, node: str) -> None:
        """Let a node be lost; a standby takes over."""
        self.lost.add(node)
        if node == self.active:
            self.active = next((name for name in self._names if name not in self.lost), node)


class PlannedInterruption:
    """Compares as within every limit: a plan judges nothing."""

    lower = upper = point = seconds = 0.0
    outages: tuple[()] = ()
    valid = False
    reason = "planned only, nothing was measured"

    def __le__(self, other: object) -> bool:
        return True

    __lt__ = __ge__ = __gt__ = __le__


class PlannedSeen:
    """What a planned watch gives: no number."""

    interruption = PlannedInterruption()
    valid = False
    reason = PlannedInterruption.reason
    attempts = errors = slow = 0

    @property
    def lost_writes(self) -> list[int]:
        """Nothing was written."""
        return []

    @property
    def dual_active(self) -> DualActive:
        """No node was asked."""
        return DualActive.of(())

    @property
    def skipped(self) -> dict[str, str]:
        """Whether a service can be asked from here shows when it is."""
        return {}

    def __getitem__(self, name: str) -> PlannedSeen:
        return self


class Plan:
    """Collects the steps of one rehearsal on a model that is as new at its beginning."""

    def __init__(self, cluster: PlannedCluster, limits: Mapping[str, float]) -> None:
        self.lines: list[str] = []
        self.cluster = cluster
        self.cluster.follow(self)
        self.model = cluster.model
        for name, limit in limits.items():
            wanted = show(limit) if name != "lost_writes" else f"{limit:.0f}"
            self.lines.append(f"limit      {name.replace('_', ' ')} ≤ {wanted}")
        self.cluster.attend(Recorder(self._take, "plan", live=False))

    def _take(self, event: Event) -> None:
        if isinstance(event, ActionStarted):
            self.lines.append(f"action     {event.name} {event.target}: {event.detail}")
            if event.name == "switchover":
                back = " → ".join(reversed(event.target.split(" → ")))
                self.lines.append(f"  undo     none needed; the way back is a switchover {back}")
                self.lines.append("  expected another node is active; users feel one short interruption")

    def note(self, text: str) -> None:
        """Show the note of the test's author."""
        self.lines.append(f"note       {text}")


class PlannedCluster(Cluster):
    """A cluster whose waits are told instead of waited."""

    def __init__(self, described: Described) -> None:
        self.model = ModelManager(described)
        super().__init__(described, self.model)
        self._plan: Plan | None = None

    def follow(self, plan: Plan) -> None:
        """Begin anew, and tell what is done from now on to this plan."""
        self.model.begin()
        self._plan = plan

    def _tell(self, line: str) -> None:
        if self._plan is not None:
            self._plan.lines.append(line)

    def until(
        self, what: str, condition: Callable[[Cluster], object] | None = None, *, within: str | timedelta = "60s"
    ) -> None:
        """Tell the wait; the condition is not asked."""
        if condition is None:
            raise TypeError("until(what, condition, within=…) needs a condition, as in lambda c: c.active != before")
        self._tell(f"wait       {what}, within {show(seconds(within))}")

    def until_redundant(self, *, within: str | timedelta = "5min") -> None:
        """Tell the wait."""
        self._tell(f"wait       every node is back and in sync, within {show(seconds(within))}")


class PlannedProbes:
    """Tells which services would be watched."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @contextmanager
    def watch(self, *names: str, settle: str | timedelta = "30s") -> Iterator[PlannedSeen]:
        """Tell it."""
        seconds(settle)
        chosen = [s for s in self._plan.cluster.services if not names or s.name in names]
        said = ", ".join(
            f"{s.name} ({s.probe} {s.mode}{', held' if s.session == 'held' else ''} every {show(s.every)})"
            for s in chosen
        )
        self._plan.lines.append(f"watch      {said or 'no service'}")
        yield PlannedSeen()
        self._plan.lines.append("watch ends, numbered writes are looked up")


class PlannedFaults:
    """Tells which faults would be struck, and how each would be undone."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @contextmanager
    def stack_kill(self, node: object) -> Iterator[None]:
        """Tell it, and let the model lose the node meanwhile."""
        if str(node) not in self._plan.cluster.nodes:
            raise Refused(f"{self._plan.cluster.id} has no node {node!r}")
        fault = StackKill(None, self._plan.cluster.name, str(node))
        self._plan.lines += [
            f"fault      {fault.name} {fault.target}: {fault.strike_text}",
            f"  undo     {fault.undo_text} (on disk before the strike)",
            f"  expected another node takes over; {fault.target} is back after the undo",
        ]
        self._plan.model.lose(fault.target)
        yield
        self._plan.model.lost.discard(fault.target)
        self._plan.lines.append(f"undo       {fault.name} {fault.target}: {fault.undo_text}")
