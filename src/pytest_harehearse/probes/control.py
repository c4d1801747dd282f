# SPDX-License-Identifier: MIT
"""The control target: a tiny server on the runner itself, in a process of its own, that is asked beside the services.

When even that does not answer in time, the runner is what is not sound (no processor time, no ports, no descriptors, a
filter on loopback), and what failed meanwhile proves nothing about a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import socket
from collections.abc import Callable
from typing import Final, NoReturn

from pytest_harehearse.clock import now

EVERY_S: Final = 0.05
#: Limits of the control target's own deadline, which is the shortest timeout of the services.
SHORTEST_S, LONGEST_S = 0.03, 0.25
_CLIENT_S: Final = 0.2


class ControlTarget:
    """The server, as the meter sees it. Start it before any thread and any event loop."""

    def __init__(self, address: tuple[str, int], leash: int, pid: int) -> None:
        self.address = address
        self._leash = leash
        self._pid = pid

    @classmethod
    def start(cls) -> ControlTarget:
        """Start the server; it ends when this process does, however that ends."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            _serve(listener, read, write)
        os.close(read)
        address = listener.getsockname()
        listener.close()
        return cls(address, write, pid)

    def stop(self) -> None:
        """End the server and collect it."""
        os.close(self._leash)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def _serve(listener: socket.socket, leash: int, other_end: int) -> NoReturn:
    """Echo one byte to everybody until nobody holds the other end of the leash."""
    try:
        os.close(other_end)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while leash not in select.select([listener.fileno(), leash], [], [])[0]:
            with contextlib.suppress(OSError), listener.accept()[0] as client:
                client.settimeout(_CLIENT_S)
                client.sendall(client.recv(1))
    finally:
        os._exit(0)


async def ask(address: tuple[str, int]) -> None:
    """Ask the control target once.

    Raises:
        OSError: when it did not answer.
    """
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, address)
        await loop.sock_sendall(client, b"?")
        if not await loop.sock_recv(client, 1):
            raise ConnectionResetError("the control target closed the connection")


async def watch(address: tuple[str, int], within: float, lost: Callable[[float, float], None]) -> None:
    """Ask until cancelled; call ``lost`` with each span in which there was no answer within ``within`` seconds."""
    since: float | None = None
    try:
        while True:
            begun = now()
            try:
                async with asyncio.timeout(within):
                    await ask(address)
            except OSError:
                since = begun if since is None else since
            else:
                if since is not None:
                    lost(since, now())
                    since = None
            await asyncio.sleep(max(0.0, begun + EVERY_S - now()))
    finally:
        if since is not None:
            lost(since, now())
