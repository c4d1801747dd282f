# SPDX-License-Identifier: MIT
"""HTTP servers on loopback whose every answer is a line of the test, and asks without a meter around them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from pytest_harehearse.probes.kinds.base import Answer, Kind, ask

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

#: Gets the number of a request, from 1; returns the bytes of its answer, or None to say nothing and keep the connection.
Script = Callable[[int], bytes | None]


class HttpServer:
    """Answers each request as the script says, and keeps count."""

    def __init__(self, script: Script, *, stays: bool) -> None:
        self._script = script
        self._stays = stays
        self.requests: list[bytes] = []
        self.connections = 0
        self._open = 0
        self._closed = asyncio.Event()
        self._closed.set()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open += 1
        self._closed.clear()
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    pass
        finally:
            self._open -= 1
            if not self._open:
                self._closed.set()
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await reader.readuntil(b"\r\n\r\n")
        for line in request.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                request += await reader.readexactly(int(line.partition(b":")[2]))
        self.requests.append(request)
        answer = self._script(len(self.requests))
        if answer is None:
            await reader.read()
            return False
        writer.write(answer)
        await writer.drain()
        return self._stays or b"connection: close" not in request.lower()

    async def gone(self) -> None:
        """Wait until the server sees no connection open."""
        async with asyncio.timeout(5):
            await self._closed.wait()


@contextlib.asynccontextmanager
async def serving(
    script: Script | None = None, *, tls: ssl.SSLContext | None = None, stays: bool = False
) -> AsyncIterator[HttpServer]:
    """Serve on a free port of 127.0.0.1; ``stays``: also keeps a connection that was asked to be closed."""
    scripted = HttpServer(script or (lambda _: OK), stays=stays)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Awaitable[None]:
        task = asyncio.ensure_future(scripted.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await accept(reader, writer)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=tls)
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Closed connections are taken apart in the loop's next rounds.
        await asyncio.sleep(0.02)


async def asked(kind: Kind, times: int, within: float = 2.0) -> list[Answer]:
    """Ask some times, one after the other."""
    return [await ask(kind, n, within) for n in range(times)]


def descriptors() -> set[str]:
    """Return what this process has open."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(f"{entry.name} {entry.readlink()}")
    return found
