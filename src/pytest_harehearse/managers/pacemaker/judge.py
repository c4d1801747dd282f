# SPDX-License-Identifier: MIT
"""The state of a cluster from the words of its nodes. Pure.

A node is active when its own Pacemaker says that the group runs there, its own addresses are the group's, and no node with
quorum says otherwise. Two that say so of themselves are two active nodes, whoever has quorum: users may reach either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_harehearse.managers.pacemaker import troubles
from pytest_harehearse.managers.pacemaker.crm_mon import PROMOTED, Mon, NodeSeen, ResourceSeen
from pytest_harehearse.managers.pacemaker.facts import Facts, PacemakerState
from pytest_harehearse.managers.pacemaker.view import View
from pytest_harehearse.managers.state import ACTIVE, STANDBY, UNREACHABLE, Member

#: A node that the cluster holds to be away.
OFFLINE = "offline"
#: Of the fencings that the cluster remembers, so many are told with the state, the newest first.
FENCINGS_TOLD = 3


def believed(views: Mapping[str, View]) -> View | None:
    """Return the view that is believed most: with quorum, of the controller that leads, with a configuration."""
    speaking = [view for view in views.values() if view.mon is not None]
    return max(
        speaking,
        key=lambda view: (
            view.quorate is True,
            view.quorate is not False,
            view.mon is not None and view.mon.dc is not None and view.mon.dc == view.name,
            view.config is not None,
        ),
        default=None,
    )


def cluster_names(views: Mapping[str, View], known: Mapping[str, str]) -> dict[str, str]:
    """Return node in the inventory → node in the cluster: its own word, what it said before, or who is called like it."""
    listed = {name for view in views.values() if view.mon is not None for name in view.mon.nodes}
    found = {}
    for node, view in views.items():
        likely = [name for name in sorted(listed) if name == node or name.partition(".")[0] == node.partition(".")[0]]
        alike = node if node in listed or len(likely) != 1 else likely[0]
        found[node] = view.name or known.get(node) or alike
    return found


def serving(mon: Mon, group: str) -> tuple[ResourceSeen, ...]:
    """Return the parts that make a node the active one: all of the group; where it promotes, the promoted ones."""
    parts = mon.parts(group)
    promotable = bool({group, *(name for part in parts for name in part.within)} & mon.promotable)
    return tuple(part for part in parts if part.role in PROMOTED) if promotable else parts


def runs_on(mon: Mon, group: str) -> tuple[str, ...]:
    """Return the nodes where every part of the group runs (promoted, where it promotes)."""
    parts = serving(mon, group)
    names = {part.name for part in parts}
    return tuple(
        node
        for node in touches(mon, group)
        if names == {part.name for part in parts if part.running and node in part.nodes}
    )


def touches(mon: Mon, group: str) -> tuple[str, ...]:
    """Return the nodes where any part of it is."""
    return tuple(sorted({node for part in serving(mon, group) for node in part.nodes}))


def judge(views: Mapping[str, View], group: str, known: Mapping[str, str] | None = None) -> PacemakerState:
    """Return the state.

    Args:
        views: node in the inventory → what it said.
        group: the resource that is switched over.
        known: node → its name in the cluster, as learned before.
    """
    best = believed(views)
    names = cluster_names(views, known or {})
    claims = {node for node, view in views.items() if view.mon is not None and names[node] in runs_on(view.mon, group)}
    witnessed = {node: _holds(views[node], group) for node in claims}
    members = tuple(_member(node, view, views, names, group, best, witnessed) for node, view in views.items())
    if best is None or best.mon is None:
        silent = "no node tells the state of the cluster"
        return PacemakerState(members, pending=silent, facts=Facts(group, names=names))
    facts = troubles.facts(best, best.mon, group, names)
    active = [node for node in claims if witnessed[node]]
    return PacemakerState(
        members,
        pending=troubles.pending(views, best.mon, group),
        maintenance=best.mon.maintenance,
        incomplete=troubles.incomplete(views, best.mon, facts, active),
        facts=facts,
        notes=tuple(f"fencing: {event}" for event in facts.fenced[:FENCINGS_TOLD]),
    )


def group_addresses(view: View, group: str) -> set[str] | None:
    """Return the addresses that a node must have while the group runs there; None: not learned."""
    if view.config is None or view.mon is None:
        return None
    parts = {part.name for part in view.mon.parts(group)}
    return {address for name in parts for address in view.config.addresses.get(name, ())}


def _holds(view: View, group: str) -> bool | None:
    """Return whether the node itself has the group's addresses; None: it could not be learned."""
    wanted = group_addresses(view, group)
    if wanted is None or (wanted and view.addresses is None):
        return None
    return wanted <= (view.addresses or frozenset())


