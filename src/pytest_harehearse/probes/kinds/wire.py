# SPDX-License-Identifier: MIT
"""One TCP connection, with TLS when wanted, straight on a non-blocking socket.

A probe opens a connection for each attempt: without transports and streams in between that costs about half, and whoever
is cancelled closes the socket in the same instant.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Self

from pytest_harehearse.probes.kinds.base import is_address

_READ: Final = 65536
_RESOLVERS: Final = 4
_UNDER_WAY: Final = frozenset({errno.EINPROGRESS, errno.EINTR})

Address = tuple[socket.AddressFamily, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Host and port; ``addresses`` are known beforehand only where there is nothing to resolve."""

    host: str
    port: int
    addresses: tuple[Address, ...] = ()

    @classmethod
    def of(cls, host: str, port: int) -> Self:
        """Return the place of a host, which is a name or an address. Never asks a resolver."""
        if not is_address(host):
            return cls(host, port)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            # The interface of a scoped address is not there now; each attempt will say so.
            return cls(host, port)
        return cls(host, port, tuple((family, address) for family, _, _, _, address in found))

    async def resolve(self) -> tuple[Address, ...]:
        """Return the addresses to try; a name is asked for anew each time."""
        if self.addresses:
            return self.addresses
        loop = asyncio.get_running_loop()
        ask = functools.partial(socket.getaddrinfo, self.host, self.port, type=socket.SOCK_STREAM)
        found = await loop.run_in_executor(_resolver(self.host), ask)
        return tuple((family, address) for family, _, _, _, address in found)


@functools.cache
def _resolver(host: str) -> ThreadPoolExecutor:
    """Return threads of a name's own: one name whose servers are silent must not hold up the others."""
    return ThreadPoolExecutor(_RESOLVERS, thread_name_prefix=f"resolve {host}")


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Wire:
    """An open connection, used by one task at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # Always the number: the loop's table of files spells out a socket object in full each time it lacks it.
        self._fd = sock.fileno()
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None
        self._writing = False

    async def send(self, data: bytes) -> None:
        """Hand everything to the system."""
        left = memoryview(data)
        while left:
            try:
                left = left[self._sock.send(left) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                await self._ready(writing=True)
            except ssl.SSLWantReadError:
                await self._ready(writing=False)

    async def more(self) -> bytes:
        """Return what has come, waiting for the first of it; nothing at the end."""
        if not isinstance(self._sock, ssl.SSLSocket):
            await self._ready(writing=False)
        while True:
            try:
                return self._sock.recv(_READ)
            except (BlockingIOError, ssl.SSLWantReadError):
                await self._ready(writing=False)
            except ssl.SSLWantWriteError:
                await self._ready(writing=True)

    async def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Begin TLS.

        Raises:
            EOFError: when the server closed the connection instead.
            ssl.SSLError: when the two do not agree.
        """
        sock = context.wrap_socket(self._sock, server_hostname=host, do_handshake_on_connect=False)
        self._sock = sock
        while True:
            try:
                sock.do_handshake()
            except ssl.SSLWantReadError:
                await self._ready(writing=False)
            except ssl.SSLWantWriteError:
                await self._ready(writing=True)
            except ssl.SSLEOFError as error:
                raise EOFError("the server closed the connection within the TLS handshake") from error
            else:
                return

    async def part(self, within: float = 0.2) -> None:
        """Close politely: say that we are done and read on until the peer closes, so that no reset is sent."""
        try:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(within):
                    self._sock.shutdown(socket.SHUT_WR)
                    while await self.more():
                        pass
        finally:
            self.close()

    def close(self) -> None:
        """Close the socket at once; a second call does nothing."""
        self._done()
        self._sock.close()

    async def _ready(self, *, writing: bool) -> None:
        self._waiting, self._writing = self._loop.create_future(), writing
        (self._loop.add_writer if writing else self._loop.add_reader)(self._fd, _set, self._waiting)
        try:
            await self._waiting
        finally:
            self._done()

    def _done(self) -> None:
        # Only while it waits: once closed, the number may be another connection's.
        if self._waiting is not None:
            (self._loop.remove_writer if self._writing else self._loop.remove_reader)(self._fd)
            self._waiting.cancel()
            self._waiting = None


