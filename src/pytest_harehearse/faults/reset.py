# SPDX-License-Identifier: MIT
"""``node_reset``, ``node_panic`` and ``fence_request``: a node starts anew, without a goodbye; nothing of it has to be undone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from pytest_harehearse.errors import HarehearseError, Indeterminate
from pytest_harehearse.faults.base import Armed, Expected, Fault, Scene
from pytest_harehearse.faults.dead_man import ASK_S, words
from pytest_harehearse.labs.base import PowerControl
from pytest_harehearse.managers.capabilities import Fence
from pytest_harehearse.remote.base import Channel, Done, Script

BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
#: How long a node may take to answer with another boot id.
BOOT_S: Final = 300.0
#: $1 the letter. Not the whole host's kernel from within a container.
_ABLE: Final = """[ "$(tr -s ' ' < /proc/self/uid_map)" = " 0 0 4294967295" ] && ! grep -qa container= /proc/1/environ ||
  { echo "its kernel belongs to its host" >&2; exit 1; }
[ -w /proc/sysrq-trigger ] || { echo "/proc/sysrq-trigger cannot be written there" >&2; exit 1; }
"""
#: Answered before it happens, for nobody answers after it.
_TRIGGER: Final = """(sleep 0.5; echo "$1" > /proc/sysrq-trigger) < /dev/null > /dev/null 2>&1 &
"""


class _Anew(Armed):
    """A node that starts anew; proved by its boot id."""

    expected = Expected.FENCED
    undo_text = "none needed: the node starts by itself"

    def __init__(self, channels: Mapping[str, Channel], target: str) -> None:
        self._channels = channels
        self._before = ""
        self.target = target

    def _boot_id(self) -> str | None:
        said = self._channels[self.target].run(["cat", BOOT_ID], deadline=3.0, root=False)
        return said.out.strip() if isinstance(said, Done) and said.rc == 0 else None

    def limitation(self) -> str | None:
        """The node is a host that answers now."""
        if self.target not in self._channels:
            return f"{self.target} is no host that commands can be run on"
        before = self._boot_id()
        if before is None:
            return f"{self.target} did not tell its boot id"
        self._before = before
        return None

    def effect(self) -> str | None:
        """Proved when it does not answer any more, or with another boot id."""
        until = time.monotonic() + ASK_S
        while self._boot_id() == self._before:
            if time.monotonic() > until:
                return f"{self.target} still answers with the same boot id"
            time.sleep(0.2)
        return None

    def undo(self) -> None:
        """Nothing to take back."""

    def undone(self) -> str | None:
        """Undone when it answers again, with another boot id."""
        until = time.monotonic() + BOOT_S
        while (seen := self._boot_id()) in {None, self._before}:
            if time.monotonic() > until:
                return f"{self.target} does not answer" if seen is None else f"{self.target} never started anew"
            time.sleep(0.5)
        return None


class Sysrq(_Anew):
    """By the kernel's own trigger."""

    def __init__(self, channels: Mapping[str, Channel], target: str, name: str, letter: str, what: str) -> None:
        super().__init__(channels, target)
        self.name = name
        self._letter = letter
        self.strike_text = f"on {target}, {what} (echo {letter} > /proc/sysrq-trigger)"

    def limitation(self) -> str | None:
        """Only where the kernel is the node's own."""
        found = super().limitation()
        if found is not None:
            return found
        said = self._channels[self.target].run(Script(_ABLE, (self._letter,)), deadline=ASK_S)
        return None if isinstance(said, Done) and said.rc == 0 else f"{self.target}: {words(said)}"

    def strike(self) -> str:
        """Trigger it."""
        said = self._channels[self.target].run(Script(_TRIGGER, (self._letter,)), deadline=ASK_S)
        if not isinstance(said, Done):
            raise Indeterminate(f"Whether {self.name} was struck on {self.target} is not known: {words(said)}")
        if said.rc != 0:
            raise HarehearseError(f"{self.name} failed on {self.target}: {words(said)}")
        return "triggered"


class PowerCycle(_Anew):
    """By the lab: off and on at once, as the reset button of a machine."""

    name = "node_reset"

    def __init__(self, lab: object, channels: Mapping[str, Channel], target: str) -> None:
        super().__init__(channels, target)
        self._lab = lab
        self.strike_text = f"press the reset button of {target}: off and on at once"

    def strike(self) -> str:
        """Off and on."""
        if not isinstance(self._lab, PowerControl):
            raise TypeError(self.name)
        try:
            self._lab.power_off(self.target)
        finally:
            self._lab.power_on(self.target)
        return "reset"


class FenceRequest(_Anew):
    """By the cluster's own fencing."""

    name = "fence_request"

    def __init__(self, manager: object, channels: Mapping[str, Channel], target: str, within: float = 120.0) -> None:
        super().__init__(channels, target)
        self._manager = manager
        self._within = within
        self.strike_text = f"let the cluster fence {target}: it is rebooted by its peers"

    def limitation(self) -> str | None:
        """Only a cluster that fences."""
        return super().limitation() if isinstance(self._manager, Fence) else "its manager has no fencing"

    def strike(self) -> str:
        """Ask for it, and wait for the fencer's word."""
        if not isinstance(self._manager, Fence):
            raise TypeError(self.limitation())
        return self._manager.fence(self.target, deadline=self._within)


def node_reset(scene: Scene, node: str) -> Fault:
    """Start a node anew without a goodbye, as its reset button does; it comes back by itself."""
    if isinstance(scene.lab, PowerControl) or (scene.planned and scene.cluster.provider == "lxd"):
        return PowerCycle(scene.lab, scene.channels, node)
    return Sysrq(scene.channels, node, "node_reset", "b", "reset at once, nothing is synced")


def node_panic(scene: Scene, node: str) -> Fault:
    """Let a node's kernel panic; whether it dumps and starts anew is its own setting."""
    return Sysrq(scene.channels, node, "node_panic", "c", "let the kernel panic")


def fence_request(scene: Scene, node: str) -> Fault:
    """Let the cluster fence a node by itself: what fencing is worth is only known once it was done."""
    return FenceRequest(scene.manager, scene.channels, node)
