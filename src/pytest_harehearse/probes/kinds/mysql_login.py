# SPDX-License-Identifier: MIT
"""How one gets into a MySQL or MariaDB service: its hosts, user, password, database and TLS, from its URL."""

from __future__ import annotations

import functools
import ssl
from dataclasses import dataclass
from typing import Final

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.kinds.hosts import Target, target
from pytest_harehearse.probes.kinds.urls import hide

#: The table of numbered writes, in the database of the URL.
TABLE: Final = "harehearse_writes"
_PORT: Final = 3306
_HOW: Final = "Write mysql://USER:PASSWORD@HOST1:PORT,HOST2:PORT/DATABASE, with ?tls=true for TLS."


@functools.cache
def _context() -> ssl.SSLContext:
    """Return one context for all services: reading the trusted certificates takes long."""
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Login:
    """What every host is told."""

    aim: Target
    user: str
    #: As the library wants it: each character a byte.
    password: str
    database: str | None
    tls: ssl.SSLContext | None


def login_of(service: Service) -> Login:
    """Read the URL of a service.

    Raises:
        ConfigError: when it cannot be used.
    """
    aim, shown = target(service, _PORT, _HOW), hide(service.url)
    if aim.user is None:
        raise ConfigError(f"the URL {shown!r} names no user. {_HOW}")
    if service.mode == "write" and not aim.path:
        raise ConfigError(f'the URL {shown!r} names no database; mode = "write" keeps its table {TABLE} in one. {_HOW}')
    tls = aim.options.get("tls", "false")
    if aim.options.keys() - {"tls"} or tls not in {"true", "false"}:
        raise ConfigError(f"the URL {shown!r} has options that are not known; known is tls=true. {_HOW}")
    # The library turns a password into bytes as latin-1, the servers' own clients as UTF-8.
    password = (aim.password or "").encode().decode("latin-1")
    return Login(aim, aim.user, password, aim.path or None, _context() if tls == "true" else None)
