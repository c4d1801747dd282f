# SPDX-License-Identifier: MIT
"""``stack_kill``: SIGKILL of a node's cluster manager and of everything it runs, at once and without a goodbye."""

from __future__ import annotations

from pytest_harehearse.labs.base import StackControl


class StackKill:
    """See :class:`~.base.Fault`."""

    name = "stack_kill"

    def __init__(self, lab: object, cluster: str, target: str) -> None:
        self._lab = lab
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
        """Undone when the node's processes live."""
        alive = self._control.stack_processes(self._cluster, self.target)
        return None if alive else f"nothing runs on {self.target}"
