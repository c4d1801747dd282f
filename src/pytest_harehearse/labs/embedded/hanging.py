# SPDX-License-Identifier: MIT
"""Which processes of an embedded lab are stopped where they are, and let go on: found by where they work, as all of a lab's."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from pytest_harehearse.inventory.model import Cluster
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.base import Part
from pytest_harehearse.labs.embedded.stack import Stack, node_folder
from pytest_harehearse.labs.processes import Found


@dataclass(frozen=True, slots=True)
class Hanging:
    """The parts of one cluster's nodes. A part is a matter of places, never of who is alive: an undo finds the same ones."""

    home: Path
    stack: Stack
    cluster: Cluster

    def limitation(self, node: str, part: Part) -> str | None:
        """Return why a node has no such part; None when it has."""
        if part == "dcs" and self._member(node) is None:
            return f"there is no member beside {node}, only beside the first {len(self.stack.dcs(self.cluster.name))} nodes"
        return None

    def processes(self, node: str, part: Part) -> list[Found]:
        """Return the living processes of a part of a node."""
        if part == "dcs":
            member = self._member(node)
            return [] if member is None else self._members((member,))
        if part == "dcs-majority":
            all_of_them = self.stack.dcs(self.cluster.name)
            return self._members(all_of_them[: len(all_of_them) // 2 + 1])
        folder = node_folder(self.home, self.cluster.name, node)
        found = processes.below(folder)
        if part == "node":
            return found
        return [process for process in found if self.stack.manages(process, folder) is (part == "manager")]

    def _member(self, node: str) -> Path | None:
        """Return the folder of the member beside a node."""
        names = [one.name for one in self.cluster.nodes]
        return dict(zip(names, self.stack.dcs(self.cluster.name), strict=False)).get(node)

    def _members(self, folders: tuple[Path, ...]) -> list[Found]:
        return [process for folder in folders for process in processes.below(folder) if self.stack.in_dcs(process)]


def stop(found: list[Found]) -> list[int]:
    """SIGSTOP them; return the pids of those that were."""
    return [process.pid for process in found if processes.send(process, signal.SIGSTOP)]


def go_on(found: list[Found]) -> None:
    """SIGCONT them."""
    for process in found:
        processes.send(process, signal.SIGCONT)


def stopped(found: list[Found]) -> list[int]:
    """Return the pids of those that are stopped."""
    return [process.pid for process in found if processes.state(process.pid) == "T"]
