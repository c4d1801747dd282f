# SPDX-License-Identifier: MIT
"""Echo requests and their replies as bytes, and what a runner lacks that may not send them."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds import icmp, icmp_socket, make
from pytest_harehearse.probes.kinds.base import ask
from pytest_harehearse.probes.kinds.icmp_socket import checksum, parse, request

V4, V6 = socket.AF_INET, socket.AF_INET6


def service(url: str = "icmp://127.0.0.1") -> Service:
    return Service("vip", "icmp", url)


@given(st.integers(0, 65535), st.integers(0, 65535), st.binary(max_size=40))
def test_a_request_is_read_as_it_was_made(ident, number, payload):
    """In both families; the checksum over the whole of it comes out even."""
    for family, kind in ((V4, 8), (V6, 128)):
        packet = request(family, ident, number, payload)
        assert parse(family, packet, raw=False, kind=kind) == (ident, number, payload)
    assert checksum(request(V4, ident, number, payload)) == 0


def test_a_checksum_that_is_known():
    """The example of RFC 1071, section 3."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


def test_a_raw_socket_hands_over_the_ip_header():
    """Of its own length; what is no IPv4 packet is nothing."""
    reply = struct.pack("!BBHHH", 0, 0, 0, 7, 9) + b"nonce"
    assert parse(V4, b"\x46" + bytes(23) + reply, raw=True, kind=0) == (7, 9, b"nonce")
    assert parse(V4, b"\x66" + bytes(23) + reply, raw=True, kind=0) is None
    assert parse(V6, b"\x81" + reply[1:], raw=True, kind=129) == (7, 9, b"nonce")


@given(st.binary(max_size=80), st.booleans(), st.sampled_from([V4, V6]))
def test_no_packet_surprises(packet, raw, family):
    """Whatever comes is a reply or nothing."""
    found = parse(family, packet, raw=raw, kind=0)
    assert found is None or len(found) == 3


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("icmp://", "lacks a host. Write icmp://HOST."),
        ("icmp://h:7", "has a port, which ICMP does not know. Write icmp://h."),
        ("icmp://[::1", "cannot be read"),
    ],
)
def test_a_url_that_cannot_be_used(url, text):
    """Says what is wrong and how it is written."""
    with pytest.raises(ConfigError) as caught:
        make(service(url))
    assert text in str(caught.value)


class Forbidden:
    """Stands in for the system's socket call."""

    def __init__(self, *codes: int) -> None:
        self.codes = codes
        self.asked: list[socket.SocketKind] = []

    def __call__(self, _family, kind, _protocol):
        self.asked.append(kind & ~socket.SOCK_NONBLOCK)
        code = self.codes[len(self.asked) - 1]
        raise OSError(code, "x")


def test_a_runner_that_may_not_send(monkeypatch, tmp_path):
    """The reason names the setting as it is now, and the command that changes it; asked all the same, no outage."""
    setting = tmp_path / "ping_group_range"
    setting.write_text("1\t0\n")
    monkeypatch.setattr(icmp, "_RANGE", setting)
    forbidden = Forbidden(errno.EACCES, errno.EPERM, errno.EACCES, errno.EPERM)
    monkeypatch.setattr(icmp_socket.socket, "socket", forbidden)
    kind = make(service())
    reason = kind.limitation()
    assert reason is not None
    assert "net.ipv4.ping_group_range (now '1 0')" in reason
    assert "sysctl -w net.ipv4.ping_group_range='0 2147483647'" in reason
    assert forbidden.asked == [socket.SOCK_DGRAM, socket.SOCK_RAW]
    monkeypatch.undo()
    monkeypatch.setattr(icmp, "_RANGE", setting)

    async def attempt():
        monkeypatch.setattr(icmp_socket, "open_socket", lambda _: forbidden(V4, socket.SOCK_RAW, 1))
        return await ask(kind, 0, 1)

    answer = asyncio.run(attempt())
    assert (answer.outcome, answer.error) == (Outcome.MISCONFIGURED, reason)


def test_a_runner_without_the_protocol(monkeypatch):
    """Is the runner's own lack as well."""
    monkeypatch.setattr(icmp_socket.socket, "socket", Forbidden(errno.EAFNOSUPPORT))
    assert make(service("icmp://[::1]")).limitation() == "this machine has no IPv6 to send echo requests with"


def test_a_shortage_of_the_moment_is_no_limitation(monkeypatch):
    """It may have passed by the time of the first attempt."""
    monkeypatch.setattr(icmp_socket.socket, "socket", Forbidden(errno.EMFILE))
    assert make(service()).limitation() is None
