# SPDX-License-Identifier: MIT
"""``fence_fail``: a node cannot reach the fence devices, so what it would have to fence cannot be fenced by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults import nft
from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.compose import Together
from pytest_harehearse.faults.dead_man import ASK_S, words
from pytest_harehearse.faults.on_node import OnNode, Scripts
from pytest_harehearse.managers.pacemaker.xml import parse
from pytest_harehearse.remote.base import Channel, Done
from pytest_harehearse.units import seconds

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: Names of the parameters of fence agents that hold where the device is, and its port.
_ADDRESS: Final = ("ip", "ipaddr", "hostname", "host", "address", "ipaddress")
_PORT: Final = ("ipport", "udpport", "tcpport", "ip_port")
#: Agents whose port is a standard's.
_STANDARD: Final = {
    "fence_ipmilan": 623, "fence_ipmilanplus": 623, "fence_idrac": 623, "fence_ilo3": 623, "fence_ilo4": 623,
    "fence_ilo5": 623, "fence_imm": 623, "external/ipmi": 623, "fence_redfish": 443, "fence_vmware_rest": 443,
    "fence_vmware_soap": 443, "fence_rhevm": 443, "fence_ilo": 443,
}  # fmt: skip


def devices(data: bytes) -> tuple[tuple[str, int | None], ...]:
    """Return address and port of every fence device of a cluster information base; a port that is not said is None.

    Raises:
        Unsupported: it cannot be understood.
    """
    root = parse(data)
    if isinstance(root, str):
        raise Unsupported(f"the configuration of the cluster cannot be understood: {root}")
    found: dict[tuple[str, int | None], None] = {}
    templates = {one.get("id", ""): one for one in root.iter("template")}
    for primitive in root.iter("primitive"):
        sources = [one for one in (primitive, templates.get(primitive.get("template", ""))) if one is not None]
        if not any(one.get("class") == "stonith" for one in sources):
            continue
        parameters = _parameters(sources)
        address = next((parameters[name] for name in _ADDRESS if parameters.get(name)), None)
        if address is None:
            continue
        agent = next((kind for one in sources if (kind := one.get("type"))), "")
        said = next((parameters[name] for name in _PORT if parameters.get(name)), "")
        found[address, int(said) if said.isdigit() and 0 < int(said) < 65536 else _STANDARD.get(agent)] = None
    return tuple(found)


def _parameters(sources: list[Element]) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in sources:
        for pair in source.iterfind("instance_attributes/nvpair"):
            found.setdefault(pair.get("name", ""), pair.get("value", ""))
    return found


def _asked(channel: Channel) -> tuple[tuple[str, int | None], ...]:
    asked = channel.run(["cibadmin", "--query", "--scope", "resources"], deadline=ASK_S)
    if not isinstance(asked, Done) or asked.rc != 0:
        raise Unsupported(
            f'the fence devices could not be read on {channel.node} ({words(asked)}); name one: address="…", port=…'
        )
    return devices(asked.stdout)


def _cut(scene: Scene, node: str, address: str | None, port: int | None, dead_man: float) -> OnNode:
    def scripts() -> Scripts:
        channel = scene.channels[node]
        wanted = ((address, port),) if address is not None else tuple((a, port or p) for a, p in _asked(channel))
        if not wanted:
            raise Unsupported('the cluster has no fence device with an address; name one: address="…", port=…')
        if lacking := [one for one, number in wanted if not number]:
            raise Unsupported(f"the port of the fence device {', '.join(lacking)} is not known; name it: port=…")
        known = nft.resolved(channel, [one for one, _ in wanted])
        doors = sorted({(found, number) for one, number in wanted for found in known[one]})
        rules: dict[str, list[str]] = {"input": [], "output": []}
        for found, number in doors:
            (family,) = nft.by_family([found])
            protocols = "meta l4proto { tcp, udp } th"
            rules["output"].append(f"{family} daddr {found} {protocols} dport {number} counter drop")
            rules["input"].append(f"{family} saddr {found} {protocols} sport {number} counter drop")
        chains = "\n".join(nft.chain(hook, some) for hook, some in rules.items())
        provoked = "\n".join(f"{way},{found},{number}" for found, number in doors for way in ("tcp", "udp"))
        return Scripts(nft.STRIKE, nft.EFFECT_PROVOKED, nft.UNDO, nft.UNDONE, (chains, provoked))

    where = f"{address}{f' port {port}' if port else ''}" if address is not None else "every fence device"
    return OnNode(
        "fence_fail", scene.channels, node, scripts, needs=nft.NEEDS,
        strike_text=f"on {node}, drop every packet to and from {where} (an nft table of our own)",
        undo_text=f"on {node}, delete that table", dead_man=dead_man, expected=Expected.STAYS_DOWN,
    )  # fmt: skip


def fence_fail(
    scene: Scene, node: str | None = None, *, address: str | None = None, port: int | None = None,
    dead_man: str | None = None,
) -> Fault:  # fmt: skip
    """Let the fence devices not be reached: what should be fenced then cannot be.

    By itself users feel nothing of it. But when a node is lost meanwhile, nobody may serve in its place until it is known
    to be off (expected: ``stays_down_safely``); a cluster that takes over all the same may end with two active nodes.

    Args:
        scene: where.
        node: from which node; default: from every node of the cluster, so that none can fence.
        address: of the fence device; default: those of the cluster's own configuration (Pacemaker).
        port: its TCP or UDP port; default: as the configuration says, or the agent's standard.
        dead_man: how long it outlives a runner that was killed, as "30s".

    Raises:
        Unsupported: the port is none.
    """
    if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536):
        raise Unsupported(f"port={port!r} is no port; it is a whole number from 1 to 65535.")
    lasts = scene.dead_man if dead_man is None else seconds(dead_man)
    if node is not None:
        return _cut(scene, node, address, port, lasts)
    return Together([_cut(scene, one, address, port, lasts) for one in scene.nodes])
