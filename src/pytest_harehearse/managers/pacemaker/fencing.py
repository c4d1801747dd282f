# SPDX-License-Identifier: MIT
"""Fencing a node by the cluster itself, and what it remembers of fencing."""

from __future__ import annotations

import math
from typing import Final

from pytest_harehearse.clock import now
from pytest_harehearse.errors import Indeterminate, Refused
from pytest_harehearse.managers.pacemaker.fence_event import FenceEvent, fence_events
from pytest_harehearse.managers.pacemaker.reach import Nodes
from pytest_harehearse.managers.pacemaker.sections import NOT_FOUND, Said, script
from pytest_harehearse.managers.pacemaker.xml import parse

_OPTIONS: Final = {"reboot": "--reboot", "off": "--fence"}
_HISTORY: Final = "stonith_admin --history '*' --verbose --output-as=xml\n"
#: ``$1`` --reboot or --fence, ``$2`` node, ``$3`` seconds.
_FENCE: Final = f"""
section before {_HISTORY}
kept told stonith_admin "$1" "$2" --timeout "$3"
section after {_HISTORY}
"""


def history(nodes: Nodes, deadline: float) -> tuple[FenceEvent, ...]:
    """Return every fencing that the cluster remembers, the newest first.

    Raises:
        Unreachable: no node could be asked.
        Indeterminate: what was answered cannot be understood.
    """
    asked = script(f"section history {_HISTORY}", deadline)
    by, said, done = nodes.tell(asked, "Reading the fencing history", deadline, again=True, probe="history")
    events = _events(said.get("history"))
    if isinstance(events, str):
        raise Indeterminate(f"The fencing history could not be read on {by}: {events} ({done.err[:200]})")
    return events


def fence(nodes: Nodes, node: str, action: str, deadline: float) -> str:
    """Fence a node; see :class:`~...capabilities.Fence`.

    Raises:
        Refused: there is no such action, no device could do it, or it failed.
        Unreachable: it was not sent.
        Indeterminate: it was sent, and what came of it is not known.
    """
    option = _OPTIONS.get(action)
    if option is None:
        raise Refused(f"a node is fenced by {' or '.join(_OPTIONS)}, not by {action!r}; nothing was done")
    others = [other for other in nodes if other != node]
    if not others:
        raise Refused(f"{node} cannot be fenced: the cluster has no other node that could ask for it")
    name, began = nodes.name(node), now()
    patience = max(1, math.floor(deadline - 2))
    asked = script(_FENCE, patience + 1, option, name, str(patience))
    # The node itself would be gone before it could answer.
    by, said, done = nodes.tell(asked, f"Fencing {node}", deadline, first=others, only=others, probe="before")
    told = said.get("told")
    before, after = _events(said.get("before")), _events(said.get("after"))
    known = set() if isinstance(before, str) else set(before)
    fresh = [] if isinstance(after, str) else [one for one in after if one.node == name and one not in known]
    if told is None:
        raise Indeterminate(f"Fencing {node} broke off on {by} (rc {done.rc}, {done.err[:200]}): unknown.")
    worked = [one for one in fresh if one.status == "success"]
    if told.rc == 0 and worked:
        return f"{worked[0]}; took {now() - began:.1f} s"
    if told.rc == 0:
        raise Indeterminate(
            f"stonith_admin on {by} says that {node} was fenced, but the fencing history does not show it "
            f"({after if isinstance(after, str) else f'{len(after)} events, none of them new and successful'}): unknown."
        )
    if told.rc == NOT_FOUND:
        raise Refused(f"{node} was not fenced: stonith_admin was not found on {by}")
    if worked or told.rc == 124:
        raise Indeterminate(
            f"stonith_admin on {by} ended with {told.rc} ({told.text}) while fencing {node}; the history shows "
            f"{'; '.join(map(str, fresh)) or 'nothing new'}: unknown."
        )
    raise Refused(
        f"{node} was not fenced: stonith_admin on {by} ended with {told.rc} ({told.text}); "
        f"{'; '.join(map(str, fresh)) or 'no device was tried'}"
    )


def _events(said: Said | None) -> tuple[FenceEvent, ...] | str:
    if said is None:
        return "it was not asked"
    if said.rc:
        return f"stonith_admin ended with {said.rc} ({said.text})"
    root = parse(said.data)
    return root if isinstance(root, str) else fence_events(root)
