# SPDX-License-Identifier: MIT
"""Where everything of an LXD lab goes: addresses, names, recipes. Pure."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Cluster, Environment

#: Of 198.18.0.0/15, which is reserved for benchmarks (RFC 2544) and so collides with no site network.
SUBNET: Final = ipaddress.ip_network("198.18.0.0/24")
HOST: Final = SUBNET[1]
FIRST_NODE: Final = 11
FIRST_VIP: Final = 100
#: Resource that is switched over, when the inventory names none.
DEFAULT_GROUP: Final = "web"

Recipe = Literal["group", "clone"]


@dataclass(frozen=True, slots=True)
class PlannedCluster:
    """One cluster of the lab."""

    name: str
    recipe: Recipe
    #: The resource that is switched over: a group of the address and the server, or the address alone.
    resource: str
    #: Node → address.
    nodes: dict[str, str]
    #: Address that users reach.
    vip: str
    #: Corosync's token timeout in milliseconds.
    token: int

    @property
    def off_time(self) -> float:
        """Seconds that a fenced node stays off: until the others have formed a membership without it, and 2 s more.

        They do so after the token timeout and corosync's consensus timeout, which is 1.2 times as long.
        """
        return math.ceil(2.2 * self.token / 1000) + 2


def recipe_of(cluster: Cluster) -> Recipe:
    """Two nodes: a group of address and server, the classic. More: the server runs everywhere, only the address moves."""
    return "group" if len(cluster.nodes) <= 2 else "clone"


def _vips(cluster: Cluster) -> list[str]:
    found: list[str] = []
    for service in cluster.services:
        host = urlsplit(service.url).hostname if "//" in service.url else service.url.partition(":")[0]
        try:
            address = ipaddress.ip_address(host or "")
        except ValueError:
            continue
        if address in SUBNET and str(address) not in found:
            found.append(str(address))
    return found


def plan(environment: Environment) -> dict[str, PlannedCluster]:
    """Return the plan of every cluster.

    Raises:
        ConfigError: what the inventory asks for cannot be laid out; lists every fault.
    """
    problems: list[str] = []
    planned: dict[str, PlannedCluster] = {}
    number = FIRST_NODE
    taken: dict[str, str] = {str(HOST): "the machine itself"}
    seen: dict[str, str] = {}
    for index, cluster in enumerate(environment.clusters.values()):
        where = f"environments.{environment.name}.clusters.{cluster.name}"
        if cluster.manager != "pacemaker":
            problems.append(f"{where}: an LXD lab can only have clusters of pacemaker yet, not of {cluster.manager}.")
            continue
        if len(cluster.nodes) < 2:
            problems.append(
                f"{where}: a cluster of {len(cluster.nodes)} has nobody to fail over to; name two nodes or more."
            )
            continue
        nodes: dict[str, str] = {}
        for node in cluster.nodes:
            if node.name in seen:
                problems.append(f"{where}: the node {node.name} is in {seen[node.name]} already.")
            seen[node.name] = where
            nodes[node.name] = str(SUBNET[number])
            number += 1
        vips = _vips(cluster) or [str(SUBNET[FIRST_VIP + index])]
        if len(vips) > 1:
            problems.append(f"{where}: its services name several addresses ({', '.join(vips)}); one is made.")
        planned[cluster.name] = PlannedCluster(
            name=cluster.name,
            recipe=recipe_of(cluster),
            resource=cluster.group or DEFAULT_GROUP,
            nodes=nodes,
            vip=vips[0],
            token=3000 if len(nodes) == 2 else 1000,
        )
        for address, whose in [(vips[0], f"the address of {cluster.name}"), *((a, n) for n, a in nodes.items())]:
            if address in taken:
                problems.append(f"{where}: {address} is to be {whose}, but it is {taken[address]}.")
            taken[address] = whose
    if problems:
        raise ConfigError(problems)
    return planned
