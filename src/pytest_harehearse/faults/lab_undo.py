# SPDX-License-Identifier: MIT
"""Undo a fault that was done through a lab, from this machine: what the timer of such a fault runs, and anybody by hand.

``python -m pytest_harehearse.faults.lab_undo (undo|undone) HOME VERB CLUSTER NODE``: HOME is the lab's, VERB ``power``,
``stack``, ``restart``, ``hang:PART``, or ``pause`` (of the whole cluster). Exits with 0 when it is undone; else says why not. It needs nothing but the lab's home: by then
the inventory may have been edited or be gone, and the variables that it takes may not be set.
"""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import Final, cast

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.faults.base import Scene
from pytest_harehearse.faults.dead_man import DeadMan
from pytest_harehearse.labs.base import HangControl, Lab, Part, PowerControl, StackControl, StackLimits
from pytest_harehearse.labs.healthy import held
from pytest_harehearse.managers.capabilities import Maintenance
from pytest_harehearse.remote.base import Script

#: -P: what lies in the folder where it is run by hand is not taken for a module.
_RUN: Final = 'exec "$1" -P -m pytest_harehearse.faults.lab_undo {what} "$2" "$3" "$4" "$5"\n'
#: How long a lab is given to show the effect.
PROOF_S: Final = 15.0
#: What was asked to end has ended by then; and how long it may take to start it, again and again.
ENDING_S: Final = 10.0
STARTS_S: Final = 30.0
#: How long it waits while the lab is created, reset or removed; who finds it so tries again.
LOCK_S: Final = 20.0


def timer(scene: Scene, verb: str, node: str, seconds: float) -> DeadMan | None:
    """Return the timer that undoes on this machine when we are gone; None: the environment has no lab here.

    Args:
        scene: where.
        verb: power, stack, restart, pause, or hang:PART.
        node: which node.
        seconds: how long the fault outlives a runner that was killed.
    """
    here = scene.here
    if here is None and not scene.planned:
        return None
    home = "" if here is None else str(Path(here.root).parent)
    words = (sys.executable, home, verb, scene.cluster.name, node)
    identity = f"{verb.partition(':')[0]}{secrets.token_hex(4)}"
    return DeadMan(
        identity, lambda: () if here is None else (here,), Script(_RUN.format(what="undo"), words),
        Script(_RUN.format(what="undone"), words), seconds,
    )  # fmt: skip


def undo(lab: object, verb: str, cluster: str, node: str) -> None:
    """Undo through the lab; does nothing when it is undone already."""
    if verb == "power" and isinstance(lab, PowerControl):
        lab.thaw(node)
        lab.power_on(node)
    elif verb == "stack" and isinstance(lab, StackControl):
        lab.start_stack(cluster, node)
    elif verb == "restart" and isinstance(lab, StackControl):
        _start_for_good(lab, cluster, node)
    elif verb.startswith("hang:") and isinstance(lab, HangControl):
        lab.go_on(cluster, node, _part(verb))
    elif verb == "pause":
        manager = cast("Lab", lab).reach(cluster).manager
        if isinstance(manager, Maintenance) and manager.state().maintenance is not False:
            manager.maintenance(on=False)
    else:
        raise HarehearseError(f"this lab has no {verb!r} to undo")


def left(lab: object, verb: str, cluster: str, node: str) -> str | None:
    """Return what is not undone yet; None: it is undone."""
    if verb == "power" and isinstance(lab, PowerControl):
        state = lab.power_state(node)
        return None if state == "on" else f"{node} is {state}"
    if verb in {"stack", "restart"} and isinstance(lab, StackControl):
        return stack_left(lab, cluster, node)
    if verb.startswith("hang:") and isinstance(lab, HangControl):
        pids = lab.hung(cluster, node, _part(verb))
        return f"stopped on {node}: pids {pids}" if pids else None
    if verb == "pause":
        on = cast("Lab", lab).reach(cluster).manager.state().maintenance
        return None if on is False else f"{cluster} is paused" if on else f"whether {cluster} is paused is not told"
    return f"this lab has no {verb!r}"


def stack_left(lab: StackControl, cluster: str, node: str) -> str | None:
    """Return what of a node does not run; None: all of it does, as far as the lab can tell."""
    if isinstance(lab, StackLimits):
        return lab.stack_limitation(cluster, node)
    return None if lab.stack_processes(cluster, node) else f"nothing runs on {node}"


def _start_for_good(lab: StackControl, cluster: str, node: str) -> None:
    """Start what was asked to end, and again whatever ends yet: who asked may have died before anything had ended."""
    until = since = time.monotonic()
    until += ENDING_S + STARTS_S
    while time.monotonic() < since + ENDING_S:
        if stack_left(lab, cluster, node) is not None:
            if time.monotonic() > until:
                raise HarehearseError(f"{node} does not stay up: {stack_left(lab, cluster, node)}")
            lab.start_stack(cluster, node)
            since = time.monotonic()
        time.sleep(0.1)


def _part(verb: str) -> Part:
    return cast("Part", verb.partition(":")[2])


def lab_at(home: Path) -> Lab:
    """Return the lab that lives there.

    Raises:
        HarehearseError: none does.
    """
    from pytest_harehearse.inventory.model import Cluster, Environment, Inventory, Node
    from pytest_harehearse.labs import home as homes
    from pytest_harehearse.labs.base import lab_of

    state = homes.read(home)
    if state is None:
        raise HarehearseError(f"there is no lab in {home} any more")

    def described(name: str) -> Cluster:
        # Only Valkey has sentinels.
        processes = "sentinel" if name in state.sentinels else "patroni"
        manager = processes if state.provider == "embedded" else "pacemaker"
        nodes = tuple(map(Node, state.clusters[name]))
        return Cluster(state.environment, name, "lab", manager, nodes, provider=state.provider)

    environment = Environment(
        state.environment, "lab", state.provider, {name: described(name) for name in state.clusters}
    )
    return lab_of(Inventory(Path(state.inventory), {state.environment: environment}), environment)


def main(arguments: list[str]) -> int:
    """Do what the command line says; return the exit status."""
    what, home, verb, cluster, node = arguments
    try:
        lab = lab_at(Path(home))
        if what == "undo":
            # Else it would start a node of a lab that is just being removed or reset, or that another undo starts.
            with held(Path(home).name, Path(home), LOCK_S):
                undo(lab, verb, cluster, node)
        deadline = time.monotonic() + PROOF_S
        while (reason := left(lab, verb, cluster, node)) is not None:
            if time.monotonic() > deadline:
                sys.stderr.write(f"{reason}\n")
                return 1
            time.sleep(0.1)
    except (HarehearseError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
