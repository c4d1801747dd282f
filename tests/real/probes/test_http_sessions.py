# SPDX-License-Identifier: MIT
"""HTTP over real sockets: new and held sessions, writes, claims; and nothing stays open."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct

import pytest
from scripted_http import OK, asked, descriptors, serving

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome, Write
from pytest_harehearse.probes.kinds import make
from pytest_harehearse.probes.kinds.base import Kind, ask
from pytest_harehearse.probes.kinds.wire import Place, dial

WRITES = """
from pytest_harehearse.probes.kinds.http_writes import HttpWrite
def write(writer, n):
    return HttpWrite("orders", headers={"X-N": str(n)}, body=f"{writer}:{n}".encode())
def lookup(url, writer): return []
"""


def kind(port: int, path: str = "/", **more) -> Kind:
    return make(Service("s", "http", f"http://127.0.0.1:{port}{path}", **{"timeout": 2.0, **more}), "w")


def run(work, *arguments):
    """Run it, and see that it leaves nothing open."""
    before = descriptors()
    result = asyncio.run(work(*arguments))
    assert descriptors() <= before
    return result


def chunked(data: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)


def test_a_new_session_for_each_attempt():
    """As many connections as attempts, each asked to close, none left."""

    async def work():
        async with serving() as server:
            answers = await asked(kind(server.port), 3)
            await server.gone()
            return server, answers

    server, answers = run(work)
    assert [a.outcome for a in answers] == [Outcome.OK] * 3
    assert server.connections == 3
    assert all(b"\r\nConnection: close\r\n" in request for request in server.requests)


@pytest.mark.parametrize("answer", [OK, chunked(b"x" * 100_000), b"HTTP/1.1 204 No Content\r\n\r\n"])
def test_one_session_for_all_attempts(answer):
    """Each answer is read to its end, so the next one is not taken for it."""

    async def work():
        async with serving(lambda _: answer) as server:
            held = kind(server.port, session="held")
            answers = await asked(held, 4)
            held.close()
            await server.gone()
            return server, answers

    server, answers = run(work)
    assert [a.outcome for a in answers] == [Outcome.OK] * 4
    assert server.connections == 1
    assert not any(b"Connection:" in request for request in server.requests)


@pytest.mark.parametrize(
    "last",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 408 Request Timeout\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1100000\r\n\r\n" + b"x" * 1_100_000,
    ],
)
def test_a_session_that_cannot_go_on(last):
    """The server's last word, or an answer too long: served, and the next attempt opens a session of its own."""

    async def work():
        async with serving(lambda n: last if n == 2 else OK) as server:
            held = kind(server.port, session="held")
            answers = await asked(held, 3)
            held.close()
            await server.gone()
            return server, answers

    server, answers = run(work)
    assert [a.outcome for a in answers] == [Outcome.OK] * 3
    assert server.connections == 2


def test_a_held_session_that_the_server_closed():
    """The attempt that meets it is lost, as an application's request would be; the next one is served."""

    async def work():
        async with serving() as first:
            held = kind(first.port, session="held")
            answers = await asked(held, 1)
        answers += await asked(held, 2)
        async with serving() as second:
            held._kind._place = Place.of("127.0.0.1", second.port)
            answers += await asked(held, 1)
            held.close()
            await second.gone()
        return answers

    answers = run(work)
    assert [a.outcome for a in answers] == [Outcome.OK, Outcome.RESET, Outcome.REFUSED, Outcome.OK]


def test_a_held_session_whose_server_hangs():
    """Attempts that are due meanwhile wait for their turn and are not served; ending it leaves nothing behind."""

    async def work():
        async with serving(lambda n: OK if n == 1 else None) as server:
            held = kind(server.port, session="held")
            answers = [await ask(held, n, 0.1) for n in range(3)]
            held.close()
            await server.gone()
            return answers

    answers = run(work)
    assert [a.outcome for a in answers] == [Outcome.OK, Outcome.TIMEOUT, Outcome.TIMEOUT]
    assert "status" not in answers[1].error
    assert "the held session still waits for an earlier answer" in answers[2].error


@pytest.mark.parametrize("session", ["new", "held"])
@pytest.mark.parametrize(
    ("said", "outcome", "text"),
    [
        (b"", Outcome.RESET, "closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", Outcome.RESET, "closed the connection within its answer"),
        (b"SSH-2.0-x\r\n", Outcome.WRONG, "the answer is not HTTP"),
    ],
)
def test_what_breaks_off_or_is_something_else(session, said, outcome, text):
    """No success in either kind of session."""

    async def work():
        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            asking = kind(server.sockets[0].getsockname()[1], session=session)
            answer = await ask(asking, 0, 2)
            asking.close()
            await asyncio.sleep(0.02)
        return answer

    answer = run(work)
    assert answer.outcome is outcome
    assert text in answer.error


