# SPDX-License-Identifier: MIT
"""One move: the constraint, the wait, and the constraint's removal, in one script that goes on when the runner is gone.

Three things see to it that no constraint stays: the script removes it whatever came of the move; where the node is lost in
the middle, another one removes it; and it has an end of its own, for a runner and a node that are both gone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pytest_harehearse.clock import now
from pytest_harehearse.errors import HarehearseError, Indeterminate, Refused
from pytest_harehearse.errors import Unreachable as NotReached
from pytest_harehearse.managers.pacemaker import cib, crm_mon, tools
from pytest_harehearse.managers.pacemaker.cib import Leftover
from pytest_harehearse.managers.pacemaker.judge import runs_on
from pytest_harehearse.managers.pacemaker.reach import ASK_S, Nodes
from pytest_harehearse.managers.pacemaker.sections import Said, script
from pytest_harehearse.managers.pacemaker.view import MON
from pytest_harehearse.managers.pacemaker.xml import parse

#: A constraint lives at least this long (seconds), for one that ends during the move would turn it back.
_LIFETIME_S: Final = 600
#: What is kept of the deadline for removing the constraint and looking whether it is gone.
_AFTER_S: Final = 6.0
#: At least this long a constraint is tried to be removed by another way, and how often.
_REMOVE_S: Final = 15.0
_AGAIN_S: Final = 0.5
#: CRM_EX_INDETERMINATE, CRM_EX_UNSATISFIED, CRM_EX_TIMEOUT, CRM_EX_DISCONNECT: the change may have been made.
_UNCLEAR: Final = frozenset({102, 112, 113, 124})
#: A signal must not end the script between the move and the removal; a handler, unlike ignoring, is not inherited, so
#: ``timeout`` can still end what it started. ``$5``: how long to wait until the cluster has settled.
_SCRIPT: Final = f"""
trap : HUP INT TERM PIPE
{tools.FIND}
{tools.MOVE}
if [ $? -eq 0 ] && command -v crm_resource >/dev/null 2>&1; then
  kept wait crm_resource --wait --timeout "$5"
