# SPDX-License-Identifier: MIT
"""Patroni: state from its REST API, confirmed by PostgreSQL itself; switchover by REST.

Endpoints as in Patroni's "REST API" documentation: ``GET /cluster`` (members, roles, lag), ``GET /patroni`` (one
node's own view), ``POST /switchover`` (200 done, 4xx refused, 503 failed or not known).
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from pytest_harehearse.errors import Indeterminate, Refused, Unreachable
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.managers import patroni_pause, settings
from pytest_harehearse.managers import patroni_rest as rest
from pytest_harehearse.managers.base import SWITCHOVER_WAYS
from pytest_harehearse.managers.postgres_witness import Testimony, ask, url_of
from pytest_harehearse.managers.state import PRIMARY, REPLICA, UNREACHABLE, ClusterState, Member

_PRIMARY_WORDS = frozenset({"leader", "primary", "master", "standby_leader"})
_REPLICA_WORDS = frozenset({"replica", "sync_standby", "quorum_standby"})
#: The one 503 that says that nothing will happen any more: the request is gone, and the leader is the same.
_FAILED = "Switchover failed"
#: How often a standby that seems to lag is asked once more.
_AGAIN: Final = 2


@dataclass(frozen=True, slots=True)
class PatroniNode:
    """How one node is asked: its REST API, and PostgreSQL as the witness."""

    name: str
    host: str
    rest_port: int
    conninfo: str


def _role(word: str) -> str:
    if word in _PRIMARY_WORDS:
        return PRIMARY
    return REPLICA if word in _REPLICA_WORDS else word or "unknown"


def _sync_wanted(settings: dict[str, Any]) -> int:
    if not settings.get("synchronous_mode"):
        return 0
    count = settings.get("synchronous_node_count")
    return count if isinstance(count, int) else 1


def _listed(clusters: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return each member's entry by its name; nothing from what is no list of members."""
    members = clusters[0].get("members") if clusters else None
    if not isinstance(members, list):
        return {}
    return {str(entry.get("name")): entry for entry in members if isinstance(entry, dict)}


def _lag(entry: dict[str, Any]) -> int | None:
    lag = entry.get("lag")
    return lag if isinstance(lag, int) else None


def _behind(witness: Testimony, ahead: int | None) -> int | None:
    """Return how many bytes of the primary's log, as it was when asked, a standby has not replayed; None: not known."""
    if witness.primary is not False or witness.position is None or ahead is None:
        return None
    return max(0, ahead - witness.position)


