# SPDX-License-Identifier: MIT
"""Reach a cluster as it is: on its hosts, or in its lab if that is up. Nothing is made."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_harehearse.errors import LabError
from pytest_harehearse.faults.base import Scene
from pytest_harehearse.inventory.model import Cluster, Inventory
from pytest_harehearse.labs.base import Hosts, lab_of
from pytest_harehearse.labs.hosts import reach_hosts
from pytest_harehearse.rehearsal.cluster import Cluster as Reached
from pytest_harehearse.rehearsal.scene import scene_of


@contextmanager
def scene(found: Inventory, cluster: Cluster) -> Iterator[Scene | None]:
    """Reach a cluster for as long as the block lasts; None: its lab is not up, so nothing of it can be left.

    Raises:
        ConfigError: a node has no URL, or one that cannot be used.
        LabError: the lab was made for another inventory.
        Unsupported: this version cannot talk to its manager there.
    """
    if cluster.provider is None:
        with reach_hosts(found, cluster) as reached:
            yield scene_of(Reached(reached.cluster, reached.manager, reached.channels), None)
        return
    lab = lab_of(found, found.environments[cluster.environment])
    if not lab.report().exists:
        yield None
        return
    try:
        try:
            reached = lab.reach(cluster.name)
        except KeyError:
            hint = shlex.join(["harehearse", "lab", "down", cluster.environment, "--config", str(found.path)])
            raise LabError(
                f"its lab was made for other clusters or nodes than the inventory's; remove it: {hint}"
            ) from None
        yield scene_of(Reached(reached.cluster, reached.manager, reached.channels), lab)
    finally:
        if isinstance(lab, Hosts):
            lab.close()