def _member(
    node: str,
    view: View,
    views: Mapping[str, View],
    names: Mapping[str, str],
    group: str,
    best: View | None,
    witnessed: Mapping[str, bool | None],
) -> Member:
    name = names[node]
    seen = _seen_by_others(node, name, views)
    if view.unreachable is not None:
        away = seen is not None and not seen.online
        role = OFFLINE if away and seen is not None and not seen.unclean else UNREACHABLE
        return Member(
            node, role, _word(seen) if away else "", problem=_join(view.unreachable, _said(seen, views, name, group))
        )
    if view.mon is None:
        held = _held_without(view, views, group)
        return Member(
            node,
            OFFLINE if view.stopped else "unknown",
            "stopped" if view.stopped else "",
            problem=_join(str(view.problem), held),
        )
    if node in witnessed:
        return _active(node, view, views, names, group, witnessed)
    if name in touches(view.mon, group):
        return Member(node, ACTIVE, "in part", problem=_partly(view.mon, group, name))
    own = view.mon.nodes.get(name)
    judged_by = best.mon if best is not None and best.credible and best.mon is not None else view.mon
    flags = judged_by.nodes.get(name) or own
    if flags is None:
        return Member(
            node,
            "unknown",
            problem=f"the cluster has no node {name}; its nodes are {', '.join(view.mon.nodes) or 'none'}",
        )
    if not flags.online or flags.pending or (own is not None and not own.online):
        return Member(node, _word(flags if not flags.online or flags.pending else own), problem=_unlike(view, flags))
    obstacles = troubles.obstacles(judged_by, best or view, group, name)
    if view.quorate is False:
        obstacles = ["it has no quorum", *obstacles]
    notes = [*obstacles, *troubles.notes(judged_by, group, name)]
    return Member(
        node, STANDBY, "drained" if flags.standby else "", ready=not obstacles, witness_primary=False,
        problem="; ".join(notes) or None,
    )  # fmt: skip


def _active(
    node: str,
    view: View,
    views: Mapping[str, View],
    names: Mapping[str, str],
    group: str,
    witnessed: Mapping[str, bool | None],
) -> Member:
    name, mine = names[node], witnessed[node]
    problems: list[str] = []
    if mine is None:
        problems.append("whether it has the addresses of the group could not be learned")
    elif not mine:
        missing = sorted((group_addresses(view, group) or set()) - (view.addresses or frozenset()))
        problems.append(f"it has not the address {', '.join(missing)} of the group")
    rivals = [other for other, holds in witnessed.items() if other != node and holds]
    against = _against(node, name, views, group)
    if mine and against and not rivals:
        mine = False
    problems += against
    if view.mon is not None:
        if view.quorate is False:
            problems.append("it has no quorum")
        problems += troubles.notes(view.mon, group, name)
        flags = view.mon.nodes.get(name)
        if flags is not None and flags.standby:
            problems.append("it is in standby mode")
    return Member(node, ACTIVE, "running", witness_primary=mine, problem="; ".join(problems) or None)


def _against(node: str, name: str, views: Mapping[str, View], group: str) -> list[str]:
    """Return what nodes with quorum say against it."""
    found = []
    for other, view in views.items():
        if other == node or not view.credible or view.mon is None:
            continue
        flags = view.mon.nodes.get(name)
        if flags is None or not flags.online or flags.unclean:
            found.append(f"{other}, which has quorum, holds it to be {_word(flags)}")
        elif runs_on(view.mon, group) != (name,):
            found.append(f"{other}, which has quorum, says that {group} runs on {_nodes(touches(view.mon, group))}")
    return found


def _seen_by_others(node: str, name: str, views: Mapping[str, View]) -> NodeSeen | None:
    return next(
        (
            seen for other, view in views.items()
            if other != node and view.credible and view.mon is not None and (seen := view.mon.nodes.get(name))
        ),
        None,
    )  # fmt: skip


def _said(seen: NodeSeen | None, views: Mapping[str, View], name: str, group: str) -> str | None:
    if seen is None:
        return None
    running = any(
        view.credible and view.mon is not None and name in touches(view.mon, group) for view in views.values()
    )
    where = f", and {group} to run there" if running else ""
    return f"the others hold it to be {_word(seen)}{where}"


def _held_without(view: View, views: Mapping[str, View], group: str) -> str | None:
    """Return the addresses of the group that a node has though its Pacemaker says nothing."""
    for other in views.values():
        held = sorted((group_addresses(other, group) or set()) & (view.addresses or frozenset()))
        if held:
            return f"yet it has the address {', '.join(held)} of {group}"
    return None


def _unlike(view: View, flags: NodeSeen) -> str | None:
    own = None if view.mon is None else view.mon.nodes.get(flags.name)
    if own is None or own.online == flags.online:
        return None
    return f"itself says {_word(own)}, a node with quorum says {_word(flags)}"


def _word(seen: NodeSeen | None) -> str:
    if seen is None:
        return "unknown"
    if seen.unclean:
        return "unclean"
    if seen.pending:
        return "joining"
    return "online" if seen.online else OFFLINE


def _partly(mon: Mon, group: str, name: str) -> str:
    words = [
        f"{part.name} {part.pending or ('FAILED' if part.failed else part.role)}"
        for part in serving(mon, group)
        if not (part.running and name in part.nodes)
    ]
    return f"{group} runs there in part: {', '.join(words) or 'not promoted'}"


def _nodes(names: Sequence[str]) -> str:
    return " and ".join(names) or "no node"


def _join(first: str, second: str | None) -> str:
    return f"{first}; {second}" if second else first
