# SPDX-License-Identifier: MIT
"""Sentinel: state by the word of a majority of the sentinels, confirmed by the servers; failover as a switchover.

``SENTINEL FAILOVER name COORDINATED`` (Valkey 9) lets the primary itself hand over: it stops taking writes, waits for the
replica, and steps down: 0.3 to 1.2 s without writes, none lost. The classic ``SENTINEL FAILOVER name`` promotes the replica
at once and leaves the old primary serving until the sentinels demote it: 11 s with two primaries, about 1 100 acknowledged
writes lost by a client at 100 Hz, and no error (measured 2026-11, Valkey 9.1.2, in the embedded lab). Neither takes a
target: the sentinels choose by ``replica-priority``, then by who has most, then by run id.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from pytest_harehearse.errors import Indeterminate, Refused, Unreachable
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.managers import settings
from pytest_harehearse.managers.base import SWITCHOVER_WAYS
from pytest_harehearse.managers.sentinel_judge import judge
from pytest_harehearse.managers.sentinel_view import (
    SERVER_COMMANDS,
    ServerView,
    read_sentinel,
    read_server,
    sentinel_commands,
)
from pytest_harehearse.managers.state import PRIMARY, REPLICA, UNREACHABLE, ClusterState
from pytest_harehearse.managers.valkey_ask import Answer, Error, Place, ask

#: Way → what is added to ``SENTINEL FAILOVER name``.
_WAYS: Final = {"coordinated": ("COORDINATED",), "classic": ()}
_ROLES: Final = {"master": PRIMARY, "slave": REPLICA}
#: How often a replica that lacks bytes is asked again.
_AGAIN: Final = 2


@dataclass(frozen=True, slots=True)
class ValkeyNode:
    """A node's server."""

    name: str
    place: Place


