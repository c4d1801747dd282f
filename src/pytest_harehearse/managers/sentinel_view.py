# SPDX-License-Identifier: MIT
"""What one sentinel and one Valkey server say, out of their replies. Pure.

Replies as in Valkey's documentation of ``SENTINEL`` and ``INFO replication``; they still say master and slave.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from pytest_harehearse.managers.valkey_ask import Answer, Error, Place

SERVER_COMMANDS: Final = (("INFO", "replication"),)
NO_FAILOVER: Final = "no-failover"


def sentinel_commands(cluster: str) -> tuple[tuple[str, ...], ...]:
    """Return what a sentinel is asked."""
    return (
        ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", cluster),
        ("SENTINEL", "MASTER", cluster),
        ("SENTINEL", "REPLICAS", cluster),
    )


@dataclass(frozen=True, slots=True)
class SentinelView:
    """One sentinel's word; ``problem``: why there is none."""

    place: Place
    problem: str | None = None
    #: HOST:PORT of the primary.
    primary: str | None = None
    flags: frozenset[str] = frozenset()
    #: How many other sentinels it knows.
    others: int | None = None
    #: HOST:PORT of each replica → its flags.
    replicas: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """It conducts a failover just now."""
        return "failover_in_progress" in self.flags


@dataclass(frozen=True, slots=True)
class ServerView:
    """A server's own word; ``problem``: why there is none."""

    name: str
    problem: str | None = None
    primary: bool | None = None
    #: Bytes of the replication stream that it has.
    offset: int | None = None
    #: HOST:PORT that it replicates from.
    source: str | None = None
    link_up: bool = False
    #: Its own part of a coordinated failover.
    failover: str = NO_FAILOVER
    priority: int | None = None


def _pairs(reply: Any) -> dict[str, str]:
    """Return a flat list of names and values as a table."""
    if not isinstance(reply, list):
        return {}
    return {str(name): str(value) for name, value in zip(reply[::2], reply[1::2], strict=False)}


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.lstrip("-").isdecimal() else None


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in text.split(",") if word)


def read_sentinel(place: Place, answer: Answer) -> SentinelView:
    """Return a sentinel's word."""
    if answer.replies is None:
        return SentinelView(place, problem=answer.problem)
    address, about, replicas = answer.replies
    for reply in answer.replies:
        if isinstance(reply, Error):
            return SentinelView(place, problem=f"{place} says: {reply.text}")
    if not isinstance(address, list) or len(address) != 2:
        return SentinelView(place, problem=f"{place} knows no such cluster")
    table = _pairs(about)
    listed = [_pairs(entry) for entry in replicas] if isinstance(replicas, list) else []
    return SentinelView(
        place,
        primary=f"{address[0]}:{address[1]}",
        flags=_words(table.get("flags", "")),
        others=_number(table.get("num-other-sentinels")),
        replicas={f"{e.get('ip')}:{e.get('port')}": _words(e.get("flags", "")) for e in listed},
    )


def read_server(name: str, answer: Answer) -> ServerView:
    """Return a server's word."""
    if answer.replies is None:
        return ServerView(name, problem=answer.problem)
    (text,) = answer.replies
    if isinstance(text, Error):
        return ServerView(name, problem=f"it says: {text.text}")
    lines = (line.partition(":") for line in str(text).splitlines())
    table = {key: value.strip() for key, colon, value in lines if colon}
    role = table.get("role")
    if role not in {"master", "slave"}:
        return ServerView(name, problem="its INFO has no role")
    primary = role == "master"
    return ServerView(
        name,
        primary=primary,
        offset=_number(table.get("master_repl_offset" if primary else "slave_repl_offset")),
        source=None if primary else f"{table.get('master_host')}:{table.get('master_port')}",
        link_up=table.get("master_link_status") == "up",
        failover=table.get("master_failover_state", NO_FAILOVER),
        priority=None if primary else _number(table.get("slave_priority")),
    )
