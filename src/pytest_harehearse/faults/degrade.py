# SPDX-License-Identifier: MIT
"""``net_degrade``: delay, loss and a limited rate; by netem where the kernel has it, else by what nft can do of it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults import netem, nft
from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.dead_man import ASK_S, words
from pytest_harehearse.faults.on_node import OnNode, Scripts
from pytest_harehearse.remote.base import Channel, Done, Script
from pytest_harehearse.units import seconds

_RATE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?)bit\s*")
_PERCENT: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")
_PREFIX: Final = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
#: How finely nft draws lots.
_LOTS: Final = 10_000
#: Sends, and so has answered, as much as the node and its peers can for a few seconds; ``$2``: addresses, a space between.
_PROVOKE: Final = """for address in $2; do
  ping -q -f -s 1400 -c 4000 -w 4 "$address" > /dev/null 2>&1 < /dev/null &
done"""
#: Every rule has to have dropped something.
_EFFECT: Final = """for id in "$@"; do :; done
table="harehearse_$id"
{provoke}
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24; do
  rules=$(nft list table inet "$table" 2> /dev/null | grep -F counter) || { echo "its table is not there"; exit 1; }
  case "$rules" in *"counter packets 0 "*) ;; *) exit 0 ;; esac
  sleep 0.25
