# SPDX-License-Identifier: MIT
"""The embedded lab: a real PostgreSQL HA cluster (Patroni, etcd) as processes on loopback, from wheels alone."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

from pytest_harehearse.errors import LabError
from pytest_harehearse.inventory.model import Environment, Inventory
from pytest_harehearse.labs import home as homes
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.base import LabReport, Reached, Say
from pytest_harehearse.labs.embedded import addresses, config, servers
from pytest_harehearse.labs.embedded.privilege import Privilege, choose
from pytest_harehearse.labs.embedded.services import known_services
from pytest_harehearse.labs.embedded.wheels import Binaries, binaries
from pytest_harehearse.labs.home import LabState, NodePlace, Owner
from pytest_harehearse.managers.patroni import Patroni, PatroniNode
from pytest_harehearse.safety.lock import FileLock, Held

ETCD_MEMBERS = 3
FIRST_NODE = 11


class EmbeddedLab:
    """The embedded lab of one environment; see :class:`~..base.Lab`."""

    def __init__(self, inventory: Inventory, environment: Environment) -> None:
        self.environment = environment
        self.inventory = inventory.path
        self.home = homes.home_of(inventory.path, environment.name)

    # -- life ------------------------------------------------------------------------------------------------------

    def up(self, say: Say, *, keep: bool, within: float = 90.0) -> bool:
        """Create the lab and wait until every cluster is healthy; return False when it already was up.

        Raises:
            LabError: a wheel is missing, no address is free, a server died, or it was not healthy in time; nothing is
                left behind then.
        """
        try:
            return self._up(say, keep=keep, within=within)
        except BaseException:
            homes.tidy()
            raise

    def _up(self, say: Say, *, keep: bool, within: float) -> bool:
        programs = binaries()
        with self._lock():
            self._sweep(say)
            state = homes.read(self.home)
            if state is not None and self._usable(state):
                if keep and not state.keep:
                    homes.save(self.home, dataclasses.replace(state, keep=True))
                return False
            if self.home.exists():
                say(f"removing what is left of an earlier {self.environment.name}")
                servers.remove(self.home)
            began = time.monotonic()
            try:
                state = self._create(say, keep, programs, began, within)
            except BaseException:
                servers.remove(self.home)
                raise
            homes.save(self.home, dataclasses.replace(state, phase="up", up_s=round(time.monotonic() - began, 2)))
        return True

    def down(self, say: Say) -> bool:
        """Remove every process and file of the lab, and any lab whose parent was killed."""
        with self._lock():
            self._sweep(say)
            existed = self.home.exists()
            if existed:
                servers.remove(self.home)
        homes.tidy()
        return existed

    def report(self) -> LabReport:
        """Return what the lab is now."""
        state = homes.read(self.home)
        alive = processes.below(self.home) if self.home.exists() else []
        return LabReport(
            environment=self.environment.name,
            exists=self.home.exists(),
            up=state is not None and self._usable(state),
            home=str(self.home),
            processes=len(alive),
            created_at=state.created_at if state else None,
            keep=bool(state and state.keep),
            up_s=state.up_s if state else None,
            notes=state.notes if state else (),
        )

    def _lock(self) -> FileLock:
        homes.base()
        try:
            return homes.lock_of(self.home).acquire(within=120.0)
        except Held as held:
            raise LabError(
                f"The lab {self.environment.name} is being created or removed by {held.holder}; waited 120 s for it."
            ) from held

    def _sweep(self, say: Say) -> None:
        """Remove the labs of other inventories that nobody will come back to."""
        for home in homes.homes():
            if home == self.home or not homes.forsaken(home):
                continue
            # Held: somebody creates or removes it just now. Asked again once it is ours: it may be another by now.
            with contextlib.suppress(Held), homes.lock_of(home).acquire(within=0.0):
                if homes.forsaken(home):
                    state = homes.read(home)
                    whose = f"{state.environment} of {state.inventory}" if state else f"in {home}"
                    say(f"removing the lab {whose}: its parent was killed")
                    servers.remove(home)

    def _usable(self, state: LabState) -> bool:
        """Up, not abandoned, of the clusters the inventory names, and at least its etcd alive."""
        wanted = {c.name: {n.name for n in c.nodes} for c in self.environment.clusters.values()}
        if state.phase != "up" or state.abandoned or {c: set(n) for c, n in state.clusters.items()} != wanted:
            return False
        folders = {p.cwd for p in processes.below(self.home)}
        return all(self.home / f"etcd{index}" in folders for index in range(len(state.etcd)))

    def _create(self, say: Say, keep: bool, programs: Binaries, began: float, within: float) -> LabState:
        (self.home / "log").mkdir(mode=0o700, parents=True)
        self.home.chmod(0o711)
        privilege = choose(programs.postgres, programs.etcd, self.home)
        if privilege.note:
            say(privilege.note)
        state = self._plan(keep, privilege)
        homes.save(self.home, state)
        say(f"starting etcd on {', '.join(state.etcd)}")
        servers.start_etcd(self.home, programs, privilege, state.etcd)
        while (lacking := servers.etcd_limitation(state.etcd)) is not None:
            if time.monotonic() > began + within:
                raise LabError(f"The lab {self.environment.name} did not get its etcd: {lacking}\n{self._logs()}")
            time.sleep(0.05)
        for cluster, nodes in state.clusters.items():
            for node, place in nodes.items():
                say(f"starting {cluster}/{node}: PostgreSQL {place.address}:{place.postgres}, Patroni :{place.rest}")
                servers.start_patroni(self.home, programs, privilege, state, cluster, node)
        self._wait_healthy(state, began + within)
        say(f"{self.environment.name} is up after {time.monotonic() - began:.1f} s")
        return state

    def _plan(self, keep: bool, privilege: Privilege) -> LabState:
        names = [(c.name, n.name) for c in self.environment.clusters.values() for n in c.nodes]
        wanted: dict[int, tuple[int, ...]] = {
            number + 1: (config.ETCD_CLIENT, config.ETCD_PEER) for number in range(ETCD_MEMBERS)
        }
        wanted |= {FIRST_NODE + number: (5432, 8008) for number in range(len(names))}
        prefix = addresses.choose(wanted)
        clusters: dict[str, dict[str, NodePlace]] = {}
        for number, (cluster, node) in enumerate(names):
            clusters.setdefault(cluster, {})[node] = NodePlace(f"{prefix}.{FIRST_NODE + number}")
        return LabState(
            environment=self.environment.name,
            inventory=str(self.inventory.resolve()),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            owner=Owner.me(),
            keep=keep,
            phase="starting",
            clusters=clusters,
            etcd=tuple(f"{prefix}.{number + 1}" for number in range(ETCD_MEMBERS)),
            secrets={"postgres": secrets.token_hex(16)},
            notes=(privilege.note,) if privilege.note else (),
        )

    def _wait_healthy(self, state: LabState, until: float) -> None:
        lacking = dict.fromkeys(state.clusters, "not asked yet")
        while lacking:
            for cluster in list(lacking):
                seen = self._reach(state, cluster).manager.state()
                reason = seen.redundancy_limitation()
                if reason is None:
                    del lacking[cluster]
                else:
                    lacking[cluster] = f"{reason} ({seen.describe()})"
            if lacking and (time.monotonic() > until or not processes.below(self.home)):
                raise LabError(
                    f"The lab {self.environment.name} was not healthy in time; seen last: "
                    + "; ".join(f"{name}: {why}" for name, why in lacking.items())
                    + f"\n{self._logs()}"
                )
            if lacking:
                time.sleep(0.1)

    def _logs(self) -> str:
        return "\n".join(f"--- {log.name}\n{servers.tail(log)}" for log in sorted((self.home / "log").glob("*.log")))

    # -- clusters --------------------------------------------------------------------------------------------------

    def reach(self, cluster: str) -> Reached:
        """Return a cluster of the lab with its services and its manager.

        Raises:
            LabError: when the lab is not up.
        """
        return self._reach(self._state(), cluster)

    def _state(self) -> LabState:
        state = homes.read(self.home)
        if state is None:
            raise LabError(
                f"The lab {self.environment.name} is not up. Create it: harehearse lab up {self.environment.name}"
            )
        return state

    def _reach(self, state: LabState, name: str) -> Reached:
        cluster = self.environment.clusters[name]
        places = state.clusters[name]
        secret = state.secrets["postgres"]
        nodes = tuple(
            PatroniNode(
                node, place.address, place.rest,
                f"host={place.address} port={place.postgres} user=postgres password={secret} dbname=postgres",
            )
            for node, place in places.items()
        )  # fmt: skip
        manager = Patroni(nodes, user="harehearse", password=secret)
        hosts = {node: f"{place.address}:{place.postgres}" for node, place in places.items()}
        return Reached(dataclasses.replace(cluster, services=known_services(cluster, hosts, secret)), manager)

    # -- StackControl ----------------------------------------------------------------------------------------------

    def kill_stack(self, cluster: str, node: str) -> list[int]:
        """SIGKILL Patroni, PostgreSQL and its children on one node; return the pids."""
        return processes.kill_all(self._folder(cluster, node))

    def stack_processes(self, cluster: str, node: str) -> list[int]:
        """Return the pids of the node's living processes."""
        return [process.pid for process in processes.below(self._folder(cluster, node))]

    def start_stack(self, cluster: str, node: str) -> None:
        """Start the node's Patroni again; does nothing while it runs."""
        if not self.stack_processes(cluster, node):
            programs = binaries()
            privilege = choose(programs.postgres, programs.etcd, self.home)
            servers.start_patroni(self.home, programs, privilege, self._state(), cluster, node)

    def _folder(self, cluster: str, node: str) -> Path:
        return servers.node_folder(self.home, cluster, node)
