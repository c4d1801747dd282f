# SPDX-License-Identifier: MIT
"""What can be done on a cluster, by the inventory alone: what a test's ``needs(...)`` is answered by."""

from __future__ import annotations

from typing import Final

from pytest_harehearse.faults.catalogue import CATALOGUE, Kind, Where
from pytest_harehearse.inventory.model import Cluster
from pytest_harehearse.managers.base import SWITCHOVER_WAYS

#: Managers that fence; whether it works is asked before each rehearsal.
FENCING: Final = frozenset({"pacemaker"})
_BY_MANAGER: Final = {"pacemaker": ("drain", "maintenance", "fence"), "patroni": ("maintenance",)}
#: What an environment gives of its nodes, in the catalogue's words.
_GIVES: Final[dict[str | None, frozenset[Where]]] = {
    "embedded": frozenset({"embedded"}), "lxd": frozenset({"hosts", "power"}),
}  # fmt: skip
_HOSTS: Final[frozenset[Where]] = frozenset({"hosts"})


def capabilities(cluster: Cluster) -> list[str]:
    """Return the names that ``needs(capability=...)`` may ask for on this cluster."""
    gives = _GIVES.get(cluster.provider, _HOSTS)
    found = ["switchover"] if cluster.manager in SWITCHOVER_WAYS else []
    found += _BY_MANAGER.get(cluster.manager, ())
    if "hosts" in gives:
        found.append("reboot")
    return found + [kind.name for kind in CATALOGUE.values() if _possible(kind, cluster, gives)]


def _possible(kind: Kind, cluster: Cluster, gives: frozenset[Where]) -> bool:
    if kind.name == "service_kill" and cluster.provider == "embedded":
        # Nobody restarts a Valkey there.
        return cluster.manager == "patroni"
    return bool(kind.where & gives) and (not kind.managers or cluster.manager in kind.managers)
