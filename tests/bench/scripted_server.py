# SPDX-License-Identifier: MIT
"""The scripted service, a process of its own: ``python -m tests.bench.scripted_server``.

A request is decided by the target's state at the instant the server handles it; a connection, by the kernel at the
instant it is asked for. Each switch is one stretch of code between two readings of the clock, which are the truth: what
was decided before the first was decided by the old state, after the second by the new one. So a server that is slow to
handle a request does not make the truth uncertain: the request is decided when it is handled.

stdin: one JSON line ``{"targets": {NAME: [[at, length, shape], …]}, "until": s, "slow": s}``; stdout: ``{"ports": …}``,
and at the end ``{"truth": {NAME: [[shape, began, begun, ending, ended], …]}, "cpu": s}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import struct
import sys
import time

from tests.bench.script import Step

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\nX-Served-By: bench\r\n\r\nhello"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
OK = "ok"


class Target:
    """One service on a port of its own."""

    def __init__(self, slow: float) -> None:
        self.state = OK
        self.slow = slow
        self.clients: set[asyncio.Transport] = set()
        self.listener: socket.socket | None = None
        self.fillers: list[socket.socket] = []
        self.port = 0
        self.open()

    def open(self, backlog: int = 1024) -> None:
        """Listen; the loop accepts unless the queue is meant to fill."""
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        self.listener.listen(backlog)
        self.listener.setblocking(False)
        if backlog:
            asyncio.get_running_loop().add_reader(self.listener, self._accept, self.listener)

    def shut(self) -> None:
        """Stop listening: whoever asks from here on is refused."""
        if self.listener is not None:
            asyncio.get_running_loop().remove_reader(self.listener)
            self.listener.close()
            self.listener = None
        for filler in self.fillers:
            filler.close()
        self.fillers.clear()

    def switch(self, state: str) -> tuple[float, float]:
        """Change the state; return the instants before and after."""
        before = time.monotonic()
        listening = self.listener is not None and not self.fillers
        if state in {"refuse", "black hole"}:
            self.shut()
        self.state = state
        if state == "black hole":
            self.open(backlog=0)
            for _ in range(3):
                filler = socket.socket()
                filler.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    filler.connect(("127.0.0.1", self.port))
                self.fillers.append(filler)
        elif state != "refuse" and not listening:
            self.shut()
            self.open()
        return before, time.monotonic()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(64):
            try:
                client, _ = listener.accept()
            except OSError as error:
                if error.errno in {errno.EAGAIN, errno.EBADF, errno.ECONNABORTED}:
                    return
                raise
            client.setblocking(False)
            Client(self, client)


class Client:
    """One connection: read a request, do what the state says."""

    def __init__(self, target: Target, client: socket.socket) -> None:
        self.target = target
        self.client = client
        self.data = b""
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(client, self._read)

    def _read(self) -> None:
        try:
            part = self.client.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        self.data += part
        if not part:
            self._close()
        elif b"\r\n\r\n" in self.data:
            self._decide()

    def _decide(self) -> None:
        match self.target.state:
            case "ok":
                self._answer(ANSWER)
            case "503":
                self._answer(UNAVAILABLE)
            case "too slow":
                self.data = b""
                self.loop.call_later(self.target.slow, self._answer, ANSWER)
            case "hang":
                self.data = b""
            case _:
                self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._close()

    def _answer(self, text: bytes) -> None:
        if self.client.fileno() >= 0:
            with contextlib.suppress(OSError):
                self.client.send(text)
            self._close()

    def _close(self) -> None:
        self.loop.remove_reader(self.client)
        self.client.close()


async def carry_out(target: Target, script: list[Step], began: float) -> list[list[object]]:
    """Do one target's steps; return what was done, one row a stretch."""
    done: list[list[object]] = []
    for number, step in enumerate(script):
        for start, end, state in step.states():
            await asyncio.sleep(max(0.0, began + start - time.monotonic()))
            first = target.switch(state)
            await asyncio.sleep(max(0.0, began + end - time.monotonic()))
            done.append([number, step.shape, *first, *target.switch(OK)])
    return done


async def main() -> None:
    """Serve until all scripts are done and stdin ends."""
    loop = asyncio.get_running_loop()
    spec = json.loads(sys.stdin.readline())
    targets = {name: Target(spec["slow"]) for name in spec["targets"]}
    print(json.dumps({"ports": {name: target.port for name, target in targets.items()}}), flush=True)
    began = time.monotonic() + float(spec.get("lead", 0.0))
    scripts = {name: [Step(s, at, length) for at, length, s in rows] for name, rows in spec["targets"].items()}
    done = await asyncio.gather(*(carry_out(targets[name], script, began) for name, script in scripts.items()))
    print(json.dumps({"truth": dict(zip(scripts, done, strict=True))}), flush=True)
    ended = asyncio.Event()
    loop.add_reader(0, lambda: ended.set() if not os.read(0, 4096) else None)
    await ended.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(main())
