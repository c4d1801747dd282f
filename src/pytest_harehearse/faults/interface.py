# SPDX-License-Identifier: MIT
"""``net_nic_down``: a network interface of a node goes down; the undo brings it up, with the addresses and routes it lost."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from pytest_harehearse.errors import Indeterminate, Unsupported
from pytest_harehearse.faults import nft
from pytest_harehearse.faults.base import Fault, Scene
from pytest_harehearse.faults.dead_man import ASK_S, words
from pytest_harehearse.faults.on_node import OnNode, Scripts
from pytest_harehearse.faults.partition import cut_off
from pytest_harehearse.managers.capabilities import OwnsAddresses
from pytest_harehearse.remote.base import Channel, Done
from pytest_harehearse.units import seconds

_NEEDS: Final = "command -v ip > /dev/null || { echo 'ip (iproute2) is not installed there' >&2; exit 1; }"
#: A second later and by itself, so that the answer to this arrives before the way back is gone.
_STRIKE: Final = """set -eu
ip link show dev "$1" > /dev/null
if [ "$2" = later ]; then
  for id in "$@"; do :; done
  setsid sh -c 'sleep 1; [ -e "$2" ] && ip link set dev "$1" down' sh "$1" "/run/harehearse/$id/deadline" \\
    < /dev/null > /dev/null 2>&1 &
else
  ip link set dev "$1" down
fi
"""
_EFFECT: Final = """said=$(ip -o link show dev "$1") || { echo "$1 is gone"; exit 1; }
case "${said%%>*}," in *[\\<,]UP,*) echo "$1 is still up"; exit 1 ;; esac
"""
#: ``$3``: what it had, as commands for ip; what is there already is left as it is.
_UNDO: Final = """ip link show dev "$1" > /dev/null 2>&1 || exit 0
ip link set dev "$1" up || exit 1
[ -z "$3" ] && exit 0
printf '%s\\n' "$3" | {
  left=0
  while read -r what; do
    [ -z "$what" ] && continue
    for try in 1 2 3 4 5 6 7 8 9 10; do
      # shellcheck disable=SC2086
      said=$(ip $what 2>&1) && continue 2
      sleep 0.3
    done
    echo "ip $what: $said" >&2
    left=1
  done
  exit $left
}
"""
#: ``$4``: what tells each of them, as arguments for ip: nothing told is nothing there.
_UNDONE: Final = """said=$(ip -o link show dev "$1") || { echo "$1 is gone"; exit 1; }
case "${said%%>*}," in *[\\<,]UP,*) ;; *) echo "$1 is still down"; exit 1 ;; esac
printf '%s\\n' "$4" | {
  left=0
  while read -r what; do
    [ -z "$what" ] && continue
    # shellcheck disable=SC2086
    [ -n "$(ip $what 2> /dev/null)" ] || { echo "$1 still lacks: ip $what"; left=1; }
  done
  exit $left
}
"""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/@-]+")
#: What comes back by itself with the interface, or from routers.
_BY_ITSELF: Final = frozenset({"kernel", "ra", "redirect", "dhcp"})
#: The way back to a host that was cut off: its timer, and what an interface needs to come up.
_BACK_S: Final = 30.0


@dataclass(slots=True)
class Interface:
    """What an interface has now."""

    name: str
    addresses: tuple[str, ...] = ()
    #: How to give back what it loses, and how to see that it is there; each an argument list of ``ip``, as text.
    restore: list[str] = field(default_factory=list)
    check: list[str] = field(default_factory=list)


def interfaces(links: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return those that are up and have an address of their own, by name."""
    return {
        str(link["ifname"]): link
        for link in links
        if "UP" in link.get("flags", ())
        and "LOOPBACK" not in link.get("flags", ())
        and any(one.get("scope") == "global" for one in link.get("addr_info", ()))
    }


