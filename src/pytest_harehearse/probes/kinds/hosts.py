# SPDX-License-Identifier: MIT
"""A URL of one or several hosts, ``scheme://USER:PASSWORD@HOST1:PORT1,HOST2:PORT2/PATH?KEY=VALUE``. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.kinds.urls import hide
from pytest_harehearse.probes.kinds.wire import Place

_HOST: Final = re.compile(r"(?:\[(?P<v6>[^\]@/]+)\]|(?P<name>[^\[\]:@/]+))(?::(?P<port>\d{1,5}))?")
_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Host:
    """One host of the URL. ``label`` names it for people: the node when the inventory knows it."""

    place: Place
    label: str


@dataclass(frozen=True, slots=True)
class Target:
    """Hosts, and what they have in common."""

    hosts: tuple[Host, ...]
    #: None: the URL names none.
    user: str | None
    password: str | None
    path: str
    options: dict[str, str]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be written down."""
        return (self.password,) if self.password else ()


def target(service: Service, port: int, how: str) -> Target:
    """Take the URL of a service apart.

    Args:
        service: whose URL, and whose names of the hosts.
        port: the port where the URL names none.
        how: what to write instead, for the error.

    Raises:
        ConfigError: when it cannot be used.
    """
    scheme, _, rest = service.url.partition("://")
    shown = hide(service.url)

    def wrong(why: str) -> ConfigError:
        return ConfigError(f"the URL {shown!r} {why}. {how}")

    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    userinfo, _, names = authority.rpartition("@")
    if "@" in path + query:
        # Nobody can tell where the password ends.
        shown = f"{scheme}://…"
        raise wrong("has a '/' or '?' before an '@'; where they belong to the password, write them as %2F and %3F")
    if _ESCAPE.search(userinfo + path):
        raise wrong("has a '%' that begins no %XX; write it as %25")
    user, colon, password = userinfo.partition(":")
    found = []
    for part in names.split(","):
        match = _HOST.fullmatch(part)
        if match is None:
            raise wrong(f"has {part!r} where a HOST:PORT is expected" if part else "lacks a host")
        number = int(match["port"] or port)
        if not 0 < number < 65536:
            raise wrong(f"has the port {number}; ports go from 1 to 65535")
        found.append((match["v6"] or match["name"], number))
    if len(set(found)) < len(found):
        raise wrong("names a host twice")
    hosts = [host for host, _ in found]
    called = list(service.responders) if len(service.responders) == len(hosts) else hosts
    alike = len(set(called)) < len(called)
    labels = [f"{name}:{number}" if alike else name for name, (_, number) in zip(called, found, strict=True)]
    return Target(
        tuple(Host(Place.of(*where), label) for where, label in zip(found, labels, strict=True)),
        unquote(user) if user else None,
        unquote(password) if colon else None,
        unquote(path),
        dict(parse_qsl(query, keep_blank_values=True)),
    )