class Sentinel:
    """One cluster of Valkey servers under the sentinels' watch."""

    name = "sentinel"
    switchover_ways: tuple[str, ...] = SWITCHOVER_WAYS["sentinel"]

    def __init__(
        self,
        cluster: str,
        nodes: tuple[ValkeyNode, ...],
        sentinels: tuple[Place, ...],
        *,
        password: str,
        way: str = "coordinated",
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._sentinels = sentinels
        self._password = password
        self._way = way

    # -- what it says ----------------------------------------------------------------------------------------------

    def state(self, deadline: float = 3.0) -> ClusterState:
        """Return what the sentinels and the servers say; see :class:`~.base.Manager`."""
        with ThreadPoolExecutor(max_workers=len(self._sentinels) + len(self._nodes)) as pool:
            commands = sentinel_commands(self._cluster)
            words = [(place, pool.submit(ask, place, self._password, commands, deadline)) for place in self._sentinels]
            own = {node.name: pool.submit(self._ask_server, node, deadline) for node in self._nodes}
            servers = {name: future.result() for name, future in own.items()}
            for _ in range(_AGAIN):
                # Who was asked before the primary lacks what was written in between. Asked after it, a replica has what
                # the primary had, or it truly lags; without this, constant writes would look like lag.
                late = [node for node in self._nodes if _behind(servers[node.name], servers)]
                again = {node.name: pool.submit(self._ask_server, node, deadline) for node in late}
                servers |= {name: future.result() for name, future in again.items()}
            views = [read_sentinel(place, future.result()) for place, future in words]
        return judge({node.name: node.place for node in self._nodes}, views, servers)

    def settings(self, node: str, deadline: float = 10.0) -> settings.Told:
        """Return what a node's server is set to, and what could not be read; see ``drift.of_cluster.TellsSettings``."""
        one = next(each for each in self._nodes if each.name == node)
        return settings.of_valkey(one.place, self._password, deadline)

    def _ask_server(self, node: ValkeyNode, deadline: float) -> ServerView:
        return read_server(node.name, ask(node.place, self._password, SERVER_COMMANDS, deadline))

    def roles(self, deadline: float = 1.0) -> dict[str, str]:
        """Return each node's role by its server's own word, so that two primaries show."""
        with ThreadPoolExecutor(max_workers=len(self._nodes)) as pool:
            answers = pool.map(lambda node: ask(node.place, self._password, (("ROLE",),), deadline), self._nodes)
            return {node.name: _role(answer) for node, answer in zip(self._nodes, answers, strict=True)}

    def claims(self) -> tuple[Service, ...]:
        """Return how each server is asked whether it is the primary; see :class:`~.base.Claims`."""
        return tuple(
            Service(
                node.name, "redis", f"redis://:{quote(self._password, safe='')}@{node.place}/0",
                mode="claim", every=0.1, timeout=0.5, responders=(node.name,),
            )
            for node in self._nodes
        )  # fmt: skip

    # -- what it does ----------------------------------------------------------------------------------------------

    def by(self, way: str) -> Sentinel:
        """Return the same cluster, its switchover made in this way; see :class:`~.base.SwitchoverWays`."""
        return Sentinel(self._cluster, self._nodes, self._sentinels, password=self._password, way=way)

    def candidates(self, state: ClusterState) -> tuple[str, ...]:
        """Return the replicas of the lowest ``replica-priority``; 0 is never promoted."""
        ready = {name: state.member(name).priority for name in state.standbys}
        lowest = min((priority for priority in ready.values() if priority), default=None)
        return tuple(name for name, priority in ready.items() if lowest is not None and priority == lowest)

    def choose_target(self, state: ClusterState) -> str | None:
        """Return the first of :meth:`candidates`."""
        return next(iter(self.candidates(state)), None)

    def switchover_limitation(self, state: ClusterState, to: str | None) -> str | None:
        """Return why the sentinels would refuse, or could not be asked for that target; None when neither."""
        if state.pending:
            return state.pending
        if state.active is None:
            return "there is no confirmed primary to switch over from"
        if not state.standbys:
            return "no replica is streaming"
        candidates = self.candidates(state)
        if not candidates:
            return f"the sentinels promote none of {', '.join(state.standbys)}: replica-priority is 0"
        if to is None:
            return None
        if to not in state.names:
            return f"{to!r} is not a node of it; nodes are {', '.join(state.names)}"
        if to == state.active:
            return f"{to} is the primary already"
        if not state.member(to).streaming:
            return f"{to} is not streaming: {state.member(to).describe()}"
        if candidates != (to,):
            return (
                f"Sentinel takes no target and would choose {' or '.join(candidates)}: the lowest replica-priority first, "
                f"then who has most. Name no target, or give {to} a lower replica-priority than the others"
            )
        return None

    def describe_switchover(self, leader: str, to: str) -> str:
        """Return the request in words."""
        return f"{' '.join(self._request())} ({leader} → {to}) to a sentinel"

    def _request(self) -> tuple[str, ...]:
        return ("SENTINEL", "FAILOVER", self._cluster, *_WAYS[self._way])

    def switchover(self, state: ClusterState, to: str, deadline: float) -> str:
        """Ask the first sentinel that can be reached; see :class:`~.base.Switchover`."""
        said = self.describe_switchover(str(state.active), to)
        unreached = []
        for place in self._sentinels:
            answer = ask(place, self._password, (self._request(),), min(deadline, 5.0))
            if answer.unsent:
                unreached.append(answer.problem)
                continue
            if answer.replies is None:
                raise Indeterminate(
                    f"{said}: {answer.problem}. It was sent and not answered, so it may happen: unknown."
                )
            (reply,) = answer.replies
            if isinstance(reply, Error):
                raise Refused(
                    f"The sentinel {place} refused the failover from {state.active}: {reply.text}{self._hint()}"
                )
            return f"{reply} by the sentinel {place}"
        raise Unreachable(f"{said}: {'; '.join(unreached)}. It was not sent, so nothing was changed.")

    def _hint(self) -> str:
        return " (COORDINATED needs Valkey 9 or newer; how='classic' does not)" if self._way == "coordinated" else ""


def _behind(view: ServerView, servers: Mapping[str, ServerView]) -> bool:
    most = max((s.offset for s in servers.values() if s.primary and s.offset is not None), default=0)
    return view.primary is False and view.offset is not None and view.offset < most


def _role(answer: Answer) -> str:
    if answer.replies is None:
        return "down" if answer.refused else UNREACHABLE
    (reply,) = answer.replies
    if isinstance(reply, Error) or not isinstance(reply, list) or not reply:
        return "unknown"
    return _ROLES.get(str(reply[0]), "unknown")
