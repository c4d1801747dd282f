# SPDX-License-Identifier: MIT
"""What a rehearsal would do, told without touching anything: the test runs against a model of the cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.events import ActionStarted, Event
from pytest_harehearse.faults.base import Expected, Fault
from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.faults.drain import Drained
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.managers.base import SWITCHOVER_WAYS
from pytest_harehearse.managers.state import PRIMARY, REPLICA, UNREACHABLE, ClusterState, Member
from pytest_harehearse.probes.dual import DualActive
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.patching.playbook import Playbook
from pytest_harehearse.rehearsal.recorder import Recorder
from pytest_harehearse.rehearsal.striking import Striker
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
        #: Drained: there, and out of use.
        self.drained: set[str] = set()

    def begin(self) -> None:
        """Return to the beginning: all nodes in, the first one active."""
        self.active = self._names[0]
        self.lost.clear()
        self.drained.clear()
        self._way = ""

    def state(self, deadline: float = 3.0) -> ClusterState:  # noqa: ARG002 - the protocol's
        """Return the model's state."""
        return ClusterState(tuple(self._member(name) for name in self._names))

    def _member(self, name: str) -> Member:
        if name in self.lost:
            return Member(name, UNREACHABLE)
        if name == self.active:
            return Member(name, PRIMARY, "running", 1, witness_primary=True)
        return Member(name, REPLICA, "running", 1, 0, streaming=name not in self.drained, witness_primary=False)

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
        if to is not None and to == state.active:
            return f"{to} is the active node already"
        return (
            None if to is None or to in state.standbys else f"{to} could not take over: {state.member(to).describe()}"
        )

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

    def fence(self, node: str, action: str = "reboot", deadline: float = 120.0) -> str:  # noqa: ARG002 - the protocol's
        """Lose the node for a moment."""
        self.give_away(node)
        return "planned"

    def fencing_history(self, deadline: float = 10.0) -> tuple[()]:  # noqa: ARG002 - the protocol's
        """Nothing was fenced."""
        return ()

    def cleanup(self, resource: str | None = None, deadline: float = 60.0) -> str:  # noqa: ARG002 - the protocol's
        """Nothing failed in the model."""
        return "planned"

    def give_away(self, node: str) -> None:
        """Let a node lose the service, and stay."""
        if node == self.active:
            self.active = next((n for n in self._names if n not in {*self.lost, *self.drained, node}), node)

    def lose(self, node: str) -> None:
        """Let a node be lost; a standby takes over."""
        self.lost.add(node)
        self.give_away(node)

    def settle(self) -> None:
        """Let a node that came back take over what nobody else could."""
        if self.active in {*self.lost, *self.drained}:
            self.give_away(self.active)


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

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = tuple(names)

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

    @property
    def services(self) -> Mapping[str, PlannedSeen]:
        """What would be watched, none of it measured."""
        return dict.fromkeys(self._names, self)

    def __getitem__(self, name: str) -> PlannedSeen:
        return self

    # Without it, whoever goes through the services would ask for a first, a second … without end.
    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


class Plan:
    """Collects the steps of one rehearsal on a model that is as new at its beginning."""

    def __init__(self, cluster: PlannedCluster, limits: Mapping[str, float]) -> None:
        self.lines: list[str] = []
        self.playbooks: list[Playbook] = []
        self.cluster = cluster
        self.cluster.follow(self)
        self.model = cluster.model
        for name, limit in limits.items():
            wanted = show(limit) if name != "lost_writes" else f"{limit:.0f}"
            self.lines.append(f"limit      {name.replace('_', ' ')} ≤ {wanted}")
        self.striker = PlannedStriker(self)
        # What plans a strike has the interface of what makes one.
        self.cluster.attend(Recorder(self._take, "plan", live=False), cast("Striker", self.striker))

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

    def tell_steps(self, book: Playbook) -> None:
        """Show a patch day step by step."""
        self.playbooks.append(book)
        self.lines.append(f"playbook   {book.fingerprint} · {book.does}")
        for number, step in enumerate(book.steps, start=1):
            self.lines.append(f"step {number:<5} {step.id}: {step.title}")
            for word, text in (("command", step.command), ("expected", step.expected), ("way back", step.way_back)):
                if text:
                    self.lines.append(f"  {word:<9}{text}")
            if step.name in {"switchover", "switchback"}:
                self.model.active = step.node


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

    @property
    def nodes(self) -> dict[str, Any]:
        """Its nodes, of the model."""
        return {node.name: PlannedNode(node.name, self._plan) for node in self._described.nodes}

    def tell(self, line: str) -> None:
        """Add a line to the plan."""
        if self._plan is not None:
            self._plan.lines.append(line)

    def until(
        self, what: str, condition: Callable[[Cluster], object] | None = None, *, within: str | timedelta = "60s"
    ) -> None:
        """Tell the wait; the condition is not asked."""
        if condition is None:
            raise TypeError("until(what, condition, within=…) needs a condition, as in lambda c: c.active != before")
        self.tell(f"wait       {what}, within {show(seconds(within))}")

    def until_redundant(self, *, within: str | timedelta = "5min") -> None:
        """Tell the wait."""
        self.tell(f"wait       every node is back and in sync, within {show(seconds(within))}")


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
        yield PlannedSeen([s.name for s in chosen])
        self._plan.lines.append("watch ends, numbered writes are looked up")