def had(link: Mapping[str, Any], routes: Sequence[Mapping[str, Any]], kept: frozenset[str]) -> Interface:
    """Return what an interface would have to be given back.

    Args:
        link: as ``ip -j address`` tells it.
        routes: as ``ip -j route`` tells them, of both families.
        kept: addresses that are the cluster's to give, wherever they are then.

    Raises:
        Unsupported: a route has several ways, which this could not give back faithfully.
    """
    name = str(link["ifname"])
    found = Interface(name, tuple(str(one["local"]) for one in link.get("addr_info", ()) if "local" in one))
    for one in link.get("addr_info", ()):
        if one.get("scope") != "global" or one.get("dynamic") or one.get("temporary") or one.get("local") in kept:
            continue
        whole = f"{one['local']}/{one['prefixlen']}"
        # Without duplicate detection: it is its own address, and nobody may wait for it.
        more = (
            " nodad" if one.get("family") == "inet6" else f" broadcast {one['broadcast']}" if "broadcast" in one else ""
        )
        found.restore.append(f"address replace {whole} dev {name}{more}")
        found.check.append(f"address show to {one['local']} dev {name}")
    for route in routes:
        if (
            route.get("protocol") in _BY_ITSELF
            or name not in _devices(route)
            or route.get("type", "unicast") != "unicast"
        ):
            continue
        if "nexthops" in route:
            raise Unsupported(f"the route to {route.get('dst')} goes several ways, one of them by {name}")
        family = "-6" if ":" in f"{route.get('dst')}{route.get('gateway', '')}" else "-4"
        rest = [f"{word} {route[key]}" for key, word in _ROUTE.items() if route.get(key) not in {None, ""}]
        via = route.get("via")
        if isinstance(via, Mapping):
            rest.insert(0, f"via {via['family']} {via['host']}")
        onlink = ["onlink"] if "onlink" in route.get("flags", ()) else []
        found.restore.append(" ".join((f"{family} route replace {route['dst']}", *rest, *onlink)))
        found.check.append(f"{family} route show exact {route['dst']} dev {name}")
    for line in (*found.restore, *found.check):
        if not all(_PLAIN.fullmatch(word) for word in line.split()):
            raise Unsupported(f"what {name} has could not be given back faithfully: {line!r}")
    return found


#: Keys of a route in ``ip -j`` → words of its command.
_ROUTE: Final = {
    "gateway": "via", "dev": "dev", "protocol": "proto", "scope": "scope", "prefsrc": "src", "metric": "metric",
    "pref": "pref",
}  # fmt: skip


def _devices(route: Mapping[str, Any]) -> set[str]:
    ways = route.get("nexthops")
    return {str(one.get("dev")) for one in ways} if isinstance(ways, list) else {str(route.get("dev"))}


def _told(channel: Channel, *command: str) -> list[Mapping[str, Any]]:
    asked = channel.run(["ip", "-j", *command], deadline=ASK_S)
    if not isinstance(asked, Done) or asked.rc != 0:
        raise Unsupported(f"the network of {channel.node} could not be read: {words(asked)}")
    try:
        return list(json.loads(asked.out or "[]"))
    except ValueError as error:
        raise Unsupported(f"the network of {channel.node} could not be read: {error}") from error


def by_which(channel: Channel, up: Mapping[str, Mapping[str, Any]]) -> frozenset[str] | None:
    """Return the interfaces by which the runner reaches a host; empty: by none; None: it is not known."""
    url = urlsplit(channel.url)
    if url.scheme in {"local", "lxd"}:
        return frozenset()
    if not url.hostname:
        return None
    try:
        known = set(nft.resolved(channel, [url.hostname])[url.hostname])
    except Unsupported:
        return None
    found = {name for name, link in up.items() if known & {str(one.get("local")) for one in link.get("addr_info", ())}}
    return frozenset(found) or None


