# SPDX-License-Identifier: MIT
"""Faults of the cluster manager's own processes on a host: killed, or stopped where they are; its peers fence the node."""

from __future__ import annotations

from typing import Final, Literal

from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.on_node import OnNode, Scripts
from pytest_harehearse.faults.process_hang import hung
from pytest_harehearse.units import seconds

Part = Literal["corosync", "pacemaker"]

_RUNS: Final = """systemctl is-active --quiet -- "$1" || { echo "$1 does not run there" >&2; exit 1; }
"""
_KILL: Final = """set -eu
systemctl show --property=MainPID --value -- "$1" > "/run/harehearse/$2/main"
systemctl kill --signal=KILL -- "$1"
echo "killed $1"
"""
_KILLED: Final = """before=$(cat "/run/harehearse/$2/main")
for try in 1 2 3 4 5 6 7 8 9 10; do
  [ "$(systemctl show --property=MainPID --value -- "$1")" = "$before" ] || exit 0
  sleep 0.2
done
echo "process $before of $1 still runs"; exit 1
"""
#: Started in their order; harmless while they run.
_START: Final = "systemctl start corosync.service pacemaker.service\n"
_STARTED: Final = """for try in 1 2 3 4 5 6 7 8 9 10 11 12; do
  systemctl is-active --quiet corosync.service && systemctl is-active --quiet pacemaker.service && exit 0
  sleep 1
done
echo "corosync or pacemaker does not run"; exit 1
"""


def stack_kill(scene: Scene, node: str, *, part: Part = "corosync", dead_man: str | None = None) -> Fault:
    """SIGKILL a part of the cluster manager on a host; its peers should fence the node; the undo starts it again."""
    return OnNode(
        "stack_kill", scene.channels, node, lambda: Scripts(_KILL, _KILLED, _START, _STARTED, (part,)), needs=_RUNS,
        strike_text=f"on {node}, SIGKILL every process of {part}",
        undo_text=f"on {node}, start corosync and pacemaker, unless its reboot did",
        dead_man=scene.dead_man if dead_man is None else seconds(dead_man), expected=Expected.FENCED,
    )  # fmt: skip


def stack_hang(scene: Scene, node: str, *, part: Part = "corosync", dead_man: str | None = None) -> Fault:
    """Stop a part of the cluster manager where it is (SIGSTOP); its peers should fence the node; the undo lets it go on.

    Args:
        scene: where; hosts.
        node: which node.
        part: corosync or pacemaker.
        dead_man: how long it outlives a runner that was killed.
    """
    return hung(scene, node, part, "stack_hang", Expected.FENCED, dead_man)
