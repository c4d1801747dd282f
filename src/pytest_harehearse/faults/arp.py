# SPDX-License-Identifier: MIT
"""``arp_stale``: a node goes on sending to the network card that had an address, wherever that address moves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.dead_man import ASK_S, DEAD_MAN_S, FLEETING, words
from pytest_harehearse.faults.on_node import Scripts
from pytest_harehearse.faults.surely import SurelyUndone, in_time
from pytest_harehearse.managers.capabilities import OwnsAddresses
from pytest_harehearse.remote.base import Channel, Done
from pytest_harehearse.units import seconds

#: Arguments of all: address, device, MAC, where the timer is, id. A container may lack the right: its own words say so.
_NEEDS: Final = """ip neigh show dev "$2" > /dev/null
read -r name hex <<CAPS
$(grep ^CapEff: /proc/self/status)
CAPS
case "$hex" in *[13579bdf]???) exit 0 ;; esac
echo "the right to change its neighbour entries (CAP_NET_ADMIN) is missing there" >&2
exit 1
"""
_STRIKE: Final = """ip neigh replace "$1" lladdr "$3" dev "$2" nud permanent || exit 1
echo "$1 stays $3 on $2"
"""
_EFFECT: Final = """ip neigh show nud permanent to "$1" dev "$2" | grep -qF "lladdr $3" && exit 0
echo "the entry of $1 on $2 is not kept: $(ip neigh show to "$1" dev "$2")"
exit 1
"""
#: Only ours: an entry that somebody else made permanent since has another MAC.
_UNDO: Final = """ip neigh show nud permanent to "$1" dev "$2" 2> /dev/null | grep -qF "lladdr $3" || exit 0
ip neigh del "$1" dev "$2"
"""
_UNDONE: Final = """! ip neigh show nud permanent to "$1" dev "$2" 2> /dev/null | grep -qF "lladdr $3" && exit 0
echo "the entry of $1 on $2 is still kept"
exit 1
"""


def _json(channel: Channel, *words_: str) -> list[dict[str, Any]]:
    """Return what ``ip`` says.

    Raises:
        Unsupported: it says nothing that can be read.
    """
    asked = channel.run(["ip", "-j", *words_], deadline=ASK_S)
    if not isinstance(asked, Done) or asked.rc != 0:
        raise Unsupported(f"ip {' '.join(words_)} failed on {channel.node}: {words(asked)}")
    try:
        found: list[dict[str, Any]] = json.loads(asked.out or "[]")
    except ValueError as error:
        raise Unsupported(f"ip {' '.join(words_)} on {channel.node} gave no JSON: {error}") from error
    return found


def _entry(channel: Channel, address: str) -> tuple[str, str]:
    """Return device and MAC of an address as a node has them now; it is asked once when it has none.

    Raises:
        Unsupported: there is nothing that could be kept, with the reason.
    """
    node = channel.node
    route = next(iter(_json(channel, "route", "get", address)), {})
    device = str(route.get("dev", ""))
    if route.get("type") == "local" or not device or device == "lo":
        raise Unsupported(f"{node} has {address} itself, and sends nothing to it over the network")
    if "gateway" in route or "via" in route:
        raise Unsupported(f"{node} is not on the network of {address}: it sends to a gateway, and knows no MAC of it")
    for first in (True, False):
        for entry in _json(channel, "neigh", "show", "to", address, "dev", device):
            states = set(entry.get("state", []))
            if states & {"PERMANENT", "NOARP"}:
                raise Unsupported(f"the entry of {address} on {node} is permanent already, and not by us")
            if "lladdr" in entry and not states & {"FAILED", "INCOMPLETE"}:
                return device, str(entry["lladdr"])
        if first:
            # Whether it is answered does not matter: the entry is made before the question is sent.
            channel.run(["ping", "-c", "1", "-W", "2", address], deadline=ASK_S)
    raise Unsupported(f"{node} has no neighbour entry for {address}, and a ping made none: nobody has that address")


class ArpStale(SurelyUndone):
    """A neighbour entry that is kept as it is; see :class:`~.base.Fault`."""

    def __init__(
        self, channels: Mapping[str, Channel], target: str, address: str, *, dead_man: float = DEAD_MAN_S,
        root: str = FLEETING,
    ) -> None:  # fmt: skip
        def scripts() -> Scripts:
            device, mac = _entry(channels[target], address)
            return in_time(Scripts(_STRIKE, _EFFECT, _UNDO, _UNDONE, (address, device, mac, root)), "$4")

        super().__init__(
            "arp_stale", channels, target, scripts, needs=_NEEDS,
            strike_text=f"on {target}, keep the neighbour entry (MAC) of {address} as it is (ip neigh … nud permanent)",
            undo_text=f"on {target}, delete that entry", dead_man=dead_man, root=root, expected=Expected.NO_EFFECT,
        )  # fmt: skip


def arp_stale(scene: Scene, node: str, *, address: str | None = None, dead_man: str | None = None) -> Fault:
    """Keep a node, as a client of the others, from learning that an address has moved to another network card.

    Its neighbour entry stays as it is: after a move it still sends to the old node. Nobody else is affected.

    Args:
        scene: where.
        node: the node that does not learn it; not the one that has the address.
        address: the address; default: the one that moves with the service.
        dead_man: how long it outlives a runner that was killed.

    Raises:
        Unsupported: it is not clear which address is meant; nothing was touched.
    """
    if address is None:
        found = scene.manager.addresses() if isinstance(scene.manager, OwnsAddresses) else ()
        if len(found) != 1:
            there = f"has the addresses {', '.join(found)}" if found else "has no address that moves"
            raise Unsupported(f'{scene.cluster.id} {there}: name the one that is meant, as in address="10.0.0.100".')
        address = found[0]
    return ArpStale(scene.channels, node, address, dead_man=scene.dead_man if dead_man is None else seconds(dead_man))
