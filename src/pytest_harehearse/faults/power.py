# SPDX-License-Identifier: MIT
"""``node_power_off`` and ``node_freeze``: a node loses its power, or every process of it stops where it is."""

from __future__ import annotations

import time
from collections.abc import Callable

from pytest_harehearse.faults import lab_undo
from pytest_harehearse.faults.base import Armed, Fault, Scene
from pytest_harehearse.faults.dead_man import DeadMan
from pytest_harehearse.faults.embedded_hang import node_hang
from pytest_harehearse.labs.base import PowerControl
from pytest_harehearse.units import seconds

#: How long a lab is given to tell the new state.
PROOF_S = 15.0


def _limitation(lab: object) -> str | None:
    if not isinstance(lab, PowerControl):
        return "this environment gives no control over the power of its nodes"
    return None


def _until(lab: PowerControl, node: str, wanted: Callable[[str], bool]) -> str | None:
    """Wait for a state; return what was seen instead."""
    deadline = time.monotonic() + PROOF_S
    while not wanted(seen := lab.power_state(node)):
        if time.monotonic() > deadline:
            return seen
        time.sleep(0.05)
    return None


class _Power(Armed):
    """What both have in common."""

    def __init__(self, lab: object, target: str, timer: DeadMan | None = None) -> None:
        self._lab = lab
        self._timer = timer
        self.target = target

    def limitation(self) -> str | None:
        """Only a lab whose nodes are hosts of its own can do it."""
        return _limitation(self._lab)

    @property
    def _control(self) -> PowerControl:
        if not isinstance(self._lab, PowerControl):
            raise TypeError(self.limitation())
        return self._lab


class NodePowerOff(_Power):
    """See :class:`~.base.Fault`."""

    name = "node_power_off"

    def __init__(self, lab: object, target: str, timer: DeadMan | None = None) -> None:
        super().__init__(lab, target, timer)
        self._off = False
        self.strike_text = f"take the power of {target} away: no shutdown, no goodbye"
        self.undo_text = f"power {target} on again"

    def strike(self) -> str:
        """Take the power away; the answer is only given once it is off."""
        self._control.power_off(self.target)
        self._off = True
        return "off"

    def effect(self) -> str | None:
        """Proved by the lab's answer: the cluster may have fenced the node by now, and so powered it on again."""
        return None if self._off else f"{self.target} is {self._control.power_state(self.target)}"

    def undo(self) -> None:
        """Power it on; does nothing when the cluster's fencing already has."""
        self._control.power_on(self.target)

    def undone(self) -> str | None:
        """Undone when it is on."""
        seen = _until(self._control, self.target, lambda state: state == "on")
        return None if seen is None else f"{self.target} is {seen}"


class NodeFreeze(_Power):
    """See :class:`~.base.Fault`."""

    name = "node_freeze"

    def __init__(self, lab: object, target: str, timer: DeadMan | None = None) -> None:
        super().__init__(lab, target, timer)
        self._frozen = False
        self.strike_text = f"freeze {target}: every process stops where it is, and nothing is closed"
        self.undo_text = f"thaw {target}, or power it on when it was fenced"

    def strike(self) -> str:
        """Freeze it."""
        self._control.freeze(self.target)
        self._frozen = True
        return "frozen"

    def effect(self) -> str | None:
        """Proved by the lab's answer: the cluster may have fenced the node by now."""
        return None if self._frozen else f"{self.target} is {self._control.power_state(self.target)}"

    def undo(self) -> None:
        """Thaw it; a node that was fenced meanwhile is powered on."""
        self._control.thaw(self.target)
        self._control.power_on(self.target)

    def undone(self) -> str | None:
        """Undone when it is on and not frozen."""
        seen = _until(self._control, self.target, lambda state: state == "on")
        return None if seen is None else f"{self.target} is {seen}"


def node_power_off(scene: Scene, node: str, *, dead_man: str | None = None) -> Fault:
    """Take the node's power away; the undo gives it back, unless the cluster's fencing did.

    Args:
        scene: where; a lab that controls the power of its nodes.
        node: which node.
        dead_man: how long it outlives a runner that was killed.
    """
    return NodePowerOff(scene.lab, node, _timer(scene, node, dead_man))


def node_freeze(scene: Scene, node: str, *, dead_man: str | None = None) -> Fault:
    """Stop every process of the node where it is; the undo lets them go on.

    Args:
        scene: where; a lab that controls its nodes.
        node: which node.
        dead_man: how long it outlives a runner that was killed.
    """
    if scene.cluster.provider == "embedded":
        return node_hang(scene, node, dead_man=dead_man)
    return NodeFreeze(scene.lab, node, _timer(scene, node, dead_man))


def _timer(scene: Scene, node: str, dead_man: str | None) -> DeadMan | None:
    return lab_undo.timer(scene, "power", node, scene.dead_man if dead_man is None else seconds(dead_man))
