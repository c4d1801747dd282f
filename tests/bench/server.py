# SPDX-License-Identifier: MIT
"""The scripted server, a process of its own: ``python -m tests.bench.server``.

Many targets on ports of loopback, each following a script of states. One thread, one epoll loop and no framework, so
that a switch and a request never overlap.

**What is true.** A target has one state at any time. A request is decided by the state in which the server handles it:
``reset`` when it accepts the connection, all others when it reads the request. A switch is one action of the loop;
CLOCK_MONOTONIC is read right before and right after it, and that pair is the truth: the change lies in between. The
kernel's part of a state (the listener closed for ``refuse``, a filter on it that drops every packet for
``black-hole``; neither needs any right) is made within the same pair. A connection that was opened before a switch and
whose request comes after it is decided by the new state; one that was swallowed is never answered, also not later.

Where allowed, it runs with a real-time priority: it is the ruler, so a busy machine must not bend it. The meter never
does.

**When the truth is not certain.** A pulse tells when the loop itself stood still; such spans are written down.

Told on stdin: one JSON line with the targets (answered with their ports), one with ``{"go": T0}``; it ends with stdin.
Says ``{"finished": true}`` after the last switch, and writes what was true to the file that it was told.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import heapq
import json
import os
import random
import select
import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.bench.states import BROWN_OUT_PART, LATE_S, SLUGGISH_S, State

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
UNAVAILABLE: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
PULSE_S: Final = 0.002
STALL_S: Final = 0.005
DROPS: Final = frozenset({State.REFUSE, State.RESET})
SWALLOWS: Final = frozenset({State.BLACK_HOLE, State.HANG})
# One instruction of the classic packet filter: return 0, that is, keep nothing of the packet.
_FILTER = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
_PROGRAM: Final = struct.pack("HL", 1, ctypes.addressof(_FILTER))
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
NO_LINGER: Final = struct.pack("ii", 1, 0)
now = time.monotonic


def listen(port: int) -> socket.socket:
    """Return a listener on loopback; raises OSError when somebody has the port."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def free_ports() -> list[int]:
    """Return ports below the ephemeral range, in random order: no client takes one while its target is closed."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = list(range(10240, max(11240, lowest)))
    random.shuffle(ports)
    return ports


def take_priority() -> str:
    """Run before everything else of the machine; return what was granted."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        return "ordinary"
    return "real-time"


class Target:
    """One port, its state, and what was decided in it."""

    def __init__(self, name: str, listener: socket.socket) -> None:
        self.name = name
        self.listener: socket.socket | None = listener
        self.port = listener.getsockname()[1]
        self.state = State.OK
        self.requests = 0
        #: Of brown-outs: when each request was decided, and whether it failed.
        self.decisions: list[tuple[float, bool]] = []


