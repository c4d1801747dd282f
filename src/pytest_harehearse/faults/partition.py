# SPDX-License-Identifier: MIT
"""``net_partition``: packets between nodes are dropped, by an nft table of our own on one side; nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, get_args

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults import nft
from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.dead_man import DEAD_MAN_S
from pytest_harehearse.faults.on_node import OnNode, Scripts
from pytest_harehearse.managers.capabilities import OwnsAddresses
from pytest_harehearse.remote.base import Channel
from pytest_harehearse.units import seconds

Direction = Literal["both", "in", "out"]


def partition(
    channels: Mapping[str, Channel], target: str, peers: Iterable[str], *, direction: Direction = "both",
    keep: Iterable[str] | Callable[[], Iterable[str]] = (), dead_man: float = DEAD_MAN_S, expected: Expected = Expected.FENCED,
) -> OnNode:  # fmt: skip
    """Return the fault that cuts a node off from others.

    Args:
        channels: of all nodes.
        target: the node whose packets are dropped, on itself.
        peers: the nodes from which it is cut off.
        direction: "in": what comes from them is dropped, "out": what goes to them.
        keep: addresses that stay reachable whatever happens, as one that users reach.
        dead_man: seconds after which the node undoes it by itself when we are gone.
        expected: what the cluster should make of it.

    Raises:
        Unsupported: there is no such direction.
    """
    if direction not in get_args(Direction):
        raise Unsupported(f'direction={direction!r} is none; it is "both", "in" or "out".')
    names = list(peers)

    def scripts() -> Scripts:
        if target in names:
            raise Unsupported(f"{target} cannot be cut off from itself")
        kept = set(keep() if callable(keep) else keep)
        found = nft.by_family(one for one in nft.addresses_of(channels, names) if one not in kept)
        if not found:
            raise Unsupported(f"{', '.join(names) or 'nobody'} has no address to be cut off from")
        hooks = {"both": ("input", "output"), "in": ("input",), "out": ("output",)}[direction]
        side = {"input": "saddr", "output": "daddr"}
        chains = [
            nft.chain(hook, [f"{family} {side[hook]} {{ {some} }} counter drop" for family, some in found.items()])
            for hook in hooks
        ]
        return Scripts(nft.STRIKE, nft.EFFECT, nft.UNDO, nft.UNDONE, ("\n".join(chains),))

    way = {"both": "to and from", "in": "from", "out": "to"}[direction]
    return OnNode(
        "net_partition", channels, target, scripts, needs=nft.NEEDS,
        strike_text=f"on {target}, drop every packet {way} {', '.join(names)} (an nft table of our own)",
        undo_text=f"on {target}, delete that table",
        dead_man=dead_man, expected=expected,
    )  # fmt: skip


def cut_off(scene: Scene) -> Expected:
    """Return what becomes of a node that its peers cannot reach: whoever fences, fences it."""
    return Expected.FENCED if scene.cluster.manager == "pacemaker" else Expected.ON_PEER


def net_partition(
    scene: Scene, node: str, *peers: str, direction: Direction = "both", dead_man: str | None = None
) -> Fault:
    """Cut a node off from others: it drops their packets; users and the runner still reach it.

    Args:
        scene: where.
        node: where packets are dropped.
        peers: from whom it is cut off; default: from all other nodes.
        direction: "in": it hears nothing of them, "out": they hear nothing of it.
        dead_man: how long it outlives a runner that was killed, as "30s".
    """
    others = list(peers) or [name for name in scene.nodes if name != node]
    keep = scene.manager.addresses if isinstance(scene.manager, OwnsAddresses) else ()
    return partition(
        scene.channels, node, others, direction=direction, keep=keep,
        dead_man=scene.dead_man if dead_man is None else seconds(dead_man), expected=cut_off(scene),
    )  # fmt: skip
