# SPDX-License-Identifier: MIT
"""Lay strikes out in time so that a cluster keeps its quorum, and no node is struck while it is lost. Pure.

The model knows nodes and which faults take one away (``loses`` of the catalogue), nothing of managers: it decides what may be
struck, never what came of it. A target word counts by its worst case: as many nodes as it can mean, and any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.rehearsal.targets import WORDS, limitation, majority, meant

#: Seconds after its undo for which a lost node still counts as lost: it has to come back and to catch up.
REJOIN_S: Final = 30
#: What a fault has to be told besides the node; a loss of packets can be had on every kernel.
OPTIONS: Final[dict[str, dict[str, str]]] = {"net_degrade": {"loss": "10%"}}


@dataclass(frozen=True, slots=True)
class Strike:
    """One strike as it was drawn: so many whole seconds after the one before, on this node or word, for so long."""

    gap: int
    fault: str
    node: str
    lasts: int


@dataclass(frozen=True, slots=True)
class _Loss:
    node: str
    fault: str
    begin: int
    end: int
    #: Whether the node is lost from the beginning to the end.
    lost: bool


def spare(nodes: int, *, quorum_lost: bool = False) -> int:
    """Return how many of so many nodes may be lost at once: a minority, of two one, for that is what such a cluster is for."""
    return nodes if quorum_lost else max(1, nodes - majority(nodes))


def words(fault: str, nodes: int, *, quorum_lost: bool = False) -> tuple[str, ...]:
    """Return the target words that may be drawn for a fault in a cluster of so many nodes."""
    most = spare(nodes, quorum_lost=quorum_lost) if CATALOGUE[fault].loses else nodes
    return tuple(word for word in WORDS if limitation(word, nodes) is None and meant(word, nodes) <= most)


def laid_out(strikes: Iterable[Strike], nodes: Sequence[str], *, quorum_lost: bool = False) -> list[dict[str, Any]]:
    """Return the strikes as the tables of a fault plan (``faults.play``).

    A strike that would take the quorum, or could hit a node that is lost or has the same fault, is put off until it does not.

    Args:
        strikes: in their order.
        nodes: of the cluster.
        quorum_lost: the quorum may be lost, too.
    """
    most = spare(len(nodes), quorum_lost=quorum_lost)
    spans: list[_Loss] = []
    tables: list[dict[str, Any]] = []
    at = 0
    for strike in strikes:
        loses = CATALOGUE[strike.fault].loses
        at = _earliest(at + strike.gap, strike, spans, most, nodes)
        end = at + strike.lasts + (REJOIN_S if loses else 0)
        spans.append(_Loss(strike.node, strike.fault, at, end, loses))
        table: dict[str, Any] = {"fault": strike.fault, "node": strike.node}
        if strike.fault in OPTIONS:
            table["options"] = dict(OPTIONS[strike.fault])
        tables.append({**table, "at": {"in": f"{at}s"}, "for": f"{strike.lasts}s"})
    return tables


def _earliest(wanted: int, strike: Strike, spans: Sequence[_Loss], most: int, nodes: Sequence[str]) -> int:
    """Return the first second from ``wanted`` on at which the strike is allowed to its end."""
    loses = CATALOGUE[strike.fault].loses
    end = strike.lasts + (REJOIN_S if loses else 0)
    at = wanted
    while True:
        beside = [one for one in spans if one.begin < at + end and at < one.end]
        clash = [
            one for one in beside
            if _may_meet(one.node, strike.node, nodes) and (one.lost or loses or one.fault == strike.fault)
        ]  # fmt: skip
        lost = {one.node for one in beside if one.lost}
        if loses and _count({*lost, strike.node}, nodes) > most:
            clash += [one for one in beside if one.lost]
        if not clash:
            return at
        at = min(one.end for one in clash)
        # It ends before what is struck earlier begins only if nothing is in between, so the search always goes on in time.


def _may_meet(one: str, other: str, nodes: Sequence[str]) -> bool:
    """Return whether two names or words can mean the same node."""
    return one == other or one not in nodes or other not in nodes


def _count(targets: Iterable[str], nodes: Sequence[str]) -> int:
    """Return how many nodes these mean together at most."""
    return min(len(nodes), sum(1 if one in nodes else meant(one, len(nodes)) for one in targets))


def most_lost(plan: Iterable[dict[str, Any]], nodes: Sequence[str]) -> int:
    """Return how many nodes a plan has lost at most at one time, for those of :func:`laid_out`."""
    spans = [
        (int(table["at"]["in"][:-1]), int(table["at"]["in"][:-1]) + int(table["for"][:-1]) + REJOIN_S, table["node"])
        for table in plan
        if CATALOGUE[table["fault"]].loses
    ]
    return max((_count({n for b, e, n in spans if b <= begin < e}, nodes) for begin, _, _ in spans), default=0)
