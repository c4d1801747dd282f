# SPDX-License-Identifier: MIT
"""A server on loopback that does what a test tells it, and knows when it did."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Served-By: web1\r\n\r\nhello"
LOCKED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class ScriptedServer:
    """Speaks HTTP in one of the modes ok, refuse, hang, unavailable, locked and reset."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.mode = "ok"
        self._listener: socket.socket | None = None
        self._clients: set[socket.socket] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._listen())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def tcp(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def switch(self, mode: str) -> tuple[float, float]:
        """Change the mode; return the instants between which it took effect."""
        before = time.monotonic()
        self._call(self._switch(mode))
        return before, time.monotonic()

    def close(self) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self._listener.setblocking(False)
        # Not sock_accept: cancelled at the wrong instant, it loses a client that nobody closes then.
        self._loop.add_reader(self._listener, self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        client.setblocking(False)
        self._clients.add(client)
        task = asyncio.ensure_future(self._talk(client))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _talk(self, client: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=client)
        await self._serve(reader, writer)
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        self._clients.discard(client)

    def _refuse(self) -> None:
        self._loop.remove_reader(self._listener)
        self._listener.close()
        self._listener = None

    async def _switch(self, mode: str) -> None:
        self.mode = mode
        if mode == "refuse" and self._listener is not None:
            self._refuse()
        elif mode != "refuse" and self._listener is None:
            await self._listen()

    async def _end(self) -> None:
        if self._listener is not None:
            self._refuse()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await asyncio.sleep(0.01)
        for client in self._clients:
            client.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            if self.mode == "hang":
                await reader.read()
            elif self.mode == "reset":
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                writer.write({"ok": ANSWER, "locked": LOCKED}.get(self.mode, UNAVAILABLE))
        writer.close()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted HTTP server, in the mode ok."""
    scripted = ScriptedServer()
    yield scripted
    scripted.close()
