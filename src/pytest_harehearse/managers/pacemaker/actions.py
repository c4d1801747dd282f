# SPDX-License-Identifier: MIT
"""Drain, maintenance and cleanup: each told once, then watched until the cluster shows the effect."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from pytest_harehearse.clock import now
from pytest_harehearse.errors import DeadlineExceeded, Indeterminate, Refused
from pytest_harehearse.managers.pacemaker.crm_mon import Mon
from pytest_harehearse.managers.pacemaker.judge import runs_on
from pytest_harehearse.managers.pacemaker.reach import Nodes
from pytest_harehearse.managers.pacemaker.sections import Said, script
from pytest_harehearse.remote.base import Script
from pytest_harehearse.units import show

POLL_S: Final = 0.3
#: Telling takes no longer; the rest of a deadline is for the effect.
_TELL_S: Final = 30.0
_STANDBY_ON: Final = 'kept told crm_attribute --node "$1" --name standby --update on --lifetime forever\n'
#: Standby until the next reboot is an attribute of its own.
_STANDBY_OFF: Final = """
kept told crm_attribute --node "$1" --name standby --delete --lifetime forever || exit 0
kept told crm_attribute --node "$1" --name standby --delete --lifetime reboot
"""
_MAINTENANCE: Final = 'kept told crm_attribute --name maintenance-mode --update "$1"\n'
_CLEANUP: Final = 'kept told crm_resource --cleanup ${1:+--resource "$1"}\n'
#: CRM_EX_NOSUCH on deleting: it was not there, which is what was wanted.
_NOT_THERE: Final = frozenset({6, 105})


#: Run on a node by itself, without us: not there (6, 105) is what is wanted.
_PATHS: Final = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C; export PATH LC_ALL\n"
_LIFT: Final = """lift() { "$@"; rc=$?; case $rc in 0 | 6 | 105) return 0 ;; *) return $rc ;; esac; }
"""
_DRAIN_UNDO: Final = f"""{_PATHS}{_LIFT}
lift crm_attribute --node "$1" --name standby --delete --lifetime forever || exit 1
lift crm_attribute --node "$1" --name standby --delete --lifetime reboot
"""
_DRAIN_UNDONE: Final = f"""{_PATHS}
[ "$(crm_attribute --node "$1" --name standby --query --quiet --default off --lifetime forever)" = off ] ||
  {{ echo "$1 is still in standby mode"; exit 1; }}
"""
_MAINTENANCE_UNDO: Final = f"{_PATHS}crm_attribute --name maintenance-mode --update false\n"
_MAINTENANCE_UNDONE: Final = f"""{_PATHS}
[ "$(crm_attribute --name maintenance-mode --query --quiet --default false)" = false ] ||
  {{ echo "maintenance mode is still on"; exit 1; }}
