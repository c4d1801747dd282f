# SPDX-License-Identifier: MIT
"""Each node's role by the word of one node: cheap, for a timeline."""

from __future__ import annotations

from pytest_harehearse.managers.pacemaker.crm_mon import Mon
from pytest_harehearse.managers.pacemaker.judge import OFFLINE, runs_on, serving
from pytest_harehearse.managers.pacemaker.reach import Nodes
from pytest_harehearse.managers.state import ACTIVE, STANDBY, UNREACHABLE


def roles(nodes: Nodes, group: str | None, deadline: float) -> dict[str, str]:
    """Return node → role; where no node tells, all are ``unreachable``."""
    told = nodes.mon(deadline)
    if isinstance(told, str):
        return dict.fromkeys(nodes, UNREACHABLE)
    _, mon = told
    name = group or next(iter(mon.groups), "")
    active = runs_on(mon, name)
    return {node: _role(mon, nodes.name(node), name, active) for node in nodes}


def _role(mon: Mon, name: str, group: str, active: tuple[str, ...]) -> str:
    seen = mon.nodes.get(name)
    if seen is None:
        return "unknown"
    if seen.unclean:
        return "unclean"
    if not seen.online:
        return OFFLINE
    if seen.pending:
        return "joining"
    if name in active:
        return ACTIVE
    here = [part for part in serving(mon, group) if name in part.nodes]
    if here:
        return "failed" if any(part.failed for part in here) else "in part"
    return "drained" if seen.standby else STANDBY
