# SPDX-License-Identifier: MIT
"""``net_ring_down``: one link of Corosync loses its packets on a node; all else goes on."""

from __future__ import annotations

import re
from typing import Final

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults import nft
from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.dead_man import ASK_S, words
from pytest_harehearse.faults.on_node import OnNode, Scripts
from pytest_harehearse.faults.partition import cut_off
from pytest_harehearse.remote.base import Done, Script
from pytest_harehearse.units import seconds

#: Corosync tells its members' addresses, the system tells the ports that it really uses.
_ASK: Final = """command -v corosync-cmapctl > /dev/null || { echo "Corosync is not installed there" >&2; exit 1; }
corosync-cmapctl || { echo "Corosync does not run there" >&2; exit 1; }
echo '== sockets'
ss -H -u -a -n -p | grep '"corosync"'
exit 0
"""
_LINE: Final = re.compile(r"^(\S+) \([^)]*\) = (.*)$")
_RING: Final = re.compile(r"^nodelist\.node\.(\d+)\.ring(\d+)_addr$")
#: Where ``ss`` does not tell it: Corosync's own default is this plus the link's number.
_PORT: Final = 5405


def links(text: str) -> tuple[dict[int, dict[int, str]], int, dict[str, str]]:
    """Return link → member → address or name, the member that this node is, and everything else by its key."""
    keys = {found[1]: found[2].strip() for line in text.splitlines() if (found := _LINE.match(line))}
    by_link: dict[int, dict[int, str]] = {}
    for key, value in keys.items():
        if found := _RING.match(key):
            by_link.setdefault(int(found[2]), {})[int(found[1])] = value
    return by_link, int(keys.get("nodelist.local_node_pos", "-1")), keys


def ports(sockets: str, own: tuple[str, ...]) -> tuple[int, ...]:
    """Return the ports that Corosync has open on one of these addresses, by the lines of ``ss``."""
    found = set()
    for line in sockets.splitlines():
        for word in line.split()[:5]:
            address, _, port = word.rpartition(":")
            if port.isdigit() and address.strip("[]").partition("%")[0] in own:
                found.add(int(port))
    return tuple(sorted(found))


def net_ring_down(scene: Scene, node: str, *, link: int = 0, dead_man: str | None = None) -> Fault:
    """Take one link of Corosync from a node: its UDP packets on that link are dropped, nothing else is.

    With a second link the cluster should go on as if nothing were (expected: ``no_effect``). With one link it is the same
    as being cut off: the node is fenced.

    Args:
        scene: where.
        node: on which node.
        link: the number of the link, as ``corosync-cfgtool -s`` says.
        dead_man: how long it outlives a runner that was killed, as "30s".
    """

    def scripts() -> Scripts:
        channel = scene.channels[node]
        asked = channel.run(Script(_ASK), deadline=ASK_S)
        if not isinstance(asked, Done) or asked.rc != 0:
            raise Unsupported(f"the links of Corosync on {node} could not be read: {words(asked)}")
        said, _, sockets = asked.out.partition("== sockets")
        by_link, here, keys = links(said)
        members = by_link.get(link)
        if members is None:
            there = ", ".join(str(number) for number in sorted(by_link)) or "none"
            raise Unsupported(f"Corosync on {node} has no link {link}; it has: {there}")
        known = nft.resolved(channel, members.values())
        own = known.get(members.get(here, ""), ())
        others = [one for member, name in members.items() if member != here for one in known[name]]
        if not own or not others:
            raise Unsupported(f"Corosync on {node} does not say which of the addresses of link {link} are its own")
        told = keys.get(f"totem.interface.{link}.mcastport", "")
        used = ports(sockets, own) or ((int(told),) if told.isdigit() else (_PORT + link,))
        if not fault.asserted:
            fault.expected = Expected.NO_EFFECT if len(by_link) > 1 else cut_off(scene)
        listed = ", ".join(map(str, used))
        chains = []
        for hook, side in (("input", "saddr"), ("output", "daddr")):
            peers = nft.by_family(others).items()
            chains.append(nft.chain(hook, [f"{f} {side} {{ {a} }} udp {p} {{ {listed} }} counter drop"
                                           for f, a in peers for p in ("dport", "sport")]))  # fmt: skip
        return Scripts(nft.STRIKE, nft.EFFECT, nft.UNDO, nft.UNDONE, ("\n".join(chains),))

    fault = OnNode(
        "net_ring_down", scene.channels, node, scripts, needs=nft.NEEDS,
        strike_text=f"on {node}, drop Corosync's packets on its link {link} (an nft table of our own)",
        undo_text=f"on {node}, delete that table",
        dead_man=scene.dead_man if dead_man is None else seconds(dead_man), expected=cut_off(scene),
    )  # fmt: skip
    return fault
