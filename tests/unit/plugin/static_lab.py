# SPDX-License-Identifier: MIT

"""A lab that exists only in memory, and a service that can be shut: all of the plugin runs, but no server."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from pytest_harehearse.errors import LabError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.labs import base, home
from pytest_harehearse.managers.state import PRIMARY, REPLICA, UNREACHABLE, ClusterState, Member


class Door:
    """A TCP service on loopback: open, it accepts; shut, it refuses."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._listening: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self._thread = threading.Thread(target=self._accept, args=(self._listening,), daemon=True)
        self._thread.start()

    @staticmethod
    def _accept(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                listening.accept()[0].close()

    def shut(self) -> None:
        if self._listening is not None and self._thread is not None:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._thread.join(5)
            self._listening.close()
            self._listening = None

    def shut_for(self, seconds: float) -> None:
        self.shut()
        time.sleep(seconds)
        self.open()


class World:
    """What a test may set, and what was done to the lab."""

    def __init__(self, port: int = 0) -> None:
        self.door = Door(port)
        self.gap = 0.2
        self.healthy = True
        #: A folder in which a file of its name means that a node says "I am active"; None: nodes are not asked.
        self.claims: Path | None = None
        #: For how long both nodes say so during a switchover.
        self.both = 0.0
        self.up_error: str | None = None
        self.calls: list[str] = []


world = World()


class StaticManager:
    """Answers from memory; a switchover shuts the door for a moment."""

    name = "patroni"

    def __init__(self, nodes: list[str]) -> None:
        self.nodes = nodes
        self.active = nodes[0]
        self.killed: set[str] = set()

    def _member(self, name: str) -> Member:
        if name in self.killed:
            return Member(name, UNREACHABLE)
        if name == self.active:
            return Member(name, PRIMARY, "running", 1, witness_primary=True)
        return Member(name, REPLICA, "running", 1, 0, streaming=world.healthy, witness_primary=False)

    def state(self, deadline: float = 3.0) -> ClusterState:
        return ClusterState(tuple(self._member(name) for name in self.nodes))

    def roles(self, deadline: float = 1.0) -> dict[str, str]:
        return {member.name: member.role for member in self.state().members}

    def switchover_limitation(self, state: ClusterState, to: str | None) -> str | None:
        return None

    def choose_target(self, state: ClusterState) -> str | None:
        return state.standbys[0] if state.standbys else None

    def describe_switchover(self, leader: str, to: str) -> str:
        return f"move from {leader} to {to}"

    def switchover(self, state: ClusterState, to: str, deadline: float) -> str:
        world.door.shut_for(world.gap)
        if world.claims is not None:
            (world.claims / to).touch()
            time.sleep(world.both)
            (world.claims / self.active).unlink()
        self.active = to
        return "done in memory"


class AskedManager(StaticManager):
    """The same, with nodes that can be asked whether they are active."""

    def claims(self) -> tuple[Service, ...]:
        assert world.claims is not None
        (world.claims / self.active).touch()
        return tuple(
            Service(name, "command", f"command:test -e {world.claims / name}", mode="claim", every=0.05, timeout=1.0)
            for name in self.nodes
        )


class StaticLab:
    """A lab, as :class:`pytest_harehearse.labs.base.Lab` wants it."""

    def __init__(self, inventory, environment) -> None:
        self.environment = environment
        self.managers = {
            name: (AskedManager if world.claims else StaticManager)([node.name for node in cluster.nodes])
            for name, cluster in environment.clusters.items()
        }

    def up(self, say, *, keep, within=90.0) -> bool:
        world.calls.append(f"up keep={keep}")
        if world.up_error:
            raise LabError(world.up_error)
        say("the static lab is up")
        return True

    def down(self, say) -> bool:
        world.calls.append("down")
        say("the static lab is down")
        return True

    def report(self) -> base.LabReport:
        return base.LabReport(self.environment.name, exists=True, up=True, home="memory", processes=0)

    def reach(self, cluster: str) -> base.Reached:
        return base.Reached(self.environment.clusters[cluster], self.managers[cluster])

    def kill_stack(self, cluster: str, node: str) -> list[int]:
        manager = self.managers[cluster]
        manager.killed.add(node)
        if node == manager.active:
            manager.active = next(name for name in manager.nodes if name not in manager.killed)
        return [1]

    def stack_processes(self, cluster: str, node: str) -> list[int]:
        return [] if node in self.managers[cluster].killed else [1]

    def start_stack(self, cluster: str, node: str) -> None:
        self.managers[cluster].killed.discard(node)


class Plugin:
    """Stands in for the provider "lxd" while a pytest of the project runs."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._patch = pytest.MonkeyPatch()

    def pytest_configure(self, *, serve: bool = True) -> None:
        world.__init__(self._port)
        if serve:
            world.door.open()
        # Also in a process of its own, and when that is killed: its locks lie apart from those of real labs.
        folder = Path(os.environ["STATIC_LAB_LOCKS"])
        self._patch.setattr(home, "base", lambda: folder)
        self._patch.setitem(base.PROVIDERS, "lxd", "static_lab:StaticLab")

    def pytest_unconfigure(self) -> None:
        self._patch.undo()
        world.door.shut()
