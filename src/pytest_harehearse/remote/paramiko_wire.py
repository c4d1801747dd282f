# SPDX-License-Identifier: MIT
"""What a connection is made of, so that it can be cut at any instant, by any thread, without waiting for anything."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import paramiko

from pytest_harehearse.units import show

#: paramiko says what goes wrong in its threads; whoever wants to see it turns this logger on.
LOG: Final = "pytest_harehearse.ssh"
logging.getLogger(LOG).setLevel(logging.CRITICAL)

KEEPALIVE_S: Final = 2
#: The kernel gives up on a peer that has not acknowledged anything for so long (milliseconds).
_USER_TIMEOUT_MS: Final = 30_000
#: A peer that owes an acknowledgement for longer than this is taken for dead before something new is sent (seconds).
_SILENCE_S: Final = 4.0
#: How long what was cut may take to be gone before it is left to itself (seconds).
_GONE_S: Final = 5.0
# Linux's struct tcp_info: 8 bytes, then 32-bit numbers; these two since 2.4.
_UNACKED_AT: Final = 8 + 4 * 4
_LAST_ACK_AT: Final = 8 + 4 * 12


class ConnectError(Exception):
    """No connection; ``refused``: the host answered and will go on to refuse."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class Wire:
    """Sockets, transports and proxy programs of one connection, in the order they were made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_cut = False
        self._sockets: list[socket.socket] = []
        self._transports: list[paramiko.Transport] = []
        self._programs: list[subprocess.Popen[bytes]] = []
        #: What was seen last, for the sentence when no connection comes.
        self.phase: str | Callable[[], str] = "nothing was tried yet"

    @property
    def seen(self) -> str:
        """What was seen last."""
        return self.phase if isinstance(self.phase, str) else self.phase()

    @property
    def is_cut(self) -> bool:
        """Whether :meth:`cut` was called."""
        return self._is_cut

    def _held(self) -> None:
        if self._is_cut:
            raise ConnectError("the connection was given up")

    def hold_socket(self, sock: socket.socket) -> None:
        """Take a socket; it is closed with the wire.

        Raises:
            ConnectError: the wire was cut meanwhile.
        """
        with self._lock:
            if self._is_cut:
                sock.close()
            self._held()
            self._sockets.append(sock)

    def drop_socket(self, sock: socket.socket) -> None:
        """Close a socket that led nowhere."""
        with self._lock:
            if sock in self._sockets:
                self._sockets.remove(sock)
        sock.close()

    def hold_program(self, program: subprocess.Popen[bytes]) -> None:
        """Take a proxy program; it is ended with the wire.

        Raises:
            ConnectError: the wire was cut meanwhile.
        """
        with self._lock:
            self._programs.append(program)
            if self._is_cut:
                _end(program)
            self._held()

    def new_transport(self, sock: Any) -> paramiko.Transport:
        """Return a transport over a socket, or over a channel of another transport.

        Raises:
            ConnectError: the wire was cut meanwhile.
        """
        with self._lock:
            self._held()
            transport = paramiko.Transport(sock)
            transport.set_log_channel(LOG)
            # Its thread is a daemon: a peer that never answers must not keep the interpreter from ending.
            transport.daemon = True
            self._transports.append(transport)
            return transport

    def silence(self) -> str | None:
        """Return why the peer is taken for dead: it owes an acknowledgement; None when nothing speaks for it."""
        with self._lock:
            sock = self._sockets[0] if self._sockets else None
        if sock is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
            return None
        try:
            found = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        except OSError as error:
            return str(error)
        (unacked,) = struct.unpack_from("I", found, _UNACKED_AT)
        (since_ms,) = struct.unpack_from("I", found, _LAST_ACK_AT)
        if unacked and since_ms / 1000 > _SILENCE_S:
            return f"the host has not acknowledged anything for {show(since_ms / 1000)}"
        return None

    def cut(self) -> None:
        """End it now; what needs a moment to be gone is awaited by a thread of its own."""
        with self._lock:
            if self._is_cut:
                return
            self._is_cut = True
            sockets, transports, programs = self._sockets, self._transports, self._programs
            self._sockets, self._transports, self._programs = [], [], []
        for sock in sockets:
            with contextlib.suppress(OSError):
                # A reset, or the kernel would go on to send to a dead host for minutes.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for program in programs:
            _end(program)
        if transports or programs:
            threading.Thread(target=_await, args=(transports, programs), name="harehearse-cut", daemon=True).start()


def _end(program: subprocess.Popen[bytes]) -> None:
    if program.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(program.pid, signal.SIGKILL)


def _await(transports: list[paramiko.Transport], programs: list[subprocess.Popen[bytes]]) -> None:
    ends = time.monotonic() + _GONE_S
    for transport in reversed(transports):
        if transport.ident is not None:
            transport.join(max(0.0, ends - time.monotonic()))
        # Only this stops the timer of a key exchange that did not end.
        transport.packetizer.complete_handshake()
    for program in programs:
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(max(0.0, ends - time.monotonic()))


def tune(sock: socket.socket) -> None:
    """Set a connected TCP socket up: send at once, and give up on a dead peer."""
    if sock.family in {socket.AF_INET, socket.AF_INET6}:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def connect(wire: Wire, host: str, port: int, until: float) -> socket.socket:
    """Return a TCP connection; every address of the host gets its share of the time.

    Raises:
        ConnectError: there is none.
    """
    where = f"{host}:{port}"
    wire.phase = f"the address of {host} was still being looked up"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConnectError(f"the address of {host} is not known: {error.strerror or error}; check the name") from None
    said = []
    for index, (family, kind, protocol, _, address) in enumerate(found):
        wire.phase = f"{address[0]} port {port} did not answer"
        sock = socket.socket(family, kind, protocol)
        wire.hold_socket(sock)
        try:
            sock.settimeout(max(0.001, (until - time.monotonic()) / (len(found) - index)))
            sock.connect(address)
            tune(sock)
        except TimeoutError:
            said.append(f"{address[0]} port {port} did not answer")
        except OSError as error:
            said.append(f"{address[0]} port {port}: {error.strerror or error}")
        else:
            return sock
        wire.drop_socket(sock)
    raise ConnectError("; ".join(said) or f"{where} has no address")


def by_program(wire: Wire, command: str) -> socket.socket:
    """Return a connection through a program that speaks on its standard input and output.

    Raises:
        ConnectError: it cannot be started.
    """
    ours, theirs = socket.socketpair()
    wire.hold_socket(ours)
    wire.phase = f"the proxy command `{command}` said nothing"
    try:
        with theirs:
            program = subprocess.Popen(  # noqa: S602 – a proxy command is a shell command by its definition
                f"exec {command}",
                shell=True,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
    except OSError as error:
        raise ConnectError(f"the proxy command `{command}` could not be started: {error}") from None
    wire.hold_program(program)
    return ours
