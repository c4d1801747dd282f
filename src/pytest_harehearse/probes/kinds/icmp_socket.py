# SPDX-License-Identifier: MIT
"""The socket of echo requests: made, sent from, and read for all attempts at once; replies find their attempt."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import socket
import struct
from dataclasses import dataclass
from typing import Any, Final

#: By family: protocol, type of an echo request, type of its reply.
_PROTOCOL: Final = {
    socket.AF_INET: (socket.IPPROTO_ICMP, 8, 0),
    socket.AF_INET6: (socket.IPPROTO_ICMPV6, 128, 129),
}
#: Level and name of "hand ICMP errors to the socket", from linux/in.h and linux/in6.h, which Python does not name.
_ERRORS: Final = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
#: Level and name of "only these types", from linux/icmp.h and linux/icmpv6.h.
_FILTER: Final = {socket.AF_INET: (socket.IPPROTO_RAW, 1), socket.AF_INET6: (socket.IPPROTO_ICMPV6, 1)}
_HEADER: Final = struct.Struct("!BBHHH")
_EXTENDED: Final = struct.Struct("=IBBBBII")
#: Packets read at a stretch, so that a flood does not keep the loop from everything else.
_AT_ONCE: Final = 256


@dataclass(slots=True)
class _Asked:
    payload: bytes
    reply: asyncio.Future[str]


def checksum(data: bytes) -> int:
    """Return the Internet checksum of RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def request(family: socket.AddressFamily, ident: int, number: int, payload: bytes) -> bytes:
    """Return an echo request. IPv6's checksum covers addresses that only the system knows, so it fills that one in."""
    kind = _PROTOCOL[family][1]
    sum_ = 0 if family == socket.AF_INET6 else checksum(_HEADER.pack(kind, 0, 0, ident, number) + payload)
    return _HEADER.pack(kind, 0, sum_, ident, number) + payload


def parse(family: socket.AddressFamily, packet: bytes, *, raw: bool, kind: int) -> tuple[int, int, bytes] | None:
    """Return ident, number and payload of a packet of that ICMP type; None when it is something else.

    Only raw IPv4 sockets hand over the IP header as well.
    """
    if raw and family == socket.AF_INET:
        if not packet or packet[0] >> 4 != 4:
            return None
        packet = packet[(packet[0] & 0x0F) * 4 :]
    if len(packet) < _HEADER.size:
        return None
    its_kind, code, _, ident, number = _HEADER.unpack_from(packet)
    if its_kind != kind or code != 0:
        return None
    return ident, number, packet[_HEADER.size :]


def open_socket(family: socket.AddressFamily) -> tuple[socket.socket, bool]:
    """Return an unprivileged socket, else a raw one, and whether it is raw.

    Raises:
        OSError: when neither may be had.
    """
    protocol = _PROTOCOL[family][0]
    kind = socket.SOCK_DGRAM
    try:
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EACCES, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT}:
            raise
        kind = socket.SOCK_RAW
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    raw = kind == socket.SOCK_RAW
    try:
        sock.setsockopt(*_ERRORS[family], 1)
        if raw:
            _only_replies(sock, family)
    except BaseException:
        sock.close()
        raise
    return sock, raw


def _only_replies(sock: socket.socket, family: socket.AddressFamily) -> None:
    """Let the system drop everything else that reaches a raw socket. A set bit keeps a type out."""
    reply = _PROTOCOL[family][2]
    mask = [0xFFFFFFFF] * (1 if family == socket.AF_INET else 8)
    mask[reply >> 5] &= ~(1 << (reply & 31))
    sock.setsockopt(*_FILTER[family], struct.pack(f"={len(mask)}I", *mask))


class Echoes:
    """One socket of one family. Needs a running loop."""

    def __init__(self, family: socket.AddressFamily) -> None:
        self._family = family
        self._loop = asyncio.get_running_loop()
        self._ident = secrets.randbits(16)
        self._nonce = secrets.token_bytes(8)
        self._count = 0
        self._asked: dict[int, _Asked] = {}
        self._sock, self._raw = open_socket(family)
        self._fd = self._sock.fileno()
        self._loop.add_reader(self._fd, self._read)

    async def ask(self, address: Any) -> str:
        """Send one echo request; return the address that replied.

        Raises:
            OSError: when it could not be sent, or a router said that it does not arrive.
        """
        self._count += 1
        number, payload = self._count & 0xFFFF, self._nonce + self._count.to_bytes(8, "big")
        asked = _Asked(payload, self._loop.create_future())
        self._asked[number] = asked
        try:
            self._send(request(self._family, self._ident, number, payload), address)
            return await asked.reply
        finally:
            if self._asked.get(number) is asked:
                del self._asked[number]
            # Who is cancelled in the instant of an error leaves none behind that nobody looked at.
            if asked.reply.done() and not asked.reply.cancelled():
                asked.reply.exception()

    def close(self) -> None:
        """Close the socket; whoever still waits is cancelled."""
        self._loop.remove_reader(self._fd)
        self._sock.close()
        for asked in list(self._asked.values()):
            asked.reply.cancel()

    def _send(self, packet: bytes, address: Any) -> None:
        try:
            self._sock.sendto(packet, address)
        except OSError:
            # What an earlier request met may be reported to the next one that is sent.
            if not self._read_errors():
                raise
            self._sock.sendto(packet, address)

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                packet, sender = self._sock.recvfrom(2048)
            except BlockingIOError:
                break
            except OSError:
                # The error of one request; the queue of errors says of which.
                continue
            self._take(packet, str(sender[0]))
        self._read_errors()

    def _take(self, packet: bytes, sender: str) -> None:
        found = parse(self._family, packet, raw=self._raw, kind=_PROTOCOL[self._family][2])
        if found is None or (self._raw and found[0] != self._ident):
            return
        asked = self._asked.get(found[1])
        if asked is not None and asked.payload == found[2] and not asked.reply.done():
            asked.reply.set_result(sender)

    def _read_errors(self) -> int:
        """Read the queue of ICMP errors; return how many there were."""
        count = 0
        while count < _AT_ONCE:
            try:
                packet, extra, _, _ = self._sock.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
            except OSError:
                break
            count += 1
            self._take_error(packet, extra)
        return count

    def _take_error(self, packet: bytes, extra: list[tuple[int, int, bytes]]) -> None:
        # The queue holds our own request from its ICMP header on, cut off by whoever returned it.
        found = parse(self._family, packet, raw=False, kind=_PROTOCOL[self._family][1])
        if found is None or (self._raw and found[0] != self._ident):
            return
        asked = self._asked.get(found[1])
        if asked is None or asked.reply.done() or not asked.payload.startswith(found[2][: len(asked.payload)]):
            return
        level, name = _ERRORS[self._family]
        for its_level, its_name, data in extra:
            if (its_level, its_name) == (level, name) and len(data) >= _EXTENDED.size:
                number = _EXTENDED.unpack_from(data)[0]
                if number:
                    asked.reply.set_exception(OSError(number, os.strerror(number)))
                return