fi
{tools.CLEAR}
{tools.LEFT}
{MON}
"""
_REMOVE: Final = f"""
trap : HUP INT TERM PIPE
{tools.LEFT}
{tools.FIND}
{tools.CLEAR}
section after cibadmin --query --scope constraints
"""


@dataclass(frozen=True, slots=True)
class Move:
    """What is moved, and where to; names as the cluster has them."""

    resource: str
    target: str
    promoted: str = ""


def move(nodes: Nodes, wanted: Move, first: Iterable[str], last: Iterable[str], deadline: float) -> str:
    """Move the resource and return what was done, and by which tool.

    Where the constraint has to be removed by a second way, that takes some seconds beyond the deadline.

    Raises:
        Refused: the cluster said no; nothing was changed.
        Unreachable: it was not sent.
        Indeterminate: it was sent and not answered, it did not settle in time, or a constraint may be left.
    """
    first = tuple(first)
    end = now() + deadline
    wait = max(1, math.floor(deadline - _AFTER_S if deadline > 2 * _AFTER_S else deadline / 2))
    lifetime = f"PT{max(_LIFETIME_S, math.ceil(2 * deadline))}S"
    asked = script(_SCRIPT, wait + 2, wanted.resource, wanted.target, lifetime, wanted.promoted, str(wait))
    what = f"The move of {wanted.resource} to {wanted.target}"
    try:
        node, said, done = nodes.tell(asked, what, deadline, first=first, last=last)
    except NotReached:
        raise
    except Indeterminate as error:
        cleared = _remove_after(nodes, wanted.resource, max(_REMOVE_S, end - now()), first)
        raise Indeterminate(f"{error} {cleared}") from None
    return _outcome(nodes, wanted, node, said, f"rc {done.rc}, {done.err[:200]}", wait)


def remove(nodes: Nodes, resource: str, deadline: float, last: Iterable[str] = ()) -> str:
    """Remove the constraints that moves of a resource left; return what was removed.

    Tried again until the deadline: while a lost node is being replaced or fenced, the cluster takes no changes.

    Raises:
        Unreachable: no node took it.
        Indeterminate: one may be left.
    """
    end, last = now() + deadline, tuple(last)
    while True:
        try:
            return _remove(nodes, resource, max(1.0, end - now()), last)
        except Indeterminate:
            if now() + _AGAIN_S >= end:
                raise
        time.sleep(_AGAIN_S)


def _remove(nodes: Nodes, resource: str, deadline: float, last: Iterable[str]) -> str:
    asked = script(_REMOVE, min(deadline, ASK_S), resource)
    node, said, _ = nodes.tell(
        asked, f"Removing the constraints of {resource}", deadline, last=last, again=True, probe="left"
    )
    before, after = _constraints(said.get("left")), _constraints(said.get("after"))
    cleared = said.get("clear")
    if cleared is None or cleared.rc or after is None or _of(resource, after):
        raise Indeterminate(_left(resource, node, cleared, after))
    removed = ", ".join(one.name for one in _of(resource, before or ()))
    return f"removed {removed} on {node}" if removed else f"no constraint of a move of {resource} was there"


def _remove_after(nodes: Nodes, resource: str, deadline: float, last: Iterable[str] = ()) -> str:
    try:
        return f"Its constraint: {remove(nodes, resource, deadline, last)}."
    except HarehearseError as error:
        return f"Its constraint could not be removed: {error}"


def _outcome(nodes: Nodes, wanted: Move, node: str, said: Mapping[str, Said], ended: str, wait: int) -> str:
    tool = said["tool"].text if "tool" in said else "unknown"
    moved, cleared = said.get("move"), said.get("clear")
    left = _constraints(said.get("left"))
    unclean = cleared is None or cleared.rc != 0 or left is None or bool(_of(wanted.resource, left))
    if moved is None:
        raise Indeterminate(
            f"The script of the move of {wanted.resource} to {wanted.target} broke off on {node} ({ended}): unknown. "
            f"{_remove_after(nodes, wanted.resource, _REMOVE_S)}"
        )
    if unclean and tool != "none":
        # Once more by another way: the cluster may have been busy electing, or the node on its way down.
        after = _remove_after(nodes, wanted.resource, _REMOVE_S)
        if "could not be removed" in after:
            raise Indeterminate(f"{_left(wanted.resource, node, cleared, left)} Tried again: {after}")
    if moved.rc in _UNCLEAR:
        raise Indeterminate(
            f"{tool} on {node} could not say what became of the move of {wanted.resource} to {wanted.target}: it ended "
            f"with {moved.rc} ({moved.text}). Its constraint was removed."
        )
    if moved.rc:
        raise Refused(
            f"{tool} on {node} refused to move {wanted.resource} to {wanted.target}: it ended with {moved.rc} ({moved.text})"
        )
    waited = said.get("wait")
    if waited is not None and waited.rc:
        raise Indeterminate(
            f"{tool} on {node} moved {wanted.resource} to {wanted.target}, but the cluster did not settle within {wait} s "
            f"(rc {waited.rc}: {waited.text}). The constraint was removed."
        )
    return f"moved by {tool} on {node}, its constraint removed; {_where(wanted, said.get('mon'))}"


def _where(wanted: Move, said: Said | None) -> str:
    mon = crm_mon.read(said.data) if said is not None else "it was not asked"
    if isinstance(mon, str):
        return f"where {wanted.resource} runs is not known ({mon})"
    return f"{wanted.resource} runs on {' and '.join(runs_on(mon, wanted.resource)) or 'no node'}"


def _constraints(said: Said | None) -> tuple[Leftover, ...] | None:
    """Return the constraints of moves; None: they could not be read."""
    if said is None or said.rc:
        return None
    root = parse(said.data)
    if isinstance(root, str):
        return None
    return cib.leftovers(root if root.tag == "constraints" else root.find(".//constraints"))


def _of(resource: str, left: Iterable[Leftover]) -> list[Leftover]:
    return [one for one in left if one.resource == resource]


def _left(resource: str, node: str, cleared: Said | None, left: tuple[Leftover, ...] | None) -> str:
    names = "unknown" if left is None else ", ".join(one.name for one in _of(resource, left)) or "none seen"
    ended = "it was not tried" if cleared is None else f"it ended with {cleared.rc} ({cleared.text})"
    return (
        f"The constraint of the move of {resource} may be left ({names}): removing it on {node}: {ended}. It keeps the "
        f"cluster from choosing freely until it ends by itself; remove it: crm_resource --resource {resource} --clear"
    )