class PlannedStriker:
    """Tells what would be struck, and how it would be undone."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._open: list[tuple[Fault, str]] = []

    @contextmanager
    def struck(self, fault: Fault, *, action: str = "", undo: str = "") -> Iterator[None]:
        """Tell it, and let the model lose the node meanwhile."""
        self.strike(fault, action=action, undo=undo)
        try:
            yield
        finally:
            self.undo(fault.name, fault.target)

    def strike(self, fault: Fault, *, action: str = "", undo: str = "") -> None:
        """Tell it; a node whose power is gone, say, is lost in the model from now on."""
        kind = f"action     {action}" if action else f"fault      {fault.name}"
        self._plan.lines += [
            f"{kind} {fault.target}: {fault.strike_text}",
            f"  undo     {fault.undo_text} (on disk before the strike)",
            *(
                []
                if fault.dead_man is None
                else [f"  dead-man undone by itself {show(fault.dead_man)} after we are gone"]
            ),
            f"  expected {_expected(fault)}",
        ]
        self._open.append((fault, undo or f"undo       {fault.name}"))
        if _loses(fault):
            self._plan.model.lose(fault.target)
        elif fault.name == Drained.name:
            self._plan.model.drained.add(fault.target)
            self._plan.model.give_away(fault.target)

    def undo(self, name: str, target: str) -> bool:
        """Tell it; False when nothing of that name is open."""
        for one in reversed(self._open):
            fault, undo = one
            if (fault.name, fault.target) == (name, target):
                self._open.remove(one)
                if name == Drained.name:
                    self._plan.model.drained.discard(target)
                elif _loses(fault):
                    self._plan.model.lost.discard(target)
                self._plan.model.settle()
                self._plan.lines.append(f"{undo:<10} {fault.target}: {fault.undo_text}")
                return True
        return False

    def holds(self, name: str, target: str) -> bool:
        """Return whether something of that name would be struck now."""
        return any((fault.name, fault.target) == (name, target) for fault, _ in self._open)

    def leave(self, name: str, target: str) -> None:
        """Tell that it would stay."""
        self._open = [one for one in self._open if (one[0].name, one[0].target) != (name, target)]
        self._plan.lines.append(f"  left     {target} stays as it is: a person decides")

    def undo_all(self) -> None:
        """Tell what the test left open."""
        for fault, _ in reversed(list(self._open)):
            self.undo(fault.name, fault.target)


#: What a cluster should make of a fault, in words; a node's own name is filled in.
_EXPECTED = {
    Expected.ON_PEER: "another node takes over; {0} is back after the undo",
    Expected.IN_PLACE: "the cluster notices and restarts it on {0}",
    Expected.FENCED: "{0} or its peer is fenced, and another node serves",
    Expected.REFUSES: "the cluster says no, and nothing changes",
    Expected.NO_EFFECT: "nothing moves, and users feel nothing",
    Expected.DEGRADED: "served on, slower or with errors",
    Expected.STAYS_DOWN: "not served until the undo, for anything else could be two active nodes",
}


def _expected(fault: Fault) -> str:
    special = {
        "drain": "nothing of the cluster runs on {0}; what ran there runs elsewhere",
        "maintenance": "nothing changes, and nothing would be restarted",
    }
    return special.get(fault.name, _EXPECTED[fault.expected]).format(fault.target)


def _loses(fault: Fault) -> bool:
    kind = CATALOGUE.get(fault.name)
    return kind is not None and kind.loses and fault.expected in {Expected.ON_PEER, Expected.FENCED}


class PlannedNode:
    """A node of the model; nothing is asked and nothing is done."""

    boot_id = kernel = "planned only"

    def __init__(self, name: str, plan: Plan | None) -> None:
        self.name = name
        self._plan = plan

    def __str__(self) -> str:
        """Its name."""
        return self.name

    def reboot(self, *, within: str | timedelta = "5min") -> float:
        """Tell it; the model's node leaves and comes back."""
        if self._plan is not None:
            self._plan.lines += [
                f"action     reboot {self.name}: systemctl reboot, up again within {show(seconds(within))}",
                "  undo     none needed; proved by a changed boot id",
                f"  expected what ran on {self.name} runs elsewhere meanwhile",
            ]
            self._plan.model.give_away(self.name)
        return 0.0

    @property
    def host(self) -> object:
        """Nothing can be asked in a plan.

        Raises:
            Unsupported: always.
        """
        raise Unsupported(f"what {self.name} would answer is not known: a plan touches nothing")

    def clock(self) -> object:
        """Nothing can be measured in a plan.

        Raises:
            Unsupported: always.
        """
        raise Unsupported(f"what the clock of {self.name} says is not known: a plan touches nothing")

    def run(self, *command: str, within: str | timedelta = "30s") -> object:
        """Nothing can be run in a plan.

        Raises:
            Unsupported: always.
        """
        raise Unsupported(f"what {' '.join(command)!r} would answer on {self.name} within {within} is not known")
