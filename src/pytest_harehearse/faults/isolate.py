# SPDX-License-Identifier: MIT
"""``net_isolate_from_clients``: users do not reach the service on a node, and the cluster sees nothing of it."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults import nft
from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.on_node import OnNode, Scripts
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.managers.capabilities import OwnsAddresses
from pytest_harehearse.units import seconds

#: Of kinds of probes whose URLs often name none.
_PORTS: Final = {"http": 80, "https": 443, "postgresql": 5432, "postgres": 5432, "redis": 6379, "valkey": 6379}
#: A user's connection that is dropped says nothing; this long it is waited for.
_TRY_S: Final = 0.5


def reached(services: Iterable[Service]) -> tuple[tuple[str, int], ...]:
    """Return host and port of what users reach, in the order of the inventory."""
    found: dict[tuple[str, int], None] = {}
    for service in services:
        parts = urlsplit(service.url)
        for one in parts.netloc.rpartition("@")[2].split(","):
            with suppress(ValueError):
                there = urlsplit(f"//{one}")
                port = there.port or _PORTS.get(parts.scheme, 0)
                if there.hostname and port:
                    found[there.hostname, port] = None
    return tuple(found)


class Isolated(OnNode):
    """Users do not reach a node; the runner, who is one of them, proves it: see :class:`~.base.Fault`."""

    doors: tuple[tuple[str, int], ...] = ()

    def effect(self) -> str | None:
        """Proved by the node, which dropped what the runner, as users do, sent to the service."""
        for host, port in self.doors:
            with suppress(OSError), socket.create_connection((host, port), timeout=_TRY_S):
                pass
        return super().effect()


def net_isolate_from_clients(scene: Scene, node: str, *, dead_man: str | None = None) -> Fault:
    """Let no user reach the service on a node: the node drops what is not from the cluster's nodes to where users go.

    That is to the addresses that move with the service, whatever the port, or, where there are none, to host and port of
    the services in the inventory. The cluster stays green: nothing that it watches fails. So nothing moves, and users are
    down until the undo (expected: ``stays_down_safely``), unless the cluster watches the way to its users (as by
    ``ocf:pacemaker:ping``).

    Args:
        scene: where.
        node: which node; it has to be the one that users reach now.
        dead_man: how long it outlives a runner that was killed, as "30s".
    """

    def scripts() -> Scripts:
        owned = scene.manager.addresses() if isinstance(scene.manager, OwnsAddresses) else ()
        channel = scene.channels[node]
        wanted: list[tuple[str, str]] = [(address, "") for address in owned]
        if not wanted:
            known = nft.resolved(channel, [host for host, _ in fault.doors])
            wanted = [(address, f"tcp {{side}} {port} ") for host, port in fault.doors for address in known[host]]
        if not wanted:
            raise Unsupported(f"{scene.cluster.id} has no service with an address that users reach")
        here = set(nft.addresses(channel))
        mine = [one for one in wanted if one[0] in here]
        if not mine:
            listed = ", ".join(dict.fromkeys(address for address, _ in wanted))
            raise Unsupported(
                f"{node} has none of the addresses that users reach ({listed}), so they are not there now"
            )
        friends = nft.by_family(nft.addresses_of(scene.channels, scene.nodes))
        rules: dict[str, list[str]] = {"input": [], "output": []}
        for address, port in mine:
            (family,) = nft.by_family([address])
            for hook, of_user, of_service, side in (
                ("input", "saddr", "daddr", "dport"), ("output", "daddr", "saddr", "sport"),
            ):  # fmt: skip
                but = f"{family} {of_user} != {{ {friends[family]} }} " if family in friends else ""
                ported = port.format(side=side)
                rules[hook].append(f"{but}{family} {of_service} {address} {ported}counter drop")
        chains = "\n".join(nft.chain(hook, some) for hook, some in rules.items())
        return Scripts(nft.STRIKE, nft.EFFECT, nft.UNDO, nft.UNDONE, (chains,))

    fault = Isolated(
        "net_isolate_from_clients", scene.channels, node, scripts, needs=nft.NEEDS,
        strike_text=f"on {node}, drop what users send to the service there and what it answers (an nft table of our own); "
        "the cluster's nodes still reach it",
        undo_text=f"on {node}, delete that table",
        dead_man=scene.dead_man if dead_man is None else seconds(dead_man), expected=Expected.STAYS_DOWN,
    )  # fmt: skip
    fault.doors = reached(scene.cluster.services)
    return fault
