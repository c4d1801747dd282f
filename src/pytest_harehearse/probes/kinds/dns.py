# SPDX-License-Identifier: MIT
"""dns://SERVER[:PORT]/NAME[?type=A&expect=VALUE]: one question to one name server.

The system's own resolver is not asked: a thread that waits in it cannot be stopped, so one outage would be measured as
longer than it was.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds.base import Answer, Kind, Trace
from pytest_harehearse.probes.kinds.http_message import Source
from pytest_harehearse.probes.kinds.wire import Place, dial

if TYPE_CHECKING:
    import dns.message
    import dns.name
    import dns.rdata
    import dns.rdatatype
    import dns.serial

_HOW: Final = "Write dns://SERVER[:PORT]/NAME?type=A&expect=VALUE."
_LARGEST: Final = 65535


@dataclass(frozen=True, slots=True)
class Question:
    """What a dns URL asks, whom, and what it expects."""

    place: Place
    name: dns.name.Name
    type: dns.rdatatype.RdataType
    #: Records that may be answered; empty: any.
    expect: frozenset[dns.rdata.Rdata]


def question(url: str) -> Question:
    """Read a dns URL.

    Raises:
        ConfigError: when it cannot be used, or the library is missing.
    """
    try:
        import dns.exception
        import dns.name
        import dns.rdata
        import dns.rdataclass
        import dns.rdatatype
    except ImportError as error:
        raise ConfigError(
            f"the URL {url!r} needs the library dnspython, which is not installed; "
            'install it with: pip install "pytest-harehearse[dns]"'
        ) from error
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 53
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise ConfigError(f"the URL {url!r} cannot be read: {error}. {_HOW}") from error
    if not host:
        raise ConfigError(f"the URL {url!r} lacks the name server: the system's own resolver is not asked. {_HOW}")
    unknown = sorted({key for key, _ in query} - {"type", "expect"})
    if unknown:
        raise ConfigError(f"the URL {url!r} has {unknown[0]!r}; valid are type and expect. {_HOW}")
    text = unquote(parts.path).strip("/")
    if not text:
        raise ConfigError(f"the URL {url!r} lacks the name to ask for. {_HOW}")
    try:
        kind = dns.rdatatype.from_text(next((value for key, value in query if key == "type"), "A"))
        if dns.rdatatype.is_metatype(kind):
            raise ConfigError(f"the URL {url!r} asks for type {kind.name}, which is no type of a record. {_HOW}")
        expect = frozenset(
            dns.rdata.from_text(dns.rdataclass.IN, kind, value, origin=dns.name.root, relativize=False)
            for key, value in query
            if key == "expect"
        )
        return Question(Place.of(host, port), dns.name.from_text(text), kind, expect)
    except (dns.exception.DNSException, ValueError) as error:
        raise ConfigError(f"the URL {url!r} cannot be used: {str(error) or type(error).__name__}. {_HOW}") from error


class Dns(Kind):
    """Asks one name server for one name, from a new socket each time."""

    layer = "name"

    def __init__(self, service: Service, writer: str = "") -> None:
        super().__init__(service, writer)
        self._question = question(service.url)
        #: The newest serial that was seen in a zone's SOA record.
        self._newest: dns.serial.Serial | None = None

    async def attempt(self, n: int, trace: Trace) -> Answer:  # noqa: ARG002
        """Ask once, over TCP as well when the answer is too long for one packet."""
        import dns.exception
        import dns.flags
        import dns.message

        asked = self._question
        query = dns.message.make_query(asked.name, asked.type)
        # An answer is stale when an earlier one, complete before this question was sent, was newer.
        newest = self._newest
        wire = query.to_wire()
        try:
            trace.step = "resolving the name server"
            family, address = (await asked.place.resolve())[0]
            trace.step = "asked, no answer"
            answer = await _over_udp(family, address, wire, query)
            if answer.flags & dns.flags.TC:
                trace.step = "asked again over TCP, no answer"
                answer = await _over_tcp(asked.place, self.service.timeout, wire)
                if not query.is_response(answer):
                    return Answer(Outcome.WRONG, "", "the answer is to another question")
        except (dns.exception.DNSException, ValueError) as error:
            return Answer(Outcome.WRONG, "", f"the answer is not DNS: {str(error) or type(error).__name__}")
        return self._judge(answer, newest)

    def _judge(self, answer: dns.message.Message, newest: dns.serial.Serial | None) -> Answer:
        import dns.rcode
        import dns.rdatatype

        asked, code = self._question, answer.rcode()
        if code in {dns.rcode.SERVFAIL, dns.rcode.REFUSED}:
            return Answer(Outcome.REFUSED, "", dns.rcode.to_text(code))
        if code == dns.rcode.NXDOMAIN:
            return Answer(Outcome.WRONG, "", "NXDOMAIN")
        if code != dns.rcode.NOERROR:
            return Answer(Outcome.ERROR, "", dns.rcode.to_text(code))
        # A chain of aliases ends in records of the type that was asked for.
        found = [record for rrset in answer.answer if rrset.rdtype == asked.type for record in rrset]
        if not found:
            return Answer(Outcome.WRONG, "", f"no {asked.type.name} record")
        by = found[0].to_text()
        others = [record.to_text() for record in found if record not in asked.expect] if asked.expect else []
        if others:
            wanted = " or ".join(sorted(record.to_text() for record in asked.expect))
            return Answer(Outcome.WRONG, by, f"answered {', '.join(others)}, expected {wanted}")
        if asked.type == dns.rdatatype.SOA:
            return self._fresh(found[0], newest)
        return Answer(Outcome.OK, by)

    def _fresh(self, record: Any, newest: dns.serial.Serial | None) -> Answer:
        import dns.serial

        serial = dns.serial.Serial(record.serial)
        if self._newest is None or serial > self._newest:
            self._newest = serial
        if newest is not None and serial < newest:
            return Answer(Outcome.STALE, record.to_text(), f"serial {serial.value}, {newest.value} was seen before")
        return Answer(Outcome.OK, record.to_text())


async def _over_udp(family: socket.AddressFamily, address: Any, wire: bytes, query: Any) -> dns.message.Message:
    """Send one packet and wait for its answer; what answers something else is passed over."""
    import dns.message

    loop = asyncio.get_running_loop()
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        # Connected, so that nobody else is listened to and a closed port is told at once.
        sock.connect(address)
        sock.send(wire)
        while True:
            packet = await _packet(loop, sock)
            answer = dns.message.from_wire(packet, ignore_trailing=True)
            if query.is_response(answer):
                return answer


async def _packet(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> bytes:
    come: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        try:
            packet = sock.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError as error:
            if not come.done():
                come.set_exception(error)
        else:
            if not come.done():
                come.set_result(packet)

    # The number, not the socket: the loop's table of files spells out an object in full each time it lacks it.
    fd = sock.fileno()
    loop.add_reader(fd, read)
    try:
        return await come
    finally:
        loop.remove_reader(fd)
        if come.done() and not come.cancelled():
            come.exception()


async def _over_tcp(place: Place, within: float, wire: bytes) -> dns.message.Message:
    import dns.message

    connection = await dial(place, within=within)
    try:
        await connection.send(len(wire).to_bytes(2, "big") + wire)
        source = Source(connection.more)
        size = int.from_bytes(await source.exactly(2), "big")
        return dns.message.from_wire(await source.exactly(size), ignore_trailing=True)
    finally:
        connection.close()
