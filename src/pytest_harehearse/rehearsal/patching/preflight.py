# SPDX-License-Identifier: MIT
"""What is found out before anything is patched, for it would only show when half of the nodes are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pytest_harehearse.errors import Refused
from pytest_harehearse.managers.base import Switchover
from pytest_harehearse.rehearsal.patching.patches import Patch, TellsVersions
from pytest_harehearse.rehearsal.patching.steps import Step

if TYPE_CHECKING:
    from pytest_harehearse.rehearsal.cluster import Cluster


def refuse_what_would_fail_later(
    cluster: Cluster, patch: Patch, steps: Sequence[Step], patched: Collection[str]
) -> None:
    """Compare what would be installed on each node, and ask the manager whether the service could move.

    Args:
        cluster: whole.
        patch: can be done on each node by itself.
        steps: of the workflow.
        patched: nodes that a run which this one goes on with has patched.

    Raises:
        Refused: the nodes would not get the same versions, or the service would not move; nothing was done.
        Indeterminate: a node could not be asked.
    """
    if isinstance(patch, TellsVersions):
        nodes = [
            node for node in dict.fromkeys(step.node for step in steps if step.name == "patch") if node not in patched
        ]
        found = {node: patch.candidates(node, cluster.channels.get(node)) for node in nodes}
        told = {
            node: ", ".join(f"{name} {version}" for name, version in one.items()) for node, one in found.items() if one
        }
        if len(set(told.values())) > 1:
            words = "; ".join(f"{text} on {node}" for node, text in told.items())
            raise Refused(
                f"{patch.name} would not be the same on every node, so nothing was patched: {words}. Their repositories differ."
            )
    target = next((step.node for step in steps if step.name == "switchover"), "")
    manager, state = cluster.manager, cluster.state()
    if target and isinstance(manager, Switchover) and state.active != target:
        why = manager.switchover_limitation(state, target)
        if why is not None:
            raise Refused(f"the service could not move to {target}, so nothing was patched: {why}.")
