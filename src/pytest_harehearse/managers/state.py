# SPDX-License-Identifier: MIT
"""What a cluster looks like at one instant, as plain data, and what it lacks, as reason strings."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_harehearse.clock import now

#: Database managers.
PRIMARY = "primary"
REPLICA = "replica"
#: All others.
ACTIVE = "active"
STANDBY = "standby"
UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Member:
    """One node, as the manager and a witness see it. ``None`` means not known, never "no"."""

    name: str
    #: primary or active, replica or standby, unreachable, or what else the manager calls it (starting, offline, …).
    role: str
    #: The manager's word: running, streaming, stopped, …
    state: str = ""
    timeline: int | None = None
    #: Bytes behind the primary.
    lag: int | None = None
    #: True: replicates without a gap now.
    streaming: bool | None = None
    #: A standby without replication of its own: True: it could take the service over now.
    ready: bool | None = None
    #: A synchronous standby: it has every acknowledged write.
    sync: bool = False
    #: What the second witness says: True primary, False replica.
    witness_primary: bool | None = None
    #: Why something about it could not be learned.
    problem: str | None = None
    #: By which the manager chooses among standbys, the lowest first and 0 never; None: it has no such order.
    priority: int | None = None

    @property
    def confirmed_primary(self) -> bool:
        """The manager calls it primary, and it does so itself."""
        if self.role == ACTIVE:
            return self.witness_primary is True
        return self.role == PRIMARY and self.state == "running" and self.witness_primary is True

    def describe(self) -> str:
        """Return one short clause for messages."""
        words = [self.name, self.role]
        if self.state and self.state != self.role:
            words.append(self.state)
        if self.timeline is not None:
            words.append(f"timeline {self.timeline}")
        if self.role == REPLICA:
            words.append("lag unknown" if self.lag is None else f"lag {self.lag} B")
            if self.sync:
                words.append("sync")
        if self.role in {PRIMARY, ACTIVE} and self.witness_primary is not True:
            words.append("(not confirmed by itself)")
        if self.problem:
            words.append(f"({self.problem})")
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class ClusterState:
    """Every node at one instant (``t``, monotonic seconds)."""

    members: tuple[Member, ...]
    #: A switchover that the manager still carries, its pause, or the like.
    pending: str | None = None
    #: How many synchronous standbys the cluster's settings ask for.
    sync_wanted: int = 0
    #: What else than a node is missing: one of several sentinels, say. No reason against a switchover.
    incomplete: str | None = None
    t: float = field(default_factory=now)
    #: What else is worth knowing and lacks nothing: who was fenced lately, say.
    notes: tuple[str, ...] = ()
    #: True: the manager was told to leave everything as it is; None: not known, or it has no such mode.
    maintenance: bool | None = None

    @property
    def active(self) -> str | None:
        """The one node that the manager and the node itself call primary; None while there is none, or two."""
        found = [member.name for member in self.members if member.confirmed_primary]
        return found[0] if len(found) == 1 else None

    @property
    def standbys(self) -> tuple[str, ...]:
        """The nodes that replicate now or could take over without, a synchronous one first, then as the manager prefers."""
        ready = [m for m in self.members if (m.role == REPLICA and m.streaming) or (m.role == STANDBY and m.ready)]
        return tuple(
            m.name for m in sorted(ready, key=lambda m: (not m.sync, m.priority == 0, m.priority or 0, m.name))
        )

    def member(self, name: str) -> Member:
        """Return a node by its name.

        Raises:
            KeyError: when the cluster has no such node.
        """
        return next(m for m in self.members if m.name == name) if name in self.names else _no(name, self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """All nodes, in the inventory's order."""
        return tuple(member.name for member in self.members)

    def describe(self) -> str:
        """Return the whole state in one line."""
        clauses = [member.describe() for member in self.members]
        clauses += [text for text in (self.pending, self.incomplete) if text]
        return "; ".join(clauses)

    def redundancy_limitation(self) -> str | None:
        """Return why the cluster is not fully redundant now; None when it is.

        Fully redundant: exactly one primary, confirmed by itself, and every other node streaming from it with no lag,
        on its timeline; where the settings ask for synchronous standbys, they are; nothing else is missing.
        """
        if self.pending:
            return self.pending
        if self.active is None:
            claims = [m.name for m in self.members if m.role in {PRIMARY, ACTIVE}]
            word = "active node" if any(m.role in {ACTIVE, STANDBY} for m in self.members) else "primary"
            return f"no confirmed {word} (claimed by: {', '.join(claims) or 'nobody'})"
        for member in self.members:
            if member.name != self.active and (reason := self._lacking(member, self.member(self.active))):
                return reason
        synchronous = sum(member.sync for member in self.members)
        if synchronous < min(self.sync_wanted, len(self.members) - 1):
            return f"{synchronous} of {self.sync_wanted} standbys are synchronous yet"
        return self.incomplete

    @staticmethod
    def _lacking(member: Member, active: Member) -> str | None:
        """Return why a node could not take over now without loss."""
        if ACTIVE in {active.role, member.role} or member.role == STANDBY:
            ready = member.role == STANDBY and member.ready
            return None if ready else f"{member.name} could not take over: {member.describe()}"
        if member.role != REPLICA or not member.streaming:
            return f"{member.name} does not replicate: {member.describe()}"
        if member.lag is None or member.lag > 0:
            return f"{member.name} lags: {member.describe()}"
        if member.timeline != active.timeline:
            return f"{member.name} is on timeline {member.timeline}, the primary on {active.timeline}"
        return None


def _no(name: str, names: tuple[str, ...]) -> Member:
    raise KeyError(f"the cluster has no node {name!r}; its nodes are {', '.join(names)}")