class _Dial:
    """Connects to several addresses, each a little later than the one before; the first to accept wins."""

    def __init__(self, addresses: tuple[Address, ...], delay: float, user_timeout: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = list(reversed(addresses))
        self._delay = delay
        self._user_timeout = user_timeout
        self._open: dict[int, socket.socket] = {}
        self._errors: list[OSError] = []
        self._timer: asyncio.TimerHandle | None = None
        self._won: asyncio.Future[socket.socket] = self._loop.create_future()

    async def run(self) -> socket.socket:
        """Return the connected socket and close all others."""
        try:
            self._next()
            return await self._won
        except BaseException:
            if self._won.done() and not self._won.cancelled() and self._won.exception() is None:
                self._won.result().close()
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for fd, sock in self._open.items():
                self._loop.remove_writer(fd)
                sock.close()

    def _next(self) -> None:
        """Begin with the next address; those that fail at once are passed over."""
        while self._left and not self._won.done():
            family, address = self._left.pop()
            try:
                sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            except OSError as error:
                self._errors.append(error)
                continue
            try:
                self._options(sock)
                code = sock.connect_ex(address)
            except OSError as error:
                code = error.errno or errno.EINVAL
            if code in _UNDER_WAY:
                self._open[sock.fileno()] = sock
                self._loop.add_writer(sock.fileno(), self._ready, sock)
                if self._left:
                    self._timer = self._loop.call_later(self._delay, self._next)
                return
            self._ended(sock, code)
        if not self._open and not self._won.done():
            self._won.set_exception(_telling(self._errors))

    def _options(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._user_timeout is not None:
            milliseconds = max(1, round(self._user_timeout * 1000))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def _ready(self, sock: socket.socket) -> None:
        fd = sock.fileno()
        self._loop.remove_writer(fd)
        del self._open[fd]
        self._ended(sock, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        if not self._won.done():
            if self._timer is not None:
                self._timer.cancel()
            self._next()

    def _ended(self, sock: socket.socket, code: int) -> None:
        if code == 0 and _to_itself(sock):
            code = errno.ECONNREFUSED
        if code == 0 and not self._won.done():
            self._won.set_result(sock)
            return
        sock.close()
        if code:
            self._errors.append(OSError(code, os.strerror(code)))


def _to_itself(sock: socket.socket) -> bool:
    """Linux may connect a client to itself when nobody listens on a port of the ephemeral range."""
    own = sock.getsockname()
    with contextlib.suppress(OSError):
        other = sock.getpeername()
        return bool(own[:2] == other[:2])
    return False


def _telling(errors: list[OSError]) -> OSError:
    """Return the most telling error: that somebody answered "refused" tells more than a family without a route."""
    return next((error for error in errors if isinstance(error, ConnectionRefusedError)), errors[0])


async def dial(
    place: Place, *, within: float, tls: ssl.SSLContext | None = None, user_timeout: float | None = None
) -> Wire:
    """Open a connection; one dead address of several does not use up all the time.

    Args:
        place: where to.
        within: seconds that the caller has; each further address is tried a quarter of it later.
        tls: speak TLS in it, with the host as the name to be proven.
        user_timeout: seconds after which the system gives up on data that nobody acknowledges.

    Raises:
        OSError: when no address takes the connection; TLS as :meth:`Wire.secure`.
    """
    wire = Wire(await _Dial(await place.resolve(), within / 4, user_timeout).run())
    if tls is not None:
        try:
            await wire.secure(tls, place.host)
        except BaseException:
            wire.close()
            raise
    return wire
