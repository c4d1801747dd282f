# SPDX-License-Identifier: MIT
"""``stack_kill``: SIGKILL of a node's cluster manager and of everything it runs, at once and without a goodbye."""

from __future__ import annotations

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults import lab_undo, stacks
from pytest_harehearse.faults.base import Armed, Fault, Scene
from pytest_harehearse.faults.dead_man import DeadMan
from pytest_harehearse.labs.base import StackControl
from pytest_harehearse.units import seconds


class StackKill(Armed):
    """See :class:`~.base.Fault`."""

    name = "stack_kill"

    def __init__(self, lab: object, cluster: str, target: str, timer: DeadMan | None = None) -> None:
        self._lab = lab
        self._timer = timer
        self._cluster = cluster
        self._pids: list[int] = []
        self.target = target
        self.strike_text = f"SIGKILL the cluster manager of {target}, its servers and all their children"
        self.undo_text = f"start the cluster manager of {target} again"

    def limitation(self) -> str | None:
        """Only a lab that controls its nodes' processes can do it."""
        if not isinstance(self._lab, StackControl):
            return "this environment gives no control over the processes of its nodes"
        return None

    @property
    def _control(self) -> StackControl:
        if not isinstance(self._lab, StackControl):
            raise TypeError(self.limitation())
        return self._lab

    def strike(self) -> str:
        """Kill until nothing of the node is left."""
        self._pids = self._control.kill_stack(self._cluster, self.target)
        return f"killed {len(self._pids)} processes"

    def effect(self) -> str | None:
        """Proved when something was killed and nothing is alive."""
        if not self._pids:
            return f"nothing was running on {self.target}, so nothing was killed"
        left = self._control.stack_processes(self._cluster, self.target)
        return f"still alive on {self.target}: pids {left}" if left else None

    def undo(self) -> None:
        """Start it again; does nothing while it runs."""
        self._control.start_stack(self._cluster, self.target)

    def undone(self) -> str | None:
        """Undone when all that belongs to the node runs."""
        return lab_undo.stack_left(self._control, self._cluster, self.target)


def stack_kill(scene: Scene, node: str, *, dead_man: str | None = None, part: str = "") -> Fault:
    """SIGKILL the node's cluster manager and all it runs; the undo starts it again.

    Args:
        scene: where.
        node: which node.
        dead_man: how long it outlives a runner that was killed.
        part: on hosts: ``corosync`` (default) or ``pacemaker``.
    """
    hosts = scene.channels or scene.cluster.provider in {"lxd", "hosts"}
    if hosts and not isinstance(scene.lab, StackControl):
        if part not in {"", "corosync", "pacemaker"}:
            raise Unsupported(f"stack_kill has no part {part!r}; there are corosync and pacemaker.")
        return stacks.stack_kill(
            scene, node, part="pacemaker" if part == "pacemaker" else "corosync", dead_man=dead_man
        )
    within = scene.dead_man if dead_man is None else seconds(dead_man)
    return StackKill(scene.lab, scene.cluster.name, node, lab_undo.timer(scene, "stack", node, within))
