# SPDX-License-Identifier: MIT
"""What is wrong with a cluster although it runs, as reasons; from the words of its nodes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_harehearse.managers.pacemaker.cib import Leftover
from pytest_harehearse.managers.pacemaker.crm_mon import Mon
from pytest_harehearse.managers.pacemaker.facts import Facts
from pytest_harehearse.managers.pacemaker.fence_event import latest
from pytest_harehearse.managers.pacemaker.view import View
from pytest_harehearse.managers.pacemaker.xml import infinite

#: A controller that waits, as the one that leads and as another.
_AT_REST = frozenset({"S_IDLE", "S_NOT_DC"})


def facts(best: View, mon: Mon, group: str, names: Mapping[str, str]) -> Facts:
    """Return what is known beyond the state, by the view that is believed most."""
    parts = mon.parts(group)
    return Facts(
        group=group,
        by=best.node,
        names=dict(names),
        promotable=bool({group, *(name for part in parts for name in part.within)} & mon.promotable),
        version=mon.version,
        fencing=fencing(best, mon, names),
        failures=mon.failures,
        leftovers=tuple(
            one for one in (best.config.leftovers if best.config else ())
            if one.resource in {group, *(part.name for part in parts), *(n for part in parts for n in part.within)}
            and not (one.expires and best.time and one.expires <= best.time)
        ),
        fenced=mon.fencing,
        unmanaged=tuple(part.name for part in parts if not part.managed),
    )  # fmt: skip


def fencing(best: View, mon: Mon, names: Mapping[str, str]) -> dict[str, str]:
    """Return why nodes could not be fenced; ``""`` stands for all of them."""
    enabled = mon.stonith if mon.stonith is not None else best.config.stonith if best.config else None
    if enabled is False:
        return {"": "fencing is disabled (stonith-enabled=false), so a failed node may go on while another takes over"}
    devices = [one for one in mon.resources if one.fences]
    if best.config is not None and best.config.watchdog:
        return {}
    if not devices:
        return {"": "there is no fencing device, so a takeover from a failed node would wait for ever"}
    found = {}
    for node, name in names.items():
        hosts = {one.name: (best.config.fences.get(one.name) if best.config else None) for one in devices}
        mine = [one for one in devices if hosts[one.name] is None or name in (hosts[one.name] or ())]
        if not mine:
            found[node] = f"no fencing device is for {node}"
        elif not any(one.running for one in mine):
            words = ", ".join(f"{one.name} is {'FAILED' if one.failed else one.role}" for one in mine)
            found[node] = f"no fencing device for {node} runs ({words})"
    return found


def obstacles(mon: Mon, best: View, group: str, name: str) -> list[str]:
    """Return why the group could not run on a node that is online."""
    found: list[str] = []
    seen = mon.nodes.get(name)
    parts = {group, *(part.name for part in mon.parts(group)), *(n for part in mon.parts(group) for n in part.within)}
    if seen is not None:
        words = {
            "it is unclean": seen.unclean,
            "it is in standby mode": seen.standby,
            "it is in maintenance mode": seen.maintenance,
            "it is shutting down": seen.shutdown,
        }
        found += [word for word, true in words.items() if true]
    found += [
        f"{ban.resource} is banned from it by {ban.name}"
        for ban in mon.bans
        if ban.node == name and ban.resource in parts and infinite(-ban.weight)
    ]
    found += [
        f"{one.resource} failed {_times(one.count)} there and is kept off until it is cleaned up"
        for one in mon.fail_counts
        if one.node == name and one.resource in parts and one.keeps_off
    ]
    for other in best.config.beside.get(group, ()) if best.config else ():
        instances = mon.parts(other)
        if other in mon.collectives and not any(one.running and name in one.nodes for one in instances):
            found.append(f"{other}, without which {group} cannot run, does not run there")
    return found


def notes(mon: Mon, group: str, name: str) -> list[str]:
    """Return the failed actions that stand against a node."""
    parts = {part.name for part in mon.parts(group)}
    return [
        str(failure) for failure in mon.failures if failure.node == name and failure.resource.partition(":")[0] in parts
    ]


def pending(views: Mapping[str, View], mon: Mon, group: str) -> str | None:
    """Return what has to end before anything is asked of the cluster."""
    speaking = [view for view in views.values() if view.mon is not None]
    if not any(view.quorate for view in speaking):
        return "the cluster has no quorum" if any(view.quorate is False for view in speaking) else "quorum is unknown"
    if mon.dc is None:
        return "the cluster has no leading controller (DC) yet"
    if not mon.parts(group):
        return f"the cluster has no resource {group!r}; it has {', '.join(resources(mon)) or 'none'}"
    if group in mon.collectives and mon.collectives[group] != "group" and group not in mon.promotable:
        return (
            f"{group} is a {mon.collectives[group]}, which runs on several nodes at once; name a group or a primitive"
        )
    if mon.maintenance:
        return "the cluster is in maintenance mode, so it would take nothing over"
    if mon.stopped:
        return "stop-all-resources is set"
    going = [f"{one.action} of {one.node}" for one in latest(mon.fencing).values() if one.status == "pending"]
    if going:
        return f"fencing is going on: {', '.join(going)}"
    for view in speaking:
        if view.controller is not None and view.controller not in _AT_REST:
            return f"a transition is going on ({view.node}: {view.controller})"
    busy = [f"{one.name}: {one.pending}" for one in mon.resources if one.pending and one.pending != "Monitoring"]
    return f"a transition is going on ({', '.join(busy)})" if busy else None


def resources(mon: Mon) -> list[str]:
    """Return what can be named as the group."""
    return sorted({*mon.collectives, *(one.name for one in mon.resources if not one.within and not one.fences)})


def incomplete(views: Mapping[str, View], mon: Mon, known: Facts, active: Sequence[str]) -> str | None:
    """Return what is missing though no node is."""
    found = [text for node, text in known.fencing.items() if not node or node in views]
    found += [f"fencing failed: {one}" for one in latest(mon.fencing).values() if one.status == "failed"]
    if known.unmanaged and not mon.maintenance:
        found.append(f"unmanaged, so the cluster would not take them over: {', '.join(known.unmanaged)}")
    for part in mon.parts(known.group):
        if part.blocked:
            found.append(f"{part.name} is blocked: the cluster could not stop it and cannot go on with it")
        if part.wanted == "Stopped":
            found.append(f"{part.name} is told to be stopped (target-role=Stopped)")
    found += [f"a move left the constraint {one.name} on {one.resource}{_until(one)}" for one in known.leftovers]
    for node in active:
        view = views[node]
        seen = view.mon.nodes.get(known.names.get(node, node)) if view.mon else None
        if seen is not None and seen.maintenance:
            found.append(f"{node} is in maintenance mode, so the cluster would not take {known.group} over")
    if not found and views and all(view.config is None for view in views.values() if view.mon is not None):
        found.append("no node tells the configuration of the cluster")
    return "; ".join(found) or None


def _until(leftover: Leftover) -> str:
    return f" until {leftover.expires:%Y-%m-%d %H:%M:%SZ}" if leftover.expires else ""


def _times(count: int) -> str:
    return "for good" if infinite(count) else f"{count} times"
