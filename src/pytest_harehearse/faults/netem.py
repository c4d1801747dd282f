# SPDX-License-Identifier: MIT
"""The queueing discipline ``netem`` on a node's interface, under a handle of our own; never in the place of another one."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from pytest_harehearse.faults.on_node import Scripts

if TYPE_CHECKING:
    from pytest_harehearse.faults.degrade import Wanted

#: ``$1`` a name for an interface of our own: the real one must not be touched to find out. 0: the kernel has netem.
ASK: Final = """command -v tc > /dev/null || { echo "tc is not installed there" >&2; exit 1; }
trap 'ip link delete dev "$1" 2> /dev/null' EXIT
made=
for kind in ifb dummy bridge; do
  ip link add name "$1" type "$kind" 2> /dev/null && made=1 && break
done
[ -n "$made" ] || { echo "no interface to try it on could be made" >&2; exit 1; }
said=$(tc qdisc add dev "$1" root netem delay 1ms 2>&1) || { echo "$said" | head -n 1 >&2; exit 1; }
"""
#: Arguments: interface, handle, netem's own words, peers, an address to measure to, delay in ms, rate in bits, loss, id.
_STRIKE: Final = """set -eu
for id in "$@"; do :; done
rtt() { ping -q -c 3 -i 0.2 -W 3 "$5" 2> /dev/null | sed -n 's|.*= [0-9.]*/\\([0-9.]*\\)/.*|\\1|p'; }
tc qdisc delete dev "$1" root handle "$2:" 2> /dev/null || :
rtt "$@" > "/run/harehearse/$id/before"
if [ -z "$4" ]; then
  # shellcheck disable=SC2086
  tc qdisc add dev "$1" root handle "$2:" netem $3
else
  tc qdisc add dev "$1" root handle "$2:" prio bands 4
  # shellcheck disable=SC2086
  tc qdisc add dev "$1" parent "$2:4" netem $3
  for peer in $4; do
    case "$peer" in
      *:*) tc filter add dev "$1" parent "$2:" protocol ipv6 prio 2 u32 match ip6 dst "$peer/128" flowid "$2:4" ;;
      *) tc filter add dev "$1" parent "$2:" protocol ip prio 1 u32 match ip dst "$peer/32" flowid "$2:4" ;;
    esac
  done
fi
"""
#: The delay by what a ping takes longer than before, the loss by netem's own count, the rate by the last of many at once.
_EFFECT: Final = """for id in "$@"; do :; done
tc qdisc show dev "$1" | grep -q " $2: " || { echo "its queueing discipline is not there"; exit 1; }
command -v ping > /dev/null || { echo "ping is not installed there, so nothing could be measured"; exit 1; }
before=$(cat "/run/harehearse/$id/before" 2> /dev/null)
if [ "$6" != 0 ]; then
  after=$(ping -q -c 4 -i 0.2 -W 3 "$5" 2> /dev/null | sed -n 's|.*= [0-9.]*/\\([0-9.]*\\)/.*|\\1|p')
  [ -n "$after" ] || { echo "$5 does not answer a ping, so nothing could be measured"; exit 1; }
  awk -v a="$after" -v b="${before:-0}" -v d="$6" 'BEGIN { exit !(a - b >= d * 0.6) }' ||
    { echo "a ping to $5 takes $after ms, and took ${before:-?} ms before"; exit 1; }
fi
if [ "$7" != 0 ]; then
  last=$(ping -q -s 1400 -l 50 -c 50 -w 4 "$5" 2> /dev/null | sed -n 's|.*= [0-9.]*/[0-9.]*/\\([0-9.]*\\)/.*|\\1|p')
  awk -v a="${last:-0}" -v b="${before:-0}" -v r="$7" 'BEGIN { exit !(a - b >= 0.3 * 50 * 1442 * 8 * 1000 / r) }' ||
    { echo "the last of 50 packets at once came after ${last:-?} ms, as it would without a limit"; exit 1; }
fi
if [ "$8" != 0 ]; then
  ping -q -f -c 4000 -w 4 "$5" > /dev/null 2>&1 < /dev/null
  tc -s qdisc show dev "$1" | grep -A 2 netem | grep -Eq 'dropped [1-9]' || { echo "no packet was lost in 4 s"; exit 1; }
fi
"""
#: Only what carries our handle.
_UNDO: Final = """tc qdisc show dev "$1" 2> /dev/null | grep -q " $2: root " || exit 0
tc qdisc delete dev "$1" root handle "$2:"
"""
_UNDONE: Final = """said=$(tc qdisc show dev "$1") || { echo "what $1 queues by could not be read"; exit 1; }
case "$said" in *" $2: "*) echo "its queueing discipline is still on $1"; exit 1 ;; esac
"""


def handle(identity: str) -> str:
    """Return the handle of one fault: below 8000, from where on the kernel gives them."""
    return f"7{identity[-3:]}"


def options(what: Wanted) -> str:
    """Return netem's own words."""
    said = []
    if what.delay:
        said.append(f"delay {round(what.delay * 1e6)}us" + (f" {round(what.jitter * 1e6)}us" if what.jitter else ""))
    if what.loss:
        said.append(f"loss {what.loss:g}%")
    if what.rate:
        said.append(f"rate {round(what.rate)}bit")
    return " ".join(said)


def scripts(what: Wanted, interface: str, peers: Sequence[str], measured_to: str, identity: str) -> Scripts:
    """Return what is run on the node.

    Args:
        what: is to become of packets.
        interface: on which.
        peers: addresses to which packets are meant; none: all.
        measured_to: an address that it is measured by; one of the peers.
        identity: the fault's.
    """
    arguments = (
        interface, handle(identity), options(what), " ".join(str(ip_address(one)) for one in peers), measured_to,
        f"{(what.delay - what.jitter) * 1000:g}", f"{what.rate:.0f}", f"{what.loss:g}",
    )  # fmt: skip
    return Scripts(_STRIKE, _EFFECT, _UNDO, _UNDONE, arguments)
