# SPDX-License-Identifier: MIT
"""One question to a real name server on loopback, over UDP and TCP; and nothing stays open."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import dns.flags
import dns.message
import dns.rrset
import pytest
from scripted_http import descriptors

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds import make
from pytest_harehearse.probes.kinds.base import Answer, ask


def answer(query: dns.message.Message, address: str = "198.18.0.5") -> dns.message.Message:
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", address))
    return response


class NameServer(asyncio.DatagramProtocol):
    """Answers over UDP what the script says: any number of packets."""

    def __init__(self, script) -> None:
        self.script = script

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        for packet in self.script(dns.message.from_wire(data)):
            self.transport.sendto(packet, address)


@contextlib.asynccontextmanager
async def serving(script, over_tcp=None):
    """Serve on one port of 127.0.0.1, over TCP only when it says what."""

    async def serve(reader, writer):
        size = int.from_bytes(await reader.readexactly(2), "big")
        writer.write(over_tcp(dns.message.from_wire(await reader.readexactly(size))))
        writer.close()

    tcp = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = tcp.sockets[0].getsockname()[1]
    if over_tcp is None:
        tcp.close()
    udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(script), local_addr=("127.0.0.1", port)
    )
    try:
        yield f"dns://127.0.0.1:{port}/db.example"
    finally:
        udp.close()
        tcp.close()
        await asyncio.sleep(0.02)


def asked(script, over_tcp=None, within: float = 5.0, query: str = "") -> Answer:
    async def work():
        async with serving(script, over_tcp) as url:
            return await ask(make(Service("name", "dns", url + query, timeout=within)), 0, within)

    before = descriptors()
    found = asyncio.run(work())
    assert descriptors() <= before
    return found


def framed(message: dns.message.Message) -> bytes:
    wire = message.to_wire()
    return len(wire).to_bytes(2, "big") + wire


def test_a_name_that_is_known():
    """Is served, by the record that was answered."""
    found = asked(lambda query: [answer(query).to_wire()])
    assert (found.outcome, found.by) == (Outcome.OK, "198.18.0.5")


def test_an_answer_to_another_question():
    """Is passed over; the attempt waits on for its own."""

    def script(query):
        other = answer(query, "198.18.0.6")
        other.id ^= 1
        return [other.to_wire(), answer(query).to_wire()]

    assert asked(script).by == "198.18.0.5"


def test_a_server_that_is_silent():
    """Is a timeout."""
    found = asked(lambda _: [], within=0.1)
    assert (found.outcome, found.error) == (Outcome.TIMEOUT, "no answer within 100 ms (asked, no answer)")


def test_a_server_that_is_not_there():
    """Is refused at once, as the system of the other side says."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = asyncio.run(ask(make(Service("name", "dns", f"dns://127.0.0.1:{port}/x")), 0, 5))
    assert found.outcome is Outcome.REFUSED


def test_what_is_no_answer():
    """Something else speaks there."""
    found = asked(lambda _: [b"hello"])
    assert found.outcome is Outcome.WRONG
    assert found.error.startswith("the answer is not DNS: ")


def truncated(query: dns.message.Message) -> list[bytes]:
    response = dns.message.make_response(query)
    response.flags |= dns.flags.TC
    return [response.to_wire()]


def test_an_answer_too_long_for_a_packet():
    """Is asked for again over TCP."""
    found = asked(truncated, lambda query: framed(answer(query)), query="?expect=198.18.0.5")
    assert (found.outcome, found.by) == (Outcome.OK, "198.18.0.5")


@pytest.mark.parametrize(
    ("over_tcp", "outcome"),
    [
        (None, Outcome.REFUSED),
        (lambda query: framed(answer(query))[:-3], Outcome.RESET),
        (lambda _: b"\0\3abc", Outcome.WRONG),
        (lambda _: framed(answer(dns.message.make_query("other.example", "A"))), Outcome.WRONG),
    ],
)
def test_an_answer_that_tcp_does_not_bring(over_tcp, outcome):
    """No success without the whole of it."""
    assert asked(truncated, over_tcp).outcome is outcome