done
echo "in 6 s no packet was dropped by:" $(echo "$rules" | grep -F "counter packets 0 ")
exit 1
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to become of packets; nought: nothing."""

    #: Seconds.
    delay: float = 0.0
    jitter: float = 0.0
    #: Percent.
    loss: float = 0.0
    #: Bits a second.
    rate: float = 0.0

    def __str__(self) -> str:
        said = []
        if self.delay:
            more = f" ± {self.jitter * 1000:g} ms" if self.jitter else ""
            said.append(f"{self.delay * 1000:g} ms{more} late")
        if self.loss:
            said.append(f"{self.loss:g} % lost")
        if self.rate:
            said.append(f"{self.rate / 1e6:g} Mbit/s at most")
        return ", ".join(said)


def wanted(delay: str | None, jitter: str | None, loss: str | None, rate: str | None) -> Wanted:
    """Return what is asked for.

    Raises:
        Unsupported: it is nothing, or not a number with its unit.
    """
    lost, limited = 0.0, 0.0
    if loss is not None:
        found = _PERCENT.fullmatch(loss) if isinstance(loss, str) else None
        if found is None or not 0 < float(found[1]) <= 100:
            raise Unsupported(f'loss={loss!r} is no share of packets; write a percentage, as in loss="5%".')
        lost = float(found[1])
        if lost * _LOTS / 100 < 1:
            raise Unsupported(f'loss="{loss}" is less than can be drawn; the least is "0.01%".')
    if rate is not None:
        found = _RATE.fullmatch(rate.lower()) if isinstance(rate, str) else None
        if found is None or float(found[1]) * _PREFIX[found[2]] < 8000:
            raise Unsupported(
                f'rate={rate!r} is no rate; write a number and a unit, as in rate="2mbit" (kbit, mbit, gbit; at least 8kbit).'
            )
        limited = float(found[1]) * _PREFIX[found[2]]
    late = 0.0 if delay is None else seconds(delay)
    varied = 0.0 if jitter is None else seconds(jitter)
    if varied and not late:
        raise Unsupported('jitter is how much a delay varies, so it needs one: delay="50ms", jitter="10ms".')
    if varied > late:
        raise Unsupported(f"jitter={jitter!r} is more than delay={delay!r}, and nothing arrives before it was sent.")
    if not (late or lost or limited):
        raise Unsupported('say what is to become of the packets: delay="50ms", jitter="10ms", loss="5%", rate="2mbit".')
    return Wanted(late, varied, lost, limited)


def by_nft(what: Wanted, peers: Sequence[str], targets: Sequence[str]) -> Scripts:
    """Return the way without netem: what arrives is lost by lot, or beyond a rate.

    Args:
        what: without a delay.
        peers: addresses whose packets are meant; none: everybody's.
        targets: addresses that may be asked for answers, to prove it.
    """
    rules = []
    if what.loss:
        rules.append(f"numgen random mod {_LOTS} < {round(what.loss * _LOTS / 100)} counter drop")
    if what.rate:
        # A burst of 50 ms, and of a few packets at least: without one, nothing would pass at all.
        rules.append(
            f"limit rate over {int(what.rate / 8)} bytes/second burst {max(16_384, math.ceil(what.rate / 8 / 20))} bytes "
            "counter drop"
        )
    to = (
        [f"{family} saddr {{ {some} }} jump degraded" for family, some in nft.by_family(peers).items()]
        if peers
        else ["jump degraded"]
    )
    degraded = "chain degraded {\n" + "\n".join(rules) + "\n}"
    chains = f"{degraded}\n{nft.chain('input', to)}"
    effect = _EFFECT.replace("{provoke}", _PROVOKE)
    return Scripts(nft.STRIKE, effect, nft.UNDO, nft.UNDONE, (chains, " ".join(targets)))


def device(channel: Channel, targets: Sequence[str]) -> str:
    """Return the interface by which a node reaches these addresses.

    Raises:
        Unsupported: it cannot be asked, or there are several.
    """
    found: set[str] = set()
    for address in targets:
        asked = channel.run(["ip", "-j", "route", "get", address], deadline=ASK_S)
        if not isinstance(asked, Done) or asked.rc != 0:
            raise Unsupported(f"how {channel.node} reaches {address} could not be read: {words(asked)}")
        found.update(str(one.get("dev")) for one in json.loads(asked.out or "[]"))
    if len(found) != 1:
        raise Unsupported(f"{channel.node} reaches them by several interfaces: {', '.join(sorted(found))}")
    return found.pop()


def in_the_way(channel: Channel, interface: str) -> str | None:
    """Return the queueing discipline that somebody else put on an interface; None: none.

    Raises:
        Unsupported: it cannot be asked.
    """
    asked = channel.run(["tc", "-j", "qdisc", "show", "dev", interface], deadline=ASK_S)
    if not isinstance(asked, Done) or asked.rc != 0:
        raise Unsupported(f"what {interface} of {channel.node} queues by could not be read: {words(asked)}")
    for one in json.loads(asked.out or "[]"):
        # The kernel's own have no handle.
        if one.get("root") and str(one.get("handle", "0:")) != "0:":
            return f"{one.get('kind')} {one['handle']}"
    return None


def net_degrade(
    scene: Scene, node: str, *, delay: str | None = None, jitter: str | None = None, loss: str | None = None,
    rate: str | None = None, peers: Sequence[str] | None = None, dead_man: str | None = None,
) -> Fault:  # fmt: skip
    """Make the network of a node worse: packets late, lost, or fewer than were sent.

    Where the node's kernel has netem, it is what the node *sends* that is late, lost or slowed down. Where it has not, what
    *arrives* there is lost, or dropped beyond the rate; a delay cannot be had then.

    Args:
        scene: where.
        node: on which node.
        delay: how much later, as "50ms".
        jitter: how much that varies, as "10ms".
        loss: how many of a hundred are lost, by lot, as "5%".
        rate: how much passes at most, as "2mbit".
        peers: only what goes to (comes from) these nodes; default: everything on the interface, the users' and the
            runner's included.
        dead_man: how long it outlives a runner that was killed, as "30s".
    """
    what = wanted(delay, jitter, loss, rate)
    chosen = [peers] if isinstance(peers, str) else [str(one) for one in peers or ()]
    if strange := [one for one in chosen if one not in scene.nodes or one == node]:
        raise Unsupported(f"{', '.join(strange)}: peers= takes other nodes of {scene.cluster.id}")

    def scripts() -> Scripts:
        channel = scene.channels[node]
        others = chosen or [one for one in scene.nodes if one != node]
        targets = nft.addresses_of(scene.channels, others)
        asked = channel.run(Script(netem.ASK, (f"hh{fault.id[-8:]}",)), deadline=ASK_S)
        if not isinstance(asked, Done):
            raise Unsupported(f"{node} could not be asked what its kernel can do: {words(asked)}")
        if asked.rc == 0:
            interface = device(channel, targets)
            if (other := in_the_way(channel, interface)) is not None:
                raise Unsupported(
                    f"{interface} of {node} has a queueing discipline of somebody else's ({other}), which would have to be "
                    "replaced"
                )
            return netem.scripts(what, interface, targets if chosen else (), targets[0], fault.id)
        if what.delay:
            raise Unsupported(f"the kernel of {node} has no netem ({words(asked)}), and nothing else delays packets")
        tools = channel.run(Script(nft.NEEDS), deadline=ASK_S)
        if not isinstance(tools, Done) or tools.rc != 0:
            raise Unsupported(
                f"{node} has no netem ({words(asked)}), and what nft could do is not there: {words(tools)}"
            )
        return by_nft(what, targets if chosen else (), targets)

    of = f" of what goes between it and {', '.join(chosen)}" if chosen else ""
    fault = OnNode(
        "net_degrade", scene.channels, node, scripts, needs=":",
        strike_text=f"on {node}, let packets be{of}: {what} (netem, or an nft table of our own)",
        undo_text=f"on {node}, remove that again",
        dead_man=scene.dead_man if dead_man is None else seconds(dead_man), expected=Expected.DEGRADED,
    )  # fmt: skip
    return fault
