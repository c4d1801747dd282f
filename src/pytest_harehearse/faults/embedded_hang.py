# SPDX-License-Identifier: MIT
"""Processes of an embedded lab that stop where they are: what serves users, a whole node, or members of the DCS."""

from __future__ import annotations

import time
from typing import Final

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults import lab_undo
from pytest_harehearse.faults.base import Armed, Expected, Fault, Scene
from pytest_harehearse.labs.base import HangControl, Part
from pytest_harehearse.units import seconds

#: A signal is delivered when the kernel next runs the process.
PROOF_S: Final = 5.0
_WHAT: Final[dict[Part, str]] = {
    "server": "what serves users on {0}", "manager": "the cluster manager of {0}", "node": "every process of {0}",
    "dcs": "the member beside {0}", "dcs-majority": "a majority of the members",
}  # fmt: skip


class EmbeddedHang(Armed):
    """See :class:`~.base.Fault`."""

    def __init__(self, name: str, scene: Scene, target: str, part: Part, dead_man: float, expected: Expected) -> None:
        self.name = name
        self.target = target
        self.expected = expected
        self._lab = scene.lab
        self._cluster = scene.cluster.name
        self._part: Part = part
        self._pids: list[int] = []
        self._timer = lab_undo.timer(scene, f"hang:{part}", target, dead_man)
        what = _WHAT[part].format(target)
        self.strike_text = f"stop {what} where it is (SIGSTOP)"
        self.undo_text = f"let {what} go on (SIGCONT)"

    def limitation(self) -> str | None:
        """Only a lab of processes can do it, and only to what there is."""
        if not isinstance(self._lab, HangControl):
            return "this environment gives no control over the processes of its nodes"
        return self._lab.hang_limitation(self._cluster, self.target, self._part)

    @property
    def _control(self) -> HangControl:
        if not isinstance(self._lab, HangControl):
            raise TypeError(self.limitation())
        return self._lab

    def strike(self) -> str:
        """Stop them."""
        self._pids = self._control.hang(self._cluster, self.target, self._part)
        return f"stopped {', '.join(map(str, self._pids)) or 'nothing'}"

    def effect(self) -> str | None:
        """Proved when something was stopped, and all of it is."""
        if not self._pids:
            return f"nothing of the kind ran on {self.target}, so nothing was stopped"
        until = time.monotonic() + PROOF_S
        while missing := sorted(set(self._pids) - set(self._control.hung(self._cluster, self.target, self._part))):
            if time.monotonic() > until:
                return f"not stopped, or gone: pids {missing}"
            time.sleep(0.02)
        return None

    def undo(self) -> None:
        """Let them go on."""
        self._control.go_on(self._cluster, self.target, self._part)

    def undone(self) -> str | None:
        """Undone when none is stopped."""
        until = time.monotonic() + PROOF_S
        while pids := self._control.hung(self._cluster, self.target, self._part):
            if time.monotonic() > until:
                return f"still stopped on {self.target}: pids {pids}"
            time.sleep(0.02)
        return None


def hang(scene: Scene, node: str, *, part: str = "server", dead_man: str | None = None) -> Fault:
    """Stop what serves users on a node of an embedded lab where it is, or its manager; the undo lets it go on.

    Args:
        scene: where; an embedded lab.
        node: which node.
        part: ``server``; or ``manager``: Patroni, while its PostgreSQL serves on and another one is promoted once the
            lease has ended (both are primaries until the undo); or the sentinel, which its peers do without.
        dead_man: how long it outlives a runner that was killed.
    """
    if part not in {"server", "manager"}:
        raise Unsupported(f"process_hang has no part {part!r}; there are server and manager.")
    # PostgreSQL's manager notices a server that does not answer; nobody restarts a Valkey: its sentinels move on.
    alone = part == "manager" and scene.cluster.manager == "sentinel"
    expected = Expected.NO_EFFECT if alone else Expected.ON_PEER
    which: Part = "manager" if part == "manager" else "server"
    return EmbeddedHang("process_hang", scene, node, which, _seconds(scene, dead_man), expected)


def node_hang(scene: Scene, node: str, *, dead_man: str | None = None) -> Fault:
    """Stop every process of a node of an embedded lab where it is: it comes back as if no time had passed."""
    return EmbeddedHang("node_freeze", scene, node, "node", _seconds(scene, dead_man), Expected.ON_PEER)


def dcs_loss(scene: Scene, node: str, *, majority: bool = False, dead_man: str | None = None) -> Fault:
    """Stop a member of what the cluster keeps its truth in (etcd, sentinels) where it is; the undo lets it go on.

    Args:
        scene: where; an embedded lab.
        node: the member beside this node.
        majority: so many members that no majority is left. Sentinels then move nothing. Patroni's primary serves on until
            it has failed to renew its lease (here 11 s, measured 2026-11; the lease lasts 20 s), steps down, for nobody
            could know of a second one, and nobody serves until the undo.
        dead_man: how long it outlives a runner that was killed.
    """
    expected = Expected.NO_EFFECT
    if majority:
        expected = Expected.STAYS_DOWN if scene.cluster.manager == "patroni" else Expected.NO_EFFECT
    part: Part = "dcs-majority" if majority else "dcs"
    return EmbeddedHang("dcs_loss", scene, node, part, _seconds(scene, dead_man), expected)


def _seconds(scene: Scene, dead_man: str | None) -> float:
    return scene.dead_man if dead_man is None else seconds(dead_man)
