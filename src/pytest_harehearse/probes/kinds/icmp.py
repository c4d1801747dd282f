# SPDX-License-Identifier: MIT
"""icmp://HOST: an echo request is answered. It shows that the address is up, not that anything is served there."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds.base import Answer, Kind, Trace
from pytest_harehearse.probes.kinds.icmp_socket import Echoes, open_socket
from pytest_harehearse.probes.kinds.wire import Place

_RANGE: Final = Path("/proc/sys/net/ipv4/ping_group_range")
#: The runner may not, or has no such protocol: nothing that the service could be blamed for.
_NOT_HERE: Final = frozenset({errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})


class Icmp(Kind):
    """Sends echo requests from one socket a protocol, shared by all attempts."""

    layer = "network"

    def __init__(self, service: Service, writer: str = "") -> None:
        super().__init__(service, writer)
        self._place = Place.of(host(service.url), 0)
        self._echoes: dict[socket.AddressFamily, Echoes] = {}

    def limitation(self) -> str | None:
        """Say why this machine may not send echo requests; None when it may."""
        family = self._place.addresses[0][0] if self._place.addresses else socket.AF_INET
        try:
            open_socket(family)[0].close()
        except OSError as error:
            return _why_not(error, family) if error.errno in _NOT_HERE else None
        return None

    async def attempt(self, n: int, trace: Trace) -> Answer:  # noqa: ARG002
        """Send one echo request and wait for its answer."""
        trace.step = "resolving the name"
        family, address = (await self._place.resolve())[0]
        if family not in self._echoes:
            try:
                self._echoes[family] = Echoes(family)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                return Answer(Outcome.MISCONFIGURED, "", _why_not(error, family))
        trace.step = "echo request sent, no reply"
        return Answer(Outcome.OK, await self._echoes[family].ask(address))

    def close(self) -> None:
        """Close the sockets."""
        for echoes in self._echoes.values():
            echoes.close()
        self._echoes.clear()


def host(url: str) -> str:
    """Return the host of an icmp URL.

    Raises:
        ConfigError: when it is missing, or there is more than a host.
    """
    try:
        parts = urlsplit(url)
        name, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"the URL {url!r} cannot be read: {error}. Write icmp://HOST.") from error
    if not name:
        raise ConfigError(f"the URL {url!r} lacks a host. Write icmp://HOST.")
    if port is not None:
        raise ConfigError(f"the URL {url!r} has a port, which ICMP does not know. Write icmp://{name}.")
    return name


def _why_not(error: OSError, family: socket.AddressFamily) -> str:
    if error.errno not in {errno.EPERM, errno.EACCES}:
        return f"this machine has no {'IPv6' if family == socket.AF_INET6 else 'IPv4'} to send echo requests with"
    try:
        now = f" (now '{' '.join(_RANGE.read_text().split())}')"
    except OSError:
        now = ""
    return (
        "this user may not send echo requests: its group is not in net.ipv4.ping_group_range"
        f"{now}, and it lacks CAP_NET_RAW; as root, run: sysctl -w net.ipv4.ping_group_range='0 2147483647'"
    )
