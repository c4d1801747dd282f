# SPDX-License-Identifier: MIT
"""What the faults of a rehearsal may work with, and every place where one of them may have left something."""

from __future__ import annotations

from pathlib import Path

from pytest_harehearse.faults.base import Scene
from pytest_harehearse.faults.dead_man import FLEETING, LASTING, Place
from pytest_harehearse.labs.base import CarriesUndos
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.remote.local import LocalChannel
from pytest_harehearse.safety.lease import LeasePlace

HERE = "this machine"


def scene_of(cluster: Cluster, lab: object, *, planned: bool = False) -> Scene:
    """Return the scene of a cluster's faults."""
    here = (
        Place(HERE, LocalChannel(HERE), str(lab.undo_folder), as_root=False)
        if isinstance(lab, CarriesUndos) and not planned
        else None
    )
    return Scene(
        cluster.described, cluster.manager, {} if planned else cluster.channels, None if planned else lab, here=here,
        planned=planned, dead_man=cluster.described.dead_man,
    )  # fmt: skip


def places(scene: Scene) -> tuple[Place, ...]:
    """Return where undos of this cluster's faults may lie."""
    on_nodes = [Place(name, channel, root) for name, channel in scene.channels.items() for root in (FLEETING, LASTING)]
    return (*on_nodes, *([] if scene.here is None else [scene.here]))


def lease_places(scene: Scene) -> tuple[LeasePlace, ...]:
    """Return where the lease on this cluster lies: on its nodes, or, where they are no hosts, in the lab's home."""
    if scene.channels:
        return tuple(LeasePlace(name, channel) for name, channel in scene.channels.items())
    if scene.here is None:
        return ()
    path = Path(scene.here.root).parent / "lease" / scene.cluster.name
    return (LeasePlace(HERE, scene.here.channel, str(path), as_root=False),)