class Server:
    """The loop."""

    def __init__(self, spec: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
        self._say = say
        self._dice = random.Random(spec["seed"])
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self._file = Path(spec["file"])
        self._scripts = spec["targets"]
        self._stalls: list[tuple[float, float]] = []
        self._edges: list[dict[str, Any]] = []
        self._beat = now()
        self._priority = take_priority()
        self._running = True
        self._input = b""
        self._left = 0
        ports = free_ports()
        self._targets = {name: self._open(name, ports) for name in self._scripts}
        os.set_blocking(0, False)
        self._add(0, self._read_input)

    def run(self) -> None:
        """Serve until stdin ends."""
        self._say({"ports": {target.name: target.port for target in self._targets.values()}})
        self._beat = now()
        self._at(self._beat + PULSE_S, self._pulse)
        handlers, timers = self._handlers, self._timers
        while self._running:
            for fd, _ in self._epoll.poll(max(0.0, timers[0][0] - now())):
                if (handler := handlers.get(fd)) is not None:
                    handler()
            here = now()
            while timers and timers[0][0] <= here:
                heapq.heappop(timers)[2]()
        self._write()

    def _open(self, name: str, ports: list[int]) -> Target:
        while True:
            with contextlib.suppress(OSError):
                target = Target(name, listen(ports.pop()))
                self._watch(target)
                return target

    def _add(self, fd: int, handler: Callable[[], None]) -> None:
        self._handlers[fd] = handler
        self._epoll.register(fd, select.EPOLLIN)

    def _at(self, when: float, what: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._timers, (when, self._serial, what))

    def _pulse(self) -> None:
        here = now()
        if here - self._beat > PULSE_S + STALL_S:
            self._stalls.append((self._beat, here))
        self._beat = here
        self._at(here + PULSE_S, self._pulse)

    def _read_input(self) -> None:
        data = os.read(0, 65536)
        if not data:
            self._running = False
            return
        self._input += data
        if self._input.endswith(b"\n"):
            told, self._input = json.loads(self._input), b""
            self._schedule(float(told["go"]))

    def _schedule(self, begin: float) -> None:
        for name, script in self._scripts.items():
            for offset, state, label in script:
                self._left += 1
                self._at(begin + offset, lambda n=name, s=state, i=label: self._switch(self._targets[n], State(s), i))
        if self._left == 0:
            self._say({"finished": True})

    def _switch(self, target: Target, state: State, label: int) -> None:
        before = now()
        old, target.state = target.state, state
        if old is State.REFUSE:
            target.listener = listen(target.port)
            self._watch(target)
        elif old is State.BLACK_HOLE and target.listener is not None:
            target.listener.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        if state is State.REFUSE and target.listener is not None:
            self._drop(target.listener)
            target.listener = None
        elif state is State.BLACK_HOLE and target.listener is not None:
            target.listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, _PROGRAM)
        after = now()
        self._edges.append({"target": target.name, "state": state, "label": label, "before": before, "after": after})
        self._left -= 1
        if self._left == 0:
            self._say({"finished": True})

    def _watch(self, target: Target) -> None:
        listener = target.listener
        assert listener is not None
        self._add(listener.fileno(), lambda: self._accept(target, listener))

    def _accept(self, target: Target, listener: socket.socket) -> None:
        for _ in range(64):
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.setblocking(False)
            if target.state in DROPS:
                target.requests += 1
                self._reset(client)
            else:
                self._add(client.fileno(), lambda c=client: self._handle(target, c))

    def _handle(self, target: Target, client: socket.socket) -> None:
        try:
            data = client.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        target.requests += 1
        state = target.state
        if state is State.OK:
            self._answer(client, OK)
        elif state in DROPS:
            self._reset(client)
        elif state is State.UNAVAILABLE:
            self._answer(client, UNAVAILABLE)
        elif state is State.BROWN_OUT:
            failed = self._dice.random() < BROWN_OUT_PART
            target.decisions.append((now(), failed))
            self._answer(client, UNAVAILABLE if failed else OK)
        elif state not in SWALLOWS:
            self._at(now() + (LATE_S if state is State.LATE else SLUGGISH_S), lambda: self._answer(client, OK))

    def _answer(self, client: socket.socket, answer: bytes) -> None:
        # A client that went away meanwhile has its answer no more.
        if client.fileno() < 0:
            return
        with contextlib.suppress(OSError):
            client.send(answer)
        self._drop(client)

    def _reset(self, client: socket.socket) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self._drop(client)

    def _drop(self, held: socket.socket) -> None:
        self._handlers.pop(held.fileno(), None)
        # Closing takes it out of epoll.
        held.close()

    def _write(self) -> None:
        mine = os.times()
        truth = {
            "edges": self._edges,
            "stalls": self._stalls,
            "decisions": {target.name: target.decisions for target in self._targets.values()},
            "requests": {target.name: target.requests for target in self._targets.values()},
            "priority": self._priority,
            "cpu": mine.user + mine.system,
        }
        self._file.write_text(json.dumps(truth))


def main() -> None:
    """Serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(0, "rb", buffering=0, closefd=False) as told:
        spec = json.loads(told.readline())
    server = Server(spec, lambda message: print(json.dumps(message), flush=True))
    gc.collect()
    gc.freeze()
    # Nothing here makes cycles, and a collection is a stall.
    gc.disable()
    server.run()


if __name__ == "__main__":
    main()
