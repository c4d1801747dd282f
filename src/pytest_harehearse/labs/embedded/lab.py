# SPDX-License-Identifier: MIT
"""The life of an embedded lab: real HA clusters as processes on loopback, from wheels alone."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_harehearse.errors import LabError
from pytest_harehearse.inventory.model import Environment, Inventory
from pytest_harehearse.labs import home as homes
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.base import LabReport, Reached, Say
from pytest_harehearse.labs.embedded import addresses, launch, wheels
from pytest_harehearse.labs.embedded.stack import Stack, node_folder, stack_class
from pytest_harehearse.labs.home import LabState, NodePlace, Owner
from pytest_harehearse.safety.lock import FileLock, Held

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
        wheels.require([wheel for stack in self._stacks() for wheel in stack.missing()])
        with self._lock():
            self._sweep(say)
            state = homes.read(self.home)
            if state is not None and self._usable(state):
                if keep and not state.keep:
                    homes.save(self.home, dataclasses.replace(state, keep=True))
                return False
            if self.home.exists():
                say(f"removing what is left of an earlier {self.environment.name}")
                launch.remove(self.home)
            began = time.monotonic()
            try:
                state = self._create(say, keep, began, within)
            except BaseException:
                launch.remove(self.home)
                raise
            homes.save(self.home, dataclasses.replace(state, phase="up", up_s=round(time.monotonic() - began, 2)))
        return True

    def down(self, say: Say) -> bool:
        """Remove every process and file of the lab, and any lab whose parent was killed."""
        with self._lock():
            self._sweep(say)
            existed = self.home.exists()
            if existed:
                launch.remove(self.home)
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
                    launch.remove(home)

    def _stacks(self) -> list[Stack]:
        """Return the environment's clusters by their kind."""
        found = tuple(self.environment.clusters.values())
        return [
            stack_class(manager)(self.home, tuple(cluster for cluster in found if cluster.manager == manager))
            for manager in dict.fromkeys(cluster.manager for cluster in found)
        ]

    def _usable(self, state: LabState) -> bool:
        """Up, not abandoned, of the clusters the inventory names, and enough of each kind alive."""
        wanted = {c.name: {n.name for n in c.nodes} for c in self.environment.clusters.values()}
        if state.phase != "up" or state.abandoned or {c: set(n) for c, n in state.clusters.items()} != wanted:
            return False
        folders = {p.cwd for p in processes.below(self.home)}
        return all(stack.usable(state, folders) for stack in self._stacks())

    def _create(self, say: Say, keep: bool, began: float, within: float) -> LabState:
        (self.home / "log").mkdir(mode=0o700, parents=True)
        self.home.chmod(0o711)
        stacks = self._stacks()
        notes = tuple(note for stack in stacks if (note := stack.prepare()) is not None)
        for note in notes:
            say(note)
        state = self._plan(stacks, keep, notes)
        homes.save(self.home, state)
        for stack in stacks:
            try:
                stack.start(state, say, began + within)
            except TimeoutError as error:
                raise LabError(f"The lab {self.environment.name} {error}\n{self._logs()}") from error
        self._wait_healthy(state, began + within)
        say(f"{self.environment.name} is up after {time.monotonic() - began:.1f} s")
        return state

    def _plan(self, stacks: list[Stack], keep: bool, notes: tuple[str, ...]) -> LabState:
        kinds = {cluster: stack for stack in stacks for cluster in stack.clusters}
        helpers = [(stack, ports) for stack in stacks for ports in stack.helpers()]
        nodes = [(c, node.name) for c in self.environment.clusters.values() for node in c.nodes]
        first = max(FIRST_NODE, len(helpers) + 1)
        wanted = {number: tuple(ports.values()) for number, (_, ports) in enumerate(helpers, 1)}
        wanted |= {number: tuple(kinds[c.name].node().values()) for number, (c, _) in enumerate(nodes, first)}
        prefix = addresses.choose(wanted)
        clusters: dict[str, dict[str, NodePlace]] = {}
        for number, (cluster, node) in enumerate(nodes, first):
            clusters.setdefault(cluster.name, {})[node] = NodePlace(f"{prefix}.{number}", kinds[cluster.name].node())
        placed: dict[str, Any] = {}
        for stack in stacks:
            own = tuple(f"{prefix}.{number}" for number, (whose, _) in enumerate(helpers, 1) if whose is stack)
            placed |= stack.placed(
                own, {name: tuple(place.address for place in clusters[name].values()) for name in stack.clusters}
            )
        return LabState(
            environment=self.environment.name,
            inventory=str(self.inventory.resolve()),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            owner=Owner.me(),
            keep=keep,
            phase="starting",
            clusters=clusters,
            secrets={stack.key: secrets.token_hex(16) for stack in stacks},
            notes=notes,
            **placed,
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
        return "\n".join(f"--- {log.name}\n{launch.tail(log)}" for log in sorted((self.home / "log").glob("*.log")))

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
        return self._stack(name).reach(state, cluster)

    def _stack(self, cluster: str) -> Stack:
        return next(stack for stack in self._stacks() if cluster in stack.clusters)

    # -- StackControl ----------------------------------------------------------------------------------------------

    def kill_stack(self, cluster: str, node: str) -> list[int]:
        """SIGKILL everything that runs on one node; return the pids."""
        return processes.kill_all(self._folder(cluster, node))

    def stack_processes(self, cluster: str, node: str) -> list[int]:
        """Return the pids of the node's living processes."""
        return [process.pid for process in processes.below(self._folder(cluster, node))]

    def start_stack(self, cluster: str, node: str) -> None:
        """Start what was killed on the node; does nothing while something runs."""
        if not self.stack_processes(cluster, node):
            self._stack(cluster).start_node(self._state(), cluster, node)

    def _folder(self, cluster: str, node: str) -> Path:
        return node_folder(self.home, cluster, node)