"""


def drain_undo(name: str) -> tuple[Script, Script]:
    """Return what lifts the standby mode of a node, by its name in the cluster; see :class:`~...capabilities.UndoScripts`."""
    return Script(_DRAIN_UNDO, (name,)), Script(_DRAIN_UNDONE, (name,))


def maintenance_undo() -> tuple[Script, Script]:
    """Return what ends the maintenance; see :class:`~...capabilities.UndoScripts`."""
    return Script(_MAINTENANCE_UNDO), Script(_MAINTENANCE_UNDONE)


def drain(nodes: Nodes, node: str, group: str | None, deadline: float) -> str:
    """Set a node to standby; ``group`` must run elsewhere then, if it can; see :class:`~...capabilities.Drain`."""
    name, end = nodes.name(node), now() + deadline
    by = _tell(nodes, script(_STANDBY_ON, _TELL_S, name), f"Draining {node}", end, last=node)
    until(nodes, f"{node} runs nothing but fencing", lambda mon: _not_drained(mon, name, group), end)
    return f"{node} is in standby mode and runs nothing of the cluster (crm_attribute on {by})"


def undrain(nodes: Nodes, node: str, deadline: float) -> str:
    """Take standby away; see :class:`~...capabilities.Drain`."""
    name, end = nodes.name(node), now() + deadline
    by = _tell(nodes, script(_STANDBY_OFF, _TELL_S, name), f"Undraining {node}", end, last=node, missing=True)
    until(nodes, f"{node} is out of standby mode", lambda mon: _still_standby(mon, name), end)
    return f"{node} is out of standby mode (crm_attribute on {by})"


def maintenance(nodes: Nodes, on: bool, deadline: float) -> str:
    """Switch maintenance mode; see :class:`~...capabilities.Maintenance`."""
    end, word = now() + deadline, "on" if on else "off"
    by = _tell(nodes, script(_MAINTENANCE, _TELL_S, str(on).lower()), f"Switching maintenance mode {word}", end)
    until(
        nodes,
        f"maintenance mode is {word}",
        lambda mon: None if mon.maintenance is on else f"it is {'on' if mon.maintenance else 'off'}",
        end,
    )
    return f"maintenance mode is {word} (crm_attribute on {by})"


def cleanup(nodes: Nodes, resource: str | None, deadline: float) -> str:
    """Forget failures; see :class:`~...capabilities.Cleanup`."""
    end, what = now() + deadline, resource or "all resources"
    by = _tell(nodes, script(_CLEANUP, _TELL_S, resource or ""), f"Cleaning up {what}", end)
    until(nodes, f"no failed action of {what} is left", lambda mon: _failures(mon, resource), end)
    return f"no failed action of {what} is left (crm_resource --cleanup on {by})"


def until(nodes: Nodes, what: str, lacks: Callable[[Mon], str | None], end: float) -> None:
    """Wait until nothing lacks any more.

    Raises:
        DeadlineExceeded: something still did in time.
        Indeterminate: no node told the state to the end.
    """
    began = now()
    while True:
        told = nodes.mon(max(1.0, min(5.0, end - now())))
        missing = f"no node tells the state of the cluster ({told})" if isinstance(told, str) else lacks(told[1])
        if missing is None:
            return
        if now() >= end:
            text = f"Not within {show(max(0.0, end - began))}: {what}. Seen last: {missing}"
            raise Indeterminate(text) if isinstance(told, str) else DeadlineExceeded(text)
        time.sleep(POLL_S)


def _tell(nodes: Nodes, asked: Script, what: str, end: float, *, last: str | None = None, missing: bool = False) -> str:
    """Run a script of one section ``told``; return the node that took it."""
    by, said, done = nodes.tell(
        asked, what, max(1.0, min(_TELL_S, end - now())), last=[last] if last else [], probe="told"
    )
    check(said, f"rc {done.rc}, {done.err[:200]}", what, by, fine=_NOT_THERE if missing else frozenset())
    return by


def check(said: Mapping[str, Said], ended: str, what: str, by: str, fine: frozenset[int] = frozenset()) -> None:
    """Look how the section ``told`` ended.

    Raises:
        Refused: it said no.
        Indeterminate: it did not say.
    """
    told = said.get("told")
    if told is None:
        raise Indeterminate(f"{what} broke off on {by} ({ended}): unknown.")
    if told.rc == 124:
        raise Indeterminate(f"{what} did not end in time on {by} ({told.text or 'it printed nothing'}): unknown.")
    if told.rc and told.rc not in fine:
        raise Refused(f"{what} was refused on {by}: it ended with {told.rc} ({told.text})")


def _not_drained(mon: Mon, name: str, group: str | None) -> str | None:
    seen = mon.nodes.get(name)
    if seen is None:
        return f"the cluster has no node {name}"
    if not seen.standby:
        return f"{name} is not in standby mode"
    running = sorted({one.name for one in mon.resources if name in one.nodes and not one.fences})
    if running:
        return f"{', '.join(running)} still on {name}"
    elsewhere = any(other.online and not (other.standby or other.maintenance) for other in mon.nodes.values())
    if group is not None and mon.parts(group) and elsewhere and not runs_on(mon, group):
        return f"{group} runs on no node yet"
    return None


def _still_standby(mon: Mon, name: str) -> str | None:
    seen = mon.nodes.get(name)
    if seen is None:
        return f"the cluster has no node {name}"
    return f"{name} is in standby mode" if seen.standby else None


def _failures(mon: Mon, resource: str | None) -> str | None:
    parts = None if resource is None else {resource, *(part.name for part in mon.parts(resource))}
    left = [str(one) for one in mon.failures if parts is None or one.resource.partition(":")[0] in parts]
    return "; ".join(left) or None
