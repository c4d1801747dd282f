# SPDX-License-Identifier: MIT
"""Lay strikes out in time so that a cluster keeps its quorum, and no node is struck while it is lost. Pure.

The model knows nodes and which faults take one away (``loses`` of the catalogue), nothing of managers: it decides what may be
struck, never what came of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pytest_harehearse.faults.catalogue import CATALOGUE

#: Seconds after its undo for which a lost node still counts as lost: it has to come back and to catch up.
REJOIN_S: Final = 30


@dataclass(frozen=True, slots=True)
class Strike:
    """One strike as it was drawn: so many whole seconds after the one before, on this node, for so long."""

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


def majority(nodes: int) -> int:
    """Return how many of so many nodes are a majority."""
    return nodes // 2 + 1


def laid_out(strikes: Iterable[Strike], nodes: Sequence[str], *, quorum_lost: bool = False) -> list[dict[str, Any]]:
    """Return the strikes as the tables of a fault plan (``faults.play``).

    A strike that would take the quorum, or hit a node that is lost or has the same fault, is put off until it does not.

    Args:
        strikes: in their order.
        nodes: of the cluster.
        quorum_lost: the quorum may be lost, too.
    """
    spare = len(nodes) if quorum_lost else len(nodes) - majority(len(nodes))
    spans: list[_Loss] = []
    tables: list[dict[str, Any]] = []
    at = 0
    for strike in strikes:
        loses = CATALOGUE[strike.fault].loses
        if loses and spare == 0:
            # Of two nodes none is spare, and one at a time is what such a cluster is for.
            spare = 1
        at = _earliest(at + strike.gap, strike, spans, spare if loses else len(nodes))
        end = at + strike.lasts + (REJOIN_S if loses else 0)
        spans.append(_Loss(strike.node, strike.fault, at, end, loses))
        tables.append({"fault": strike.fault, "node": strike.node, "at": {"in": f"{at}s"}, "for": f"{strike.lasts}s"})
    return tables


def _earliest(wanted: int, strike: Strike, spans: Sequence[_Loss], spare: int) -> int:
    """Return the first second from ``wanted`` on at which the strike is allowed to its end."""
    loses = CATALOGUE[strike.fault].loses
    end = strike.lasts + (REJOIN_S if loses else 0)
    at = wanted
    while True:
        beside = [one for one in spans if one.begin < at + end and at < one.end]
        clash = [one for one in beside if one.node == strike.node and (one.lost or loses or one.fault == strike.fault)]
        if loses and len({one.node for one in beside if one.lost}) >= spare:
            clash += [one for one in beside if one.lost]
        if not clash:
            return at
        at = min(one.end for one in clash)
        # It ends before what is struck earlier begins only if nothing is in between, so the search always goes on in time.


def most_lost(plan: Iterable[dict[str, Any]]) -> int:
    """Return how many nodes a plan has lost at most at one time, for those of :func:`laid_out`."""
    spans = [
        (int(table["at"]["in"][:-1]), int(table["at"]["in"][:-1]) + int(table["for"][:-1]) + REJOIN_S, table["node"])
        for table in plan
        if CATALOGUE[table["fault"]].loses
    ]
    return max((len({n for b, e, n in spans if b <= begin < e}) for begin, _, _ in spans), default=0)
