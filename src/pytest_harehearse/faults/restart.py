# SPDX-License-Identifier: MIT
"""The "reboot" of a node that is no host: its processes end in order, and are started again, by us or by the timer of it."""

from __future__ import annotations

import time
from typing import Final

from pytest_harehearse.faults import lab_undo
from pytest_harehearse.faults.base import Armed, Scene
from pytest_harehearse.labs.base import RestartControl

PROOF_S: Final = 15.0


class Restart(Armed):
    """See :class:`~.base.Fault`; the undo is the start."""

    name = "restart"

    def __init__(self, scene: Scene, target: str, within: float) -> None:
        self._lab = scene.lab
        self._cluster = scene.cluster.name
        self._within = within
        self._timer = lab_undo.timer(scene, "restart", target, scene.dead_man)
        self.target = target
        self.strike_text = f"end every process of {target} in order"
        self.undo_text = f"start every process of {target} again"

    def limitation(self) -> str | None:
        """Only a lab whose nodes are processes here."""
        return None if isinstance(self._lab, RestartControl) else "its nodes are no processes of a lab here"

    @property
    def _control(self) -> RestartControl:
        if not isinstance(self._lab, RestartControl):
            raise TypeError(self.limitation())
        return self._lab

    def strike(self) -> str:
        """End them, managers before what they manage."""
        return self._control.end_stack(self._cluster, self.target, self._within)

    def effect(self) -> str | None:
        """Proved when nothing of the node is alive."""
        left = self._control.stack_processes(self._cluster, self.target)
        return f"still alive on {self.target}: pids {left}" if left else None

    def undo(self) -> None:
        """Start them; does nothing while they run."""
        self._control.start_stack(self._cluster, self.target)

    def undone(self) -> str | None:
        """Undone when all that belongs to the node runs."""
        deadline = time.monotonic() + PROOF_S
        while (left := lab_undo.stack_left(self._control, self._cluster, self.target)) is not None:
            if time.monotonic() > deadline:
                return left
            time.sleep(0.1)
        return None
