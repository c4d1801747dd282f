# SPDX-License-Identifier: MIT
"""Read a cluster: its hosts by their channels; where nodes are no hosts, what their manager and servers tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

from pytest_harehearse.drift.collect import collect, unread
from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.inventory.model import Cluster
from pytest_harehearse.remote.base import Channel


@runtime_checkable
class TellsSettings(Protocol):
    """A manager that can tell what its nodes are set to, without their passwords."""

    def settings(self, node: str, deadline: float = 10.0) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return the facts of a node by path, and area → why it could not be read."""
        ...


def snapshots(cluster: Cluster, manager: object, channels: Mapping[str, Channel]) -> list[Snapshot]:
    """Return every node of a cluster as it is; nothing is changed there, and what does not answer is told.

    Args:
        cluster: as the inventory has it.
        manager: of the cluster.
        channels: node → the way to it; none where nodes are no hosts.
    """
    if channels:
        return collect(cluster.id, channels, cluster.drift_files)
    return [_told(cluster, node.name, manager) for node in cluster.nodes]


def _told(cluster: Cluster, node: str, manager: object) -> Snapshot:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    if not isinstance(manager, TellsSettings):
        return unread(cluster.id, node, at, "its nodes are no hosts, and its manager tells no settings")
    try:
        facts, problems = manager.settings(node)
    except HarehearseError as error:
        return unread(cluster.id, node, at, str(error))
    return Snapshot(cluster.id, node, at, facts, problems, {node: "<node>"})
