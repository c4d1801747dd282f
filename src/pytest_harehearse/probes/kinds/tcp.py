# SPDX-License-Identifier: MIT
"""tcp://HOST:PORT: a new connection is accepted."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds.base import Answer, Kind, Trace
from pytest_harehearse.probes.kinds.wire import Place, dial


class Tcp(Kind):
    """Opens a connection and closes it politely; what the server says is not looked at."""

    layer = "transport"

    def __init__(self, service: Service, writer: str = "") -> None:
        super().__init__(service, writer)
        self._place = Place.of(*address(service.url))
        self._closing: set[asyncio.Task[None]] = set()

    async def attempt(self, n: int, trace: Trace) -> Answer:  # noqa: ARG002
        """Connect once."""
        wire = await dial(self._place, within=self.service.timeout)
        trace.step = "connected"
        task = asyncio.ensure_future(wire.part())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return Answer(Outcome.OK)


def address(url: str) -> tuple[str, int]:
    """Return host and port of a tcp URL.

    Raises:
        ConfigError: when one is missing or wrong.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"the URL {url!r} cannot be read: {error}. Write tcp://HOST:PORT.") from error
    if not host or not port:
        raise ConfigError(f"the URL {url!r} lacks {'a host' if not host else 'a port'}. Write tcp://HOST:PORT.")
    return host, port
