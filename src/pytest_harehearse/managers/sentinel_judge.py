# SPDX-License-Identifier: MIT
"""The state of a cluster from the words of its sentinels and its servers. Pure.

The primary is who a majority of all sentinels names. A server that calls itself primary and is not named stays visible as
a second primary: as long as an old primary is not demoted, it takes writes that will be lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pytest_harehearse.managers.sentinel_view import NO_FAILOVER, SentinelView, ServerView
from pytest_harehearse.managers.state import PRIMARY, REPLICA, UNREACHABLE, ClusterState, Member
from pytest_harehearse.managers.valkey_ask import Place

_DOWN = frozenset({"s_down", "o_down", "disconnected"})


def majority(sentinels: int) -> int:
    """Return how many sentinels must agree."""
    return sentinels // 2 + 1


def appointed(views: Sequence[SentinelView]) -> str | None:
    """Return HOST:PORT of the primary that a majority of the sentinels names; None: no such majority."""
    votes = Counter(view.primary for view in views if view.problem is None)
    found, count = votes.most_common(1)[0] if votes else (None, 0)
    return found if count >= majority(len(views)) else None


def judge(
    places: Mapping[str, Place], views: Sequence[SentinelView], servers: Mapping[str, ServerView]
) -> ClusterState:
    """Return the state.

    Args:
        places: node → where its server listens.
        views: the word of every sentinel there should be.
        servers: node → its own word.
    """
    names = {str(place): name for name, place in places.items()}
    primary = appointed(views)
    chosen = names.get(primary or "")
    confirmed = chosen is not None and servers[chosen].primary is True
    known = frozenset(address for view in views for address in view.replicas)
    members = tuple(
        _member(
            servers[name],
            named=name == chosen,
            rival=confirmed,
            known=str(place) in known,
            primary=primary,
            offset=servers[chosen].offset if chosen else None,
            names=names,
        )
        for name, place in places.items()
    )
    return ClusterState(
        members,
        pending=_pending(views, servers, names, chosen, primary),
        incomplete=_incomplete(views, places, chosen),
    )


def _member(
    own: ServerView,
    *,
    named: bool,
    rival: bool,
    known: bool,
    primary: str | None,
    offset: int | None,
    names: Mapping[str, str],
) -> Member:
    if own.problem is not None:
        return Member(own.name, UNREACHABLE, problem=own.problem)
    if named:
        problem = None if own.primary else "the sentinels name it, it calls itself a replica"
        return Member(own.name, PRIMARY, "running", witness_primary=own.primary, problem=problem)
    if own.primary:
        # Beside a primary that confirms itself it is the second one; alone it is none that the sentinels know of.
        state = "running" if rival else "not appointed"
        return Member(own.name, PRIMARY, state, witness_primary=True, problem="the sentinels do not name it")
    follows = own.source == primary
    wrong = None if follows else f"it replicates from {names.get(own.source or '', own.source)}"
    lag = None if offset is None or own.offset is None else max(0, offset - own.offset)
    return Member(
        own.name,
        REPLICA if known else "unlisted",
        "running" if own.link_up else "link down",
        lag=lag,
        streaming=own.link_up and follows,
        witness_primary=False,
        problem=wrong if known else "no sentinel lists it",
        priority=own.priority,
    )


def _pending(
    views: Sequence[SentinelView],
    servers: Mapping[str, ServerView],
    names: Mapping[str, str],
    chosen: str | None,
    primary: str | None,
) -> str | None:
    answering = [view for view in views if view.problem is None]
    needed = majority(len(views))
    if len(answering) < needed:
        why = "; ".join(str(view.problem) for view in views if view.problem)
        return f"{len(answering)} of {len(views)} sentinels answer, and a failover needs {needed} ({why})"
    words: dict[str, list[str]] = {}
    for view in answering:
        words.setdefault(str(view.primary), []).append(str(view.place))
    if len(words) > 1:
        said = "; ".join(f"{names.get(who, who)} by {', '.join(by)}" for who, by in sorted(words.items()))
        return f"the sentinels do not agree on the primary ({said})"
    for view in answering:
        if view.busy:
            return f"a failover is in progress ({view.place}: {','.join(sorted(view.flags))})"
    for server in servers.values():
        if server.failover != NO_FAILOVER:
            return f"{server.name} is in a failover ({server.failover})"
    if chosen is None:
        return f"the sentinels name {primary} as the primary, which is no node of the cluster"
    if sum("o_down" in view.flags for view in answering) > 0:
        return f"the sentinels hold {chosen} to be down"
    return None


def _incomplete(views: Sequence[SentinelView], places: Mapping[str, Place], chosen: str | None) -> str | None:
    for view in views:
        if view.problem is not None:
            return f"a sentinel does not answer: {view.problem}"
        if view.others is not None and view.others < len(views) - 1:
            return f"the sentinel {view.place} knows {view.others} of {len(views) - 1} others"
        for name, place in places.items():
            if name == chosen:
                continue
            flags = view.replicas.get(str(place))
            if flags is None:
                return f"the sentinel {view.place} does not list {name} as a replica"
            if flags & _DOWN:
                return f"the sentinel {view.place} cannot use {name}: {','.join(sorted(flags))}"
    return None
