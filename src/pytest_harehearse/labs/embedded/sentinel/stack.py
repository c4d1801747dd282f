# SPDX-License-Identifier: MIT
"""The Valkey clusters of an embedded lab: how they are placed, started, asked and ended."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from pytest_harehearse.errors import LabError
from pytest_harehearse.inventory.model import Cluster, Service
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.base import Reached, Say
from pytest_harehearse.labs.embedded import launch, wheels
from pytest_harehearse.labs.embedded.privilege import Privilege
from pytest_harehearse.labs.embedded.sentinel import config
from pytest_harehearse.labs.embedded.sentinel.services import known_services
from pytest_harehearse.labs.embedded.stack import log_of, node_folder
from pytest_harehearse.labs.home import LabState, NodePlace
from pytest_harehearse.managers.sentinel import Sentinel, ValkeyNode
from pytest_harehearse.managers.state import UNREACHABLE, ClusterState
from pytest_harehearse.managers.valkey_ask import Place

SENTINELS: Final = 3
#: As many must agree that the primary is down: what still is a majority when a node is lost with its sentinel.
QUORUM: Final = 2
#: Longer than the sentinels take to fail over: down-after, the vote, the promotion.
_DECIDED_S: Final = 15.0
_SERVER: Final = "Valkey"
_SENTINEL: Final = "its sentinel"


class SentinelStack:
    """See :class:`~..stack.Stack`.

    Three sentinels a cluster, one beside the server of each of the first three nodes, as most deployments have it: who
    kills a node's stack kills its sentinel too, and the other two still are a majority. A cluster of two nodes has its
    third sentinel at a place of its own, as a witness.
    """

    key: ClassVar[str] = "valkey"
    #: Valkey saves and ends.
    stop: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, home: Path, clusters: tuple[Cluster, ...]) -> None:
        self._home = home
        self._clusters = clusters

    @property
    def clusters(self) -> tuple[str, ...]:
        """Names of the clusters."""
        return tuple(cluster.name for cluster in self._clusters)

    @staticmethod
    def missing() -> list[str]:
        """Return the wheels that are not installed."""
        return wheels.missing(("sentinel",))

    def helpers(self) -> tuple[dict[str, int], ...]:
        """Return the port of every witness."""
        return tuple({"sentinel": config.SENTINEL} for _ in self._witnessed())

    def _witnessed(self) -> list[str]:
        return [cluster.name for cluster in self._clusters if len(cluster.nodes) < SENTINELS]

    @staticmethod
    def node() -> dict[str, int]:
        """Return the server's and the sentinel's port."""
        return {"valkey": config.VALKEY, "sentinel": config.SENTINEL}

    def placed(self, helpers: tuple[str, ...], nodes: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
        """Return where the sentinels are."""
        witness = dict(zip(self._witnessed(), helpers, strict=True))
        return {
            "sentinels": {
                cluster: (*addresses[:SENTINELS], *([witness[cluster]] if cluster in witness else []))
                for cluster, addresses in nodes.items()
            }
        }

    @staticmethod
    def prepare() -> str | None:
        """Valkey runs as whoever runs the lab, root too."""
        return None

    def start(self, state: LabState, say: Say, until: float) -> None:
        """Start every server, and the sentinels once the replicas are in.

        A sentinel learns of the replicas by asking the primary when it starts, and again only 10 s later.
        """
        for cluster in self._clusters:
            places = state.clusters[cluster.name]
            first = next(iter(places))
            for node, place in places.items():
                say(f"starting {cluster.name}/{node}: Valkey {place.address}:{place.ports['valkey']}")
                self._start_server(state, cluster.name, node, None if node == first else places[first])
        for cluster in self._clusters:
            manager = self.reach(state, cluster).manager
            while lacking := _not_following(manager.state()):
                if time.monotonic() > until:
                    raise TimeoutError(f"did not get its Valkey replicas in {cluster.name}: {lacking}")
                time.sleep(0.05)
            addresses = state.sentinels[cluster.name]
            say(f"starting the sentinels of {cluster.name} on {', '.join(addresses)}")
            for address in addresses:
                self._start_sentinel(state, cluster.name, address)

    def absent(self, state: LabState, cluster: str, node: str) -> tuple[str, ...]:
        """Return which of server and sentinel do not run; who was killed while killing or starting leaves one of them."""
        folder = node_folder(self._home, cluster, node)
        found = processes.below(folder)
        wanted = {_SERVER: any(_is_server(process) for process in found)}
        if state.clusters[cluster][node].address in state.sentinels[cluster]:
            wanted[_SENTINEL] = any(self.manages(process, folder) for process in found)
        return tuple(what for what, runs in wanted.items() if not runs)

    def start_node(self, state: LabState, cluster: str, node: str) -> None:
        """Start a killed node's sentinel, and its server as a replica of whom the sentinels name by then.

        Started as it was, an old primary would serve for about 10 s, until the sentinels demote it. While nobody else is
        named, its start waits for their decision.

        Raises:
            LabError: two servers call themselves primary, and the sentinels do not settle it.
        """
        places = state.clusters[cluster]
        absent = self.absent(state, cluster, node)
        if _SENTINEL in absent:
            # First: it may be the one that is lacking for a majority.
            self._start_sentinel(state, cluster, places[node].address)
        if _SERVER not in absent:
            return
        seen = self._decided(state, cluster, node)
        serving = [member.name for member in seen.members if member.witness_primary]
        primary = seen.active or (serving[0] if len(serving) == 1 else None)
        if primary is not None:
            self._start_server(state, cluster, node, places[primary])
        elif not serving:
            # Nobody serves and nobody is named: its own settings are the last word, and its data is there.
            self._spawn_server(cluster, node)
        else:
            processes.kill_all(node_folder(self._home, cluster, node))
            raise LabError(
                f"{cluster}/{node} was not started, for it is not known whose replica it would be; waited "
                f"{_DECIDED_S:.0f} s for the sentinels. Seen last: {seen.describe()}"
            )

    def _decided(self, state: LabState, cluster: str, node: str) -> ClusterState:
        manager = self.reach(state, next(found for found in self._clusters if found.name == cluster)).manager
        deadline = time.monotonic() + _DECIDED_S
        while True:
            seen = manager.state()
            others = [member for member in seen.members if member.name != node]
            alone = all(member.role == UNREACHABLE for member in others)
            if seen.active is not None or alone or time.monotonic() > deadline:
                return seen
            time.sleep(0.1)

    def _start_server(self, state: LabState, cluster: str, node: str, primary: NodePlace | None) -> None:
        folder = launch.make_folder(Privilege(), node_folder(self._home, cluster, node))
        rank = list(state.clusters[cluster]).index(node)
        text = config.server(state.clusters[cluster][node], rank, primary, state.secrets[self.key])
        launch.write_settings(Privilege(), folder / "valkey.conf", text)
        self._spawn_server(cluster, node)

    def _spawn_server(self, cluster: str, node: str) -> None:
        folder = node_folder(self._home, cluster, node)
        command = [str(wheels.valkey()), str(folder / "valkey.conf")]
        launch.spawn(Privilege(), command, folder, log_of(self._home, cluster, node))

    def _start_sentinel(self, state: LabState, cluster: str, address: str) -> None:
        places = state.clusters[cluster]
        node = next((name for name, place in places.items() if place.address == address), None)
        folder = node_folder(self._home, cluster, node) if node else self._witness_folder(cluster)
        file = launch.make_folder(Privilege(), folder) / "sentinel.conf"
        if not file.exists():
            first = next(iter(places.values()))
            text = config.sentinel(cluster, address, first, QUORUM, state.secrets[self.key])
            launch.write_settings(Privilege(), file, text)
        log = log_of(self._home, cluster, f"{node or 'witness'}-sentinel")
        launch.spawn(Privilege(), [str(wheels.valkey()), str(file), "--sentinel"], folder, log)

    def _witness_folder(self, cluster: str) -> Path:
        # No node and no cluster can be named so.
        return self._home / cluster / "+witness"

    def reach(self, state: LabState, cluster: Cluster) -> Reached:
        """Return a cluster with its services and its manager."""
        secret = state.secrets[self.key]
        places = {
            node: Place(place.address, place.ports["valkey"]) for node, place in state.clusters[cluster.name].items()
        }
        manager = Sentinel(
            cluster.name,
            tuple(ValkeyNode(node, place) for node, place in places.items()),
            tuple(Place(address, config.SENTINEL) for address in state.sentinels[cluster.name]),
            password=secret,
        )
        hosts = {node: str(place) for node, place in places.items()}
        return Reached(dataclasses.replace(cluster, services=known_services(cluster, hosts, secret)), manager)

    def usable(self, state: LabState, folders: Collection[Path]) -> bool:
        """Return whether a majority of each cluster's places with a sentinel lives; a node may be down on purpose."""
        for cluster in self._clusters:
            held = state.sentinels.get(cluster.name, ())
            places = [n for n, p in state.clusters[cluster.name].items() if p.address in held]
            alive = [node for node in places if node_folder(self._home, cluster.name, node) in folders]
            witness = self._witness_folder(cluster.name) in folders
            if len(alive) + witness < QUORUM:
                return False
        return True

    def dcs(self, cluster: str) -> tuple[Path, ...]:
        """Return where the sentinels work: beside the first nodes, and the witness where there are too few."""
        names = [node.name for found in self._clusters if found.name == cluster for node in found.nodes]
        beside = [node_folder(self._home, cluster, name) for name in names[:SENTINELS]]
        return (*beside, *([self._witness_folder(cluster)] if cluster in self._witnessed() else []))

    @staticmethod
    def in_dcs(process: processes.Found) -> bool:
        """A sentinel, and not the server beside it."""
        return _is_sentinel(process)

    @staticmethod
    def manages(process: processes.Found, folder: Path) -> bool:  # noqa: ARG004 - the protocol's
        """The sentinel."""
        return _is_sentinel(process)

    @staticmethod
    def serves(process: processes.Found) -> bool:  # noqa: ARG004 - the protocol's
        """No: a Valkey that dies is not restarted by anybody here."""
        return False

    @staticmethod
    def services(cluster: Cluster) -> tuple[Service, ...]:
        """Return what a cluster's users will reach."""
        return known_services(cluster, {node.name: node.name for node in cluster.nodes}, "")

    @staticmethod
    def end_first(home: Path) -> None:
        """Nothing: a killed Valkey leaves nothing behind."""

    @staticmethod
    def sweep(home: Path) -> None:
        """Nothing."""


def _is_sentinel(process: processes.Found) -> bool:
    """As it was started, or as it calls itself from then on."""
    return process.command.endswith("--sentinel") or "[sentinel]" in process.command


def _is_server(process: processes.Found) -> bool:
    """The server itself: what it forks to write a file has another name, and does not outlive it."""
    return not _is_sentinel(process) and process.command.split(" ")[0].endswith("valkey-server")


def _not_following(state: ClusterState) -> str | None:
    """Return which server is neither primary nor linked to it, by the servers' word alone; None: all are."""
    for member in state.members:
        if not member.witness_primary and member.state != "running":
            return member.describe()
    return None