@pytest.mark.parametrize(
    ("said", "step"),
    [
        (None, "connected, no answer to the request"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", "status 200, the body is not complete"),
    ],
)
def test_the_deadline_closes_the_connection(said, step):
    """In the instant in which it passes, whatever was under way; the text says how far it had come."""

    async def work():
        async with serving(lambda _: said, stays=True) as server:
            before = descriptors()
            answer = await ask(kind(server.port, contains="abc"), 0, 0.1)
            left = descriptors() - before
            await server.gone()
            return answer, left

    answer, left = run(work)
    assert (answer.outcome, answer.error) == (Outcome.TIMEOUT, f"no answer within 100 ms ({step})")
    # At most the server's own end of it.
    assert len(left) <= 1


def test_a_reset():
    """Told apart from a close."""

    async def work():
        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            answer = await ask(kind(server.sockets[0].getsockname()[1]), 0, 2)
            await asyncio.sleep(0.02)
        return answer

    assert run(work).outcome is Outcome.RESET


@pytest.fixture
def shop(tmp_path):
    """Return the settings of a service whose writes a user's callable makes."""
    (tmp_path / "shop.py").write_text(WRITES)
    return {"mode": "write", "write": f"{tmp_path}/shop.py:write", "lookup": f"{tmp_path}/shop.py:lookup"}


@pytest.mark.parametrize("session", ["new", "held"])
def test_numbered_writes(shop, session):
    """The callable says what to send, the probe sends it; each fate is what the server said."""
    said = [OK, b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 409 No\r\nContent-Length: 0\r\n\r\n", None]

    async def work():
        async with serving(lambda n: said[n - 1]) as server:
            asking = kind(server.port, "/shop/", session=session, **shop)
            answers = [await ask(asking, n, 0.3) for n in range(4)]
            asking.close()
            await server.gone()
            return server, answers

    server, answers = run(work)
    assert [(a.outcome, a.write) for a in answers] == [
        (Outcome.OK, Write.ACKED),
        (Outcome.WRONG, Write.UNKNOWN),
        (Outcome.WRONG, Write.FAILED),
        (Outcome.TIMEOUT, Write.UNKNOWN),
    ]
    assert server.requests[2].startswith(b"POST /shop/orders HTTP/1.1\r\n")
    assert server.requests[2].endswith(b"\r\n\r\nw:2")


def test_a_write_that_was_never_sent(shop):
    """Nobody listens: it failed, for certain."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    answer = asyncio.run(ask(kind(port, **shop), 0, 2))
    assert (answer.outcome, answer.write) == (Outcome.REFUSED, Write.FAILED)


def test_an_acknowledgement_that_breaks_off(shop):
    """Status 200 and half a body: the write's fate is open."""

    async def work():
        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            answer = await ask(kind(server.sockets[0].getsockname()[1], **shop), 0, 2)
            await asyncio.sleep(0.02)
        return answer

    answer = run(work)
    assert (answer.outcome, answer.write) == (Outcome.RESET, Write.UNKNOWN)


def test_a_claim():
    """Yes and no, of one node."""

    async def work():
        async with serving(lambda n: OK if n == 1 else b"HTTP/1.1 503 No\r\n\r\n") as server:
            return await asked(kind(server.port, mode="claim"), 2)

    answers = run(work)
    assert [a.outcome for a in answers] == [Outcome.OK, Outcome.READ_ONLY]
    assert answers[1].error == "status 503"


def test_what_the_system_gives_up_on(monkeypatch):
    """TCP_USER_TIMEOUT is set on a held session, in milliseconds, before it connects."""
    seen = []
    dial_ = dial

    async def spy(place, **more):
        wire = await dial_(place, **more)
        seen.append(wire._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
        return wire

    monkeypatch.setattr("pytest_harehearse.probes.kinds.http.dial", spy)

    async def work():
        async with serving() as server:
            for session in ("held", "new"):
                asking = kind(server.port, session=session, user_timeout=1.5)
                await asked(asking, 1)
                asking.close()
            await server.gone()

    run(work)
    assert seen == [1500, 0]


def test_several_addresses_of_which_one_answers():
    """A dead one does not use up the time, a refusing one is passed over, and what lost is closed."""

    async def work():
        async with serving() as server:
            silent = socket.socket()
            silent.bind(("127.0.0.1", 0))
            silent.listen(0)
            fill = [socket.socket() for _ in range(3)]
            for sock in fill:
                sock.setblocking(False)
                sock.connect_ex(silent.getsockname())
            addresses = tuple(
                (socket.AF_INET, address)
                for address in (("127.0.0.1", 1), silent.getsockname(), ("127.0.0.1", server.port))
            )
            wire = await dial(Place("name", server.port, addresses), within=0.4)
            other = wire._sock.getpeername()[1]
            wire.close()
            for sock in (silent, *fill):
                sock.close()
            await server.gone()
            return other == server.port

    assert run(work)


def test_when_no_address_answers():
    """A refusal tells more than a family without a route."""

    async def work():
        addresses = ((socket.AF_INET, ("255.255.255.255", 1)), (socket.AF_INET, ("127.0.0.1", 1)))
        with pytest.raises(ConnectionRefusedError) as caught:
            await dial(Place("name", 1, addresses), within=1)
        return caught.value.errno

    assert run(work) == errno.ECONNREFUSED


def test_a_name_is_resolved_for_each_attempt(monkeypatch):
    """As users do who have no cache."""
    asked_for = []
    resolve = socket.getaddrinfo

    def spy(host, *arguments, **more):
        asked_for.append(host)
        return resolve("127.0.0.1", *arguments, **more)

    async def work():
        async with serving() as server:
            asking = make(Service("s", "http", f"http://shop.invalid:{server.port}/", timeout=2.0))
            monkeypatch.setattr(socket, "getaddrinfo", spy)
            return await asked(asking, 2)

    answers = run(work)
    assert [a.outcome for a in answers] == [Outcome.OK] * 2
    assert asked_for == ["shop.invalid"] * 2
