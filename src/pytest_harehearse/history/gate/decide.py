# SPDX-License-Identifier: MIT
"""Take the decision: from the history, the cluster as it is now, and what its own gates say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pytest_harehearse.history.gate import backup, health, rehearsed, window
from pytest_harehearse.history.gate.decision import IN_LAB, IN_PRODUCTION, Answer, Decision, Gate
from pytest_harehearse.history.gate.now import Now
from pytest_harehearse.history.gate.rehearsed import Rehearsals
from pytest_harehearse.history.index.errors import HistoryError
from pytest_harehearse.history.index.history import History
from pytest_harehearse.history.index.measured import Measured
from pytest_harehearse.inventory.model import Cluster, Inventory
from pytest_harehearse.safety.windows import Span


@dataclass(frozen=True, slots=True)
class Asked:
    """What a decision is about.

    Args:
        inventory: with the cluster, and its twin.
        cluster: the one that something is to be done to.
        now: aware.
        when: the window as it was asked for; empty: none.
        span: that window's opening; None: there is none then.
        again: the command that rehearses the cluster or its twin.
    """

    inventory: Inventory
    cluster: Cluster
    now: datetime
    when: str
    span: Span | None
    again: str

    @property
    def source(self) -> Cluster:
        """Where it is rehearsed: its twin, or itself."""
        twin = self.cluster.twin
        return self.inventory.clusters.get(twin, self.cluster) if twin else self.cluster


@dataclass(frozen=True, slots=True)
class Playbook:
    """The playbook as it is now; ``parts`` None: it is not known, for the reason."""

    parts: Mapping[str, str] | None
    problem: str | None = None
    gates: tuple[Gate, ...] = field(default=())


def known(asked: Asked, history: History, *, files: bool = True) -> Rehearsals:
    """Return what the history knows that may count.

    Args:
        asked: what the decision is about.
        history: open.
        files: False: believe its rows, and read no run's directory.

    Raises:
        HistoryError: it cannot be read.
    """
    cluster, source, limits = asked.cluster, asked.source, asked.cluster.gates
    oldest = asked.now - timedelta(seconds=max(limits.rehearsed_within, limits.way_back_within))
    damaged = history.damaged_since(oldest, [source.id, cluster.id], files=files)
    found = history.rehearsals(cluster=source.id)
    if source.id != cluster.id:
        found = sorted([*found, *history.rehearsals(cluster=cluster.id)], key=lambda one: one.at)
    return Rehearsals(cluster, source, asked.now, tuple(found), damaged, asked.again)


def by_rehearsals(asked: Asked, rehearsals: Rehearsals) -> Decision:
    """Return what the rehearsals alone decide; the cluster itself is not asked."""
    gates = tuple(rehearsed.gates(rehearsals))
    return Decision(asked.cluster.id, asked.cluster.kind, asked.now, "", gates)


def decide(
    asked: Asked,
    rehearsals: Rehearsals | HistoryError,
    read: Now | str,
    *,
    drift: Iterable[Gate] = (),
    plan: Callable[[Rehearsals], Playbook] | None = None,
) -> Decision:
    """Return the decision.

    Args:
        asked: what it is about.
        rehearsals: of the history, or why that cannot be read.
        read: the cluster as it is, or why it cannot be read.
        drift: the gates that drift decides.
        plan: tells the playbook as it is now, and what the user's own gates say; None: neither is wanted.
    """
    cluster = asked.cluster
    gates: list[Gate] = []
    if isinstance(rehearsals, HistoryError):
        where = IN_LAB if asked.source.kind == "lab" else IN_PRODUCTION
        gates.append(
            Gate("evidence is sound", Answer.UNKNOWN, "not read", "as they were written", str(rehearsals), where,
                 remedy="make the history anew, or rehearse again", command="harehearse history rebuild")
        )  # fmt: skip
    else:
        gates += rehearsed.gates(rehearsals)
        book = plan(rehearsals) if plan is not None else None
        if book is not None:
            if book.parts is not None or book.problem is not None:
                gates.append(rehearsed.playbook(rehearsals, book.parts, book.problem))
            gates += book.gates
        if asked.when:
            gates.append(window.gate(rehearsals, asked.span, asked.when))
    gates += drift
    if isinstance(read, str):
        gates += health.not_read(cluster, read, f"harehearse doctor {cluster.id}")
    else:
        own = [] if isinstance(rehearsals, HistoryError) else _own(rehearsals)
        gates += health.gates(cluster, read, own, asked.now)
    if (found := backup.gate(cluster, asked.now, Path(asked.inventory.path).parent)) is not None:
        gates.append(found)
    told = asked.span.told() if asked.span is not None else asked.when
    return Decision(cluster.id, cluster.kind, asked.now, told, tuple(gates))


def _own(rehearsals: Rehearsals) -> Sequence[Measured]:
    within = rehearsals.within(rehearsals.cluster.gates.fenced_within)
    return [one for one in within if one.cluster == rehearsals.cluster.id]