class NicDown(OnNode):
    """An interface of a node is down; see :class:`~.base.Fault`."""

    #: It is the one by which the runner reaches the node, which was agreed to.
    cuts_us_off = False
    #: Stands for :func:`time.sleep`.
    sleep: Callable[[float], None] = staticmethod(time.sleep)

    @property
    def ended_early(self) -> str | None:
        """Why it was over before it was undone; nobody but its timer could undo what cut us off."""
        return None if self.cuts_us_off else super().ended_early

    def effect(self) -> str | None:
        """Proved by the node itself; or, where that is what was struck, by its silence."""
        if not self.cuts_us_off:
            return super().effect()
        until = time.monotonic() + ASK_S
        while time.monotonic() < until:
            if not isinstance(self._channels[self.target].run(["true"], deadline=2.0), Done):
                return None
            self.sleep(0.2)
        return f"{self.target} still answers"

    def undo(self) -> None:
        """Undo on the node; what cut us off is undone by its timer, which is waited for.

        Raises:
            Indeterminate: the node did not come back in time.
        """
        if self.cuts_us_off and self._timer is not None:
            self._timer.stop()
            patience = self._timer.seconds + _BACK_S
            until, said = time.monotonic() + patience, "nothing"
            while not isinstance(asked := self._channels[self.target].run(["true"], deadline=5.0), Done):
                said = words(asked)
                if time.monotonic() > until:
                    raise Indeterminate(
                        f"{self.target} did not come back {patience:.0f} s after its interface was taken down, though its "
                        f"timer should have brought it up; it was seen last: {said}."
                    )
                self.sleep(0.5)
        super().undo()


def net_nic_down(
    scene: Scene, node: str, *, interface: str | None = None, cut_me_off: bool = False, dead_man: str | None = None
) -> Fault:
    """Take a network interface down (``ip link set down``); the undo brings it up, with the addresses and routes it lost.

    Addresses that move with the service are not given back: whose they are is the cluster's to say.

    Args:
        scene: where.
        node: on which node.
        interface: its name, as "eth1"; default: the only one that has an address.
        cut_me_off: needed for the interface by which the runner reaches the node: nobody can undo it then but the node's
            own timer, so it lasts as long as ``dead_man`` says, and the end of the block waits for that.
        dead_man: how long it outlives a runner that was killed, as "30s".
    """

    def scripts() -> Scripts:
        channel = scene.channels[node]
        links = _told(channel, "address", "show")
        up = interfaces(links)
        chosen = interface
        if chosen is None:
            if len(up) != 1:
                there = ", ".join(up) or "none with an address"
                raise Unsupported(f'{node} has several interfaces, or none: {there}. Name one: interface="eth1"')
            (chosen,) = up
        link = next((one for one in links if one.get("ifname") == chosen), None)
        if link is None:
            raise Unsupported(f"{node} has no interface {chosen!r}; it has {', '.join(up) or 'none that is up'}")
        if "UP" not in link.get("flags", ()):
            raise Unsupported(f"the interface {chosen} of {node} is down already")
        way = by_which(channel, up)
        ours = way is None or chosen in way
        if ours and not cut_me_off:
            sure = "is" if way is not None else "may be"
            raise Unsupported(
                f"{chosen} {sure} how the runner reaches {node}, so nobody could undo it but the node's own timer. "
                "If that is what you want, say cut_me_off=True: it then lasts as long as dead_man says"
            )
        fault.cuts_us_off = ours
        kept = frozenset(scene.manager.addresses() if isinstance(scene.manager, OwnsAddresses) else ())
        routes = [*_told(channel, "-4", "route", "show"), *_told(channel, "-6", "route", "show")]
        lost = had(link, routes, kept)
        how = "later" if ours else "now"
        return Scripts(
            _STRIKE, _EFFECT, _UNDO, _UNDONE, (chosen, how, "\n".join(lost.restore), "\n".join(lost.check))
        )  # fmt: skip

    named = interface or "its network interface"
    fault = NicDown(
        "net_nic_down", scene.channels, node, scripts, needs=_NEEDS,
        strike_text=f"on {node}, take {named} down" + (" (the runner is cut off as well)" if cut_me_off else ""),
        undo_text=f"on {node}, bring {named} up, and give it back the addresses and routes that it lost",
        dead_man=scene.dead_man if dead_man is None else seconds(dead_man), expected=cut_off(scene),
    )  # fmt: skip
    return fault
