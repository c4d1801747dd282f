# SPDX-License-Identifier: MIT
"""The life of an embedded lab: real HA clusters as processes on loopback, from wheels alone."""

from __future__ import annotations

import dataclasses
import secrets
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_harehearse.errors import LabError
from pytest_harehearse.inventory.model import Environment, Inventory
from pytest_harehearse.labs import home as homes
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.base import LabReport, Part, Reached, Say
from pytest_harehearse.labs.embedded import addresses, hanging, launch, wheels
from pytest_harehearse.labs.embedded.stack import Stack, node_folder, stack_class
from pytest_harehearse.labs.healthy import held, state_of, until_healthy
from pytest_harehearse.labs.home import LabState, NodePlace, Owner
from pytest_harehearse.labs.leftovers import sweep
from pytest_harehearse.safety.lock import FileLock

FIRST_NODE = 11


class EmbeddedLab:
    """The embedded lab of one environment; see :class:`~..base.Lab`."""

    def __init__(self, inventory: Inventory, environment: Environment) -> None:
        self.environment = environment
        self.inventory = inventory.path
        self.home = homes.home_of(inventory.path, environment.name)

    @property
    def undo_folder(self) -> Path:
        """Where undos lie that no node can carry."""
        return self.home / "undo"

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
            sweep(self.home, say)
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
            sweep(self.home, say)
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
        return held(self.environment.name, self.home, within=120.0)

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
        try:
            until_healthy(
                self.environment.name, state.clusters, lambda name: self._reach(state, name).manager, until,
                lost=lambda: not processes.below(self.home),
            )  # fmt: skip
        except LabError as error:
            raise LabError(f"{error}\n{self._logs()}") from error

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
        return state_of(self.environment.name, self.home)

    def _reach(self, state: LabState, name: str) -> Reached:
        cluster = self.environment.clusters[name]
        return self._stack(name).reach(state, cluster)

    def _stack(self, cluster: str) -> Stack:
        return next(stack for stack in self._stacks() if cluster in stack.clusters)

    # -- ServiceControl --------------------------------------------------------------------------------------------

    def service_processes(self, cluster: str, node: str) -> list[int]:
        """Return the pids of what serves users on the node and is restarted by its manager."""
        return [process.pid for process in self._serving(cluster, node)]

    def kill_service(self, cluster: str, node: str) -> list[int]:
        """SIGKILL it; return the pids."""
        return [p.pid for p in self._serving(cluster, node) if processes.send(p, signal.SIGKILL)]

    def _serving(self, cluster: str, node: str) -> list[processes.Found]:
        stack = self._stack(cluster)
        return [process for process in processes.below(self._folder(cluster, node)) if stack.serves(process)]

    # -- StackControl ----------------------------------------------------------------------------------------------

    def kill_stack(self, cluster: str, node: str) -> list[int]:
        """SIGKILL everything that runs on one node; return the pids."""
        return processes.kill_all(self._folder(cluster, node))

    def stack_processes(self, cluster: str, node: str) -> list[int]:
        """Return the pids of the node's living processes."""
        return [process.pid for process in processes.below(self._folder(cluster, node))]

    def start_stack(self, cluster: str, node: str) -> None:
        """Start what was killed on the node; does nothing while all of it runs."""
        self._stack(cluster).start_node(self._state(), cluster, node)

    # -- StackLimits -----------------------------------------------------------------------------------------------

    def stack_limitation(self, cluster: str, node: str) -> str | None:
        """Return what of the node does not run; None when all does."""
        absent = self._stack(cluster).absent(self._state(), cluster, node)
        return f"not running on {node}: {', '.join(absent)}" if absent else None

    # -- HangControl -----------------------------------------------------------------------------------------------

    def hang_limitation(self, cluster: str, node: str, part: Part) -> str | None:
        """Return why the node has no such part; None when it has."""
        return self._hanging(cluster).limitation(node, part)

    def _hanging(self, cluster: str) -> hanging.Hanging:
        return hanging.Hanging(self.home, self._stack(cluster), self.environment.clusters[cluster])

    def _part(self, cluster: str, node: str, part: Part) -> list[processes.Found]:
        return self._hanging(cluster).processes(node, part)

    def hang(self, cluster: str, node: str, part: Part) -> list[int]:
        """SIGSTOP a part of a node; return the pids."""
        return hanging.stop(self._part(cluster, node, part))

    def go_on(self, cluster: str, node: str, part: Part) -> None:
        """Let it go on."""
        hanging.go_on(self._part(cluster, node, part))

    def hung(self, cluster: str, node: str, part: Part) -> list[int]:
        """Return the pids of what is stopped."""
        return hanging.stopped(self._part(cluster, node, part))

    # -- RestartControl --------------------------------------------------------------------------------------------

    def end_stack(self, cluster: str, node: str, deadline: float) -> str:
        """End every process of a node in an orderly way: the first half of what a reboot is to a host."""
        stack, began = self._stack(cluster), time.monotonic()
        folder = self._folder(cluster, node)
        killed = processes.end_all(folder, within=min(20.0, deadline / 2), serves=stack.serves, stop=stack.stop)
        launch.reap()
        how = f"; {len(killed)} had to be killed" if killed else ""
        return f"its processes ended within {time.monotonic() - began:.1f} s{how}"

    def _folder(self, cluster: str, node: str) -> Path:
        return node_folder(self.home, cluster, node)