class Patroni:
    """One Patroni cluster."""

    name = "patroni"
    switchover_ways: tuple[str, ...] = SWITCHOVER_WAYS["patroni"]

    def __init__(self, nodes: tuple[PatroniNode, ...], *, user: str, password: str) -> None:
        self._nodes = nodes
        self._auth = (user, password)

    def state(self, deadline: float = 3.0) -> ClusterState:
        """Return what Patroni's members and PostgreSQL itself say; see :class:`~.base.Manager`."""
        with ThreadPoolExecutor(max_workers=4 * len(self._nodes)) as pool:
            own = {n.name: pool.submit(rest.get, n.host, n.rest_port, "/patroni", deadline) for n in self._nodes}
            shared = {n.name: pool.submit(rest.get, n.host, n.rest_port, "/cluster", deadline) for n in self._nodes}
            wishes = [pool.submit(rest.get, n.host, n.rest_port, "/config", deadline) for n in self._nodes]
            witness = {n.name: pool.submit(ask, n.conninfo, deadline) for n in self._nodes}
            views = {name: future.result() for name, future in own.items()}
            testimony = {name: future.result() for name, future in witness.items()}
            ahead = max((one.position for one in testimony.values() if one.primary and one.position), default=None)
            for _ in range(_AGAIN):
                # Who was asked before the primary lacks what was written in between. Asked after it, a standby has what
                # the primary had, or it truly lags; without this, constant writes would look like lag.
                late = [node for node in self._nodes if (_behind(testimony[node.name], ahead) or 0) > 0]
                again = {node.name: pool.submit(ask, node.conninfo, deadline) for node in late}
                testimony |= {name: future.result() for name, future in again.items()}
            wanted = max(_sync_wanted(future.result().body) for future in wishes)
            clusters = [answer.body for future in shared.values() if (answer := future.result()).status == 200]
        listed = _listed(clusters)
        members = tuple(
            self._member(node.name, views[node.name], listed.get(node.name, {}), testimony[node.name], ahead)
            for node in self._nodes
        )
        paused = bool(clusters[0].get("pause")) if clusters else None
        return ClusterState(members, pending=self._pending(clusters), sync_wanted=wanted, maintenance=paused)

    def settings(self, node: str, deadline: float = 10.0) -> settings.Told:
        """Return what a node is set to, and what could not be read; see ``drift.of_cluster.TellsSettings``."""
        one = next(each for each in self._nodes if each.name == node)
        return settings.of_patroni(one.host, one.rest_port, one.conninfo, deadline)

    @staticmethod
    def _member(name: str, view: rest.Answer, entry: dict[str, Any], witness: Testimony, ahead: int | None) -> Member:
        if view.status is None:
            return Member(
                name, UNREACHABLE, witness_primary=witness.primary, timeline=witness.timeline,
                problem=f"its REST API did not answer: {view.problem}",
            )  # fmt: skip
        own = view.body
        role = _role(str(own.get("role", "")))
        state = str(own.get("state", ""))
        if state != "running":
            role = state or role
        streaming = (own.get("replication_state") == "streaming" or entry.get("state") == "streaming") and (
            state == "running"
        )
        timeline = own.get("timeline")
        behind = _behind(witness, ahead)
        return Member(
            name=name,
            role=role,
            state=state,
            timeline=timeline if isinstance(timeline, int) else witness.timeline,
            lag=(_lag(entry) if behind is None else behind) if role == REPLICA else None,
            streaming=streaming if role == REPLICA else None,
            sync=entry.get("role") in {"sync_standby", "quorum_standby"} or bool(own.get("sync_standby")),
            witness_primary=witness.primary,
            problem=f"PostgreSQL did not answer: {witness.problem}" if witness.problem else None,
        )

    @staticmethod
    def _pending(clusters: list[dict[str, Any]]) -> str | None:
        if not clusters:
            return "no member tells the state of the cluster"
        if clusters[0].get("pause"):
            return "Patroni is paused"
        if "scheduled_switchover" in clusters[0]:
            return f"a switchover is scheduled: {json.dumps(clusters[0]['scheduled_switchover'])}"
        return None

    def roles(self, deadline: float = 1.0) -> dict[str, str]:
        """Return each node's role by Patroni's own word."""
        with ThreadPoolExecutor(max_workers=len(self._nodes)) as pool:
            answers = list(pool.map(lambda n: rest.get(n.host, n.rest_port, "/patroni", deadline), self._nodes))
        found = {}
        for node, answer in zip(self._nodes, answers, strict=True):
            if answer.status is None:
                found[node.name] = "down" if answer.refused else UNREACHABLE
            else:
                state = str(answer.body.get("state", ""))
                found[node.name] = _role(str(answer.body.get("role", ""))) if state == "running" else state or "unknown"
        return found

    def claims(self) -> tuple[Service, ...]:
        """Return how each PostgreSQL is asked whether it is the primary; see :class:`~.base.Claims`."""
        return tuple(
            Service(
                node.name, "postgresql", url_of(node.conninfo), mode="claim", every=0.1, timeout=0.5,
                responders=(node.name,),
            )
            for node in self._nodes
        )  # fmt: skip

    def by(self, way: str) -> Patroni:  # noqa: ARG002 - the protocol's
        """Return the same: Patroni is asked by its REST API only."""
        return self

    def choose_target(self, state: ClusterState) -> str | None:
        """Return the synchronous standby, else the first that streams."""
        return state.standbys[0] if state.standbys else None

    def switchover_limitation(self, state: ClusterState, to: str | None) -> str | None:
        """Return why Patroni would refuse, or why it would be unwise; None when neither."""
        if state.pending:
            return state.pending
        if state.active is None:
            return "there is no confirmed primary to switch over from"
        if not state.standbys:
            return "no standby is streaming"
        if to is None:
            return None
        if to not in state.names:
            return f"{to!r} is not a node of it; nodes are {', '.join(state.names)}"
        if to == state.active:
            return f"{to} is the primary already"
        member = state.member(to)
        if not member.streaming:
            return f"{to} is not streaming: {member.describe()}"
        if any(m.sync for m in state.members) and not member.sync:
            synchronous = ", ".join(m.name for m in state.members if m.sync)
            return f"{to} is not a synchronous standby, so it may lack writes; {synchronous} is"
        return None

    def describe_switchover(self, leader: str, to: str) -> str:
        """Return the request in words."""
        return f'POST /switchover {{"leader": "{leader}", "candidate": "{to}"}} to {leader}'

    def switchover(self, state: ClusterState, to: str, deadline: float) -> str:
        """Ask the primary's Patroni for the switchover; see :class:`~.base.Switchover`."""
        leader = next((node for node in self._nodes if node.name == state.active), None)
        if leader is None:
            raise Refused("there is no confirmed primary to switch over from")
        answer = rest.post(
            leader.host, leader.rest_port, "/switchover",
            {"leader": leader.name, "candidate": to}, self._auth, deadline,
        )  # fmt: skip
        if answer.status is None:
            said = f"{self.describe_switchover(leader.name, to)}: {answer.problem}"
            if answer.refused:
                raise Unreachable(f"{said}. It was not sent, so nothing was changed.")
            raise Indeterminate(f"{said}. It was sent and not answered, so it may happen: unknown.")
        said = f"{answer.status} {answer.text}"
        if 400 <= answer.status < 500 or (answer.status == 503 and answer.text == _FAILED):
            raise Refused(f"Patroni refused the switchover from {leader.name} to {to}: {said}")
        if answer.status != 200:
            # "Switchover status unknown", "failed to write failover key into DCS", an error of its own: no clear no.
            raise Indeterminate(
                f"Patroni could not say what became of the switchover from {leader.name} to {to}: {said}. "
                "It may happen: unknown."
            )
        return said

    # -- Maintenance and StartsInMaintenance -----------------------------------------------------------------------

    def maintenance(self, on: bool, deadline: float = 60.0) -> str:
        """Pause or resume; see :class:`~.capabilities.Maintenance`."""
        return patroni_pause.switch(self._nodes, self._auth, on, deadline)

    def start_in_maintenance(self, node: str, deadline: float = 60.0) -> str:
        """Start PostgreSQL that the pause leaves stopped; see :class:`~.capabilities.StartsInMaintenance`."""
        return patroni_pause.start(next(one for one in self._nodes if one.name == node), self._auth, deadline)
