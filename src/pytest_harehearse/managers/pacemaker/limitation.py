# SPDX-License-Identifier: MIT
"""Why a switchover must not be made now, by what is known. Pure."""

from __future__ import annotations

from pytest_harehearse.managers.capabilities import Prediction
from pytest_harehearse.managers.pacemaker.facts import PacemakerState
from pytest_harehearse.managers.state import STANDBY


def known_limitation(state: PacemakerState, to: str | None, target: str | None) -> str | None:
    """Return the reason, before the cluster itself is asked what would happen; ``target``: ``to`` or the choice."""
    facts = state.facts
    if state.pending:
        return state.pending
    if state.active is None:
        return f"there is no confirmed active node to switch over from: {state.describe()}"
    if to is not None and to not in state.names:
        return f"{to!r} is not a node of it; nodes are {', '.join(state.names)}"
    if to is not None and to == state.active:
        return f"{to} is the active node already"
    if facts.unmanaged:
        return f"unmanaged, so the cluster would not move them: {', '.join(facts.unmanaged)}"
    if facts.leftovers:
        names = ", ".join(one.name for one in facts.leftovers)
        return f"an earlier move left the constraint {names}; remove it first: crm_resource --resource {facts.group} --clear"
    unfenced = facts.unfenced(state.active)
    if unfenced:
        return unfenced
    if target is None:
        others = "; ".join(m.describe() for m in state.members if m.name != state.active)
        return f"no standby is ready: {others or 'there is no other node'}"
    member = state.member(target)
    if member.role != STANDBY or not member.ready:
        return f"{target} could not take over: {member.describe()}"
    return None


def predicted_limitation(group: str, target: str, moved: Prediction, settled: Prediction) -> str | None:
    """Return the reason by what the scheduler expects of the move, and of the removal of its constraint.

    ``target`` is the node's name in the cluster.
    """
    there = moved.resources.get(group, ())
    if there != (target,):
        return f"{group} would not get to {target}: the cluster's scheduler expects it on {' and '.join(there) or 'no node'}"
    after = settled.resources.get(group, ())
    if after != (target,):
        return (
            f"{group} would not stay on {target}: as soon as the constraint of the move is removed, the cluster's scheduler "
            f"expects it on {' and '.join(after) or 'no node'}. Give it a resource-stickiness above 0, or change the "
            "location constraint that prefers another node"
        )
    return None
