# SPDX-License-Identifier: MIT
"""The nft table of one fault: its own, named after it, struck whole or not at all, and the only thing its undo removes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Final

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults.dead_man import ASK_S, words
from pytest_harehearse.remote.base import Channel, Done, Script

#: The last argument of every script is the fault's id; the first one of a strike is the chains of its table.
_ID: Final = """for id in "$@"; do :; done
table="harehearse_$id"
"""
NEEDS: Final = (
    "command -v nft > /dev/null || { echo 'nft is not installed there' >&2; exit 1; }; nft list tables > /dev/null"
)
#: In one transaction, and the same when it is done twice.
STRIKE: Final = (
    "set -eu\n"
    + _ID
    + """printf 'table inet %s {}\\ndelete table inet %s\\ntable inet %s {\\n%s\\n}\\n' "$table" "$table" "$table" "$1" | nft -f -
"""
)
#: A rule that never dropped a packet cut nobody off; ``provoke`` sends what should be dropped, where nobody else would.
_EFFECT: Final = (
    _ID
    + """{provoke}
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  nft list table inet "$table" 2> /dev/null | grep -Eq 'counter packets [1-9]' && exit 0
  sleep 0.25
done
nft list table inet "$table" > /dev/null 2>&1 && echo "no packet was dropped in 5 s" || echo "its table is not there"
exit 1
"""
)
UNDO: Final = (
    _ID
    + """nft list table inet "$table" > /dev/null 2>&1 || exit 0
nft delete table inet "$table"
"""
)
#: Where nft itself fails nothing is proved.
UNDONE: Final = (
    _ID
    + """tables=$(nft list tables) || { echo "nft does not tell its tables"; exit 1; }
case "$tables" in *"$table"*) echo "its table is still there"; exit 1 ;; esac
"""
)
#: ``$2``: one "tcp,ADDRESS,PORT" a line; what is sent there should not arrive.
_PROVOKE: Final = """for one in $2; do
  rest=${one#*,}
  timeout 2 bash -c 'echo > "/dev/$0/$1/$2"' "${one%%,*}" "${rest%,*}" "${rest##*,}" < /dev/null > /dev/null 2>&1 &
done"""


def effect(provoke: str = ":") -> str:
    """Return the script that proves that a packet was dropped."""
    return _EFFECT.replace("{provoke}", provoke)


#: The same, sending what should be dropped: see ``$2`` of :data:`_PROVOKE`.
EFFECT: Final = effect()
EFFECT_PROVOKED: Final = effect(_PROVOKE)


def chain(hook: str, rules: Iterable[str]) -> str:
    """Return a chain of the table; what a loopback interface carries is nobody's to drop."""
    side = "oifname" if hook == "output" else "iifname"
    body = "\n".join(("type filter hook " + hook + " priority -300; policy accept;", f'{side} "lo" return', *rules))
    return f"chain {hook} {{\n{body}\n}}"


def by_family(found: Iterable[str]) -> dict[str, str]:
    """Return ``{"ip": "A, B", "ip6": "C"}`` of addresses, without families that have none; each is checked to be one."""
    checked = sorted({str(ip_address(one)) for one in found})
    families = {"ip": 4, "ip6": 6}
    listed = {
        name: [one for one in checked if ip_address(one).version == version] for name, version in families.items()
    }
    return {name: ", ".join(some) for name, some in listed.items() if some}


def addresses(channel: Channel) -> tuple[str, ...]:
    """Return every address of a host by which others may reach it.

    Raises:
        Unsupported: it could not be asked.
    """
    asked = channel.run(["ip", "-j", "address", "show", "scope", "global"], deadline=ASK_S)
    if not isinstance(asked, Done) or asked.rc != 0:
        raise Unsupported(f"The addresses of {channel.node} could not be read: {words(asked)}")
    try:
        links = json.loads(asked.out or "[]")
    except ValueError as error:
        raise Unsupported(f"The addresses of {channel.node} could not be read: {error}") from error
    return tuple(one["local"] for link in links for one in link.get("addr_info", []) if "local" in one)


def addresses_of(channels: Mapping[str, Channel], nodes: Iterable[str]) -> tuple[str, ...]:
    """Return every address of several hosts.

    Raises:
        Unsupported: one could not be asked, or is no host.
    """
    found: list[str] = []
    for node in nodes:
        if node not in channels:
            raise Unsupported(f"{node} is no host whose addresses could be asked")
        found += addresses(channels[node])
    return tuple(found)


#: ``$1`` …: names or addresses; prints one "NAME ADDRESS" a line for each that it finds.
_RESOLVE: Final = """for name in "$@"; do
  getent ahosts "$name" | while read -r address rest; do echo "$name $address"; done
done
"""


def resolved(channel: Channel, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the addresses of each name, as that host knows them.

    Raises:
        Unsupported: a name is not known there.
    """
    found: dict[str, list[str]] = {}
    unknown = []
    for name in dict.fromkeys(names):
        try:
            found[name] = [str(ip_address(name.strip("[]")))]
        except ValueError:
            unknown.append(name)
    if unknown:
        asked = channel.run(Script(_RESOLVE, tuple(unknown)), deadline=ASK_S)
        for line in asked.out.splitlines() if isinstance(asked, Done) else ():
            name, _, address = line.partition(" ")
            if address not in found.setdefault(name, []):
                found[name].append(address)
        if missing := [name for name in unknown if not found.get(name)]:
            why = "" if isinstance(asked, Done) else f": {asked.reason}"
            raise Unsupported(f"{channel.node} does not know the address of {', '.join(missing)}{why}")
    return {name: tuple(some) for name, some in found.items()}
