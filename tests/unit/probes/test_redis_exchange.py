# SPDX-License-Identifier: MIT
"""What the kind redis says on the wire, and how it takes what comes back, with scripted servers on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome, Write
from pytest_harehearse.probes.kinds import make
from pytest_harehearse.probes.kinds.base import Answer, ask
from pytest_harehearse.probes.kinds.redis_resp import Replies, encode

Say = Callable[[list[bytes]], bytes | None]


class Scripted:
    """Answers each command as the script says; None: never, empty: by closing the connection."""

    def __init__(self, say: Say) -> None:
        self.say = say
        #: What came in one piece, connection by connection.
        self.received: list[list[bytes]] = []
        self.commands: list[list[bytes]] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.asked = asyncio.Event()
        self.gone = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        # Whoever is still connected when the test ends was not closed by the probe.
        await asyncio.sleep(0.05)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces: list[bytes] = []
        self.received.append(pieces)
        self.writers.append(writer)
        replies = Replies()
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                pieces.append(data)
                replies.feed(data)
                while (whole := replies.take()) is not None:
                    self.commands.append(whole[0])
                    self.asked.set()
                    answer = self.say(whole[0])
                    if answer == b"reset":
                        linger = struct.pack("ii", 1, 0)
                        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    if answer in {b"", b"reset"}:
                        writer.close()
                        return
                    if answer:
                        writer.write(answer)
        self.gone += 1
        writer.close()


def says(**answers: bytes | None) -> Say:
    """Answer by the command's name."""
    return lambda command: answers.get(command[0].decode(), b"+OK\r\n")


def service(*servers: Scripted, login: str = "", database: str = "", **more) -> Service:
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    names = tuple(f"n{index}" for index in range(1, len(servers) + 1))
    return Service("s", "redis", f"redis://{login}{hosts}{database}", responders=names, **{"timeout": 2.0, **more})


def play(
    *scripts: Say, times: int = 1, login: str = "", database: str = "", **more
) -> tuple[list[Answer], list[Scripted]]:
    """Ask servers that follow these scripts."""

    async def work():
        async with contextlib.AsyncExitStack() as stack:
            servers = [await stack.enter_async_context(Scripted(script)) for script in scripts]
            asking_for = service(*servers, login=login, database=database, **more)
            kind = make(asking_for, "w")
            answers = [await ask(kind, n, asking_for.timeout) for n in range(times)]
            kind.close()
        return answers, servers

    return asyncio.run(work())


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


NIL = b"$-1\r\n"


def test_a_read_goes_out_in_one_piece():
    """Login, database and question: one way there and back."""
    (answer,), (server,) = play(says(GET=NIL), login="u:geheim@", database="/2")
    assert answer == Answer(Outcome.OK, "n1")
    whole = encode("AUTH", "u", "geheim") + encode("SELECT", 2) + encode("GET", "harehearse:probe")
    assert server.received == [[whole]]


def test_a_held_session_logs_in_once():
    """From then on it only asks."""
    answers, (server,) = play(says(GET=NIL), times=3, session="held", login=":geheim@")
    assert [a.outcome for a in answers] == [Outcome.OK] * 3
    assert [[command[0] for command in server.commands]] == [[b"AUTH", b"GET", b"GET", b"GET"]]
    assert len(server.received) == 1


@pytest.mark.parametrize("hosts", [1, 2])
def test_a_write_to_one_host_needs_no_greeting_to_one_of_several_it_does(hosts):
    """Another host could take the write as long as it was not sent: a silent one must show itself before."""
    (answer,), servers = play(*[says(RPUSH=b":1\r\n", PING=b"+PONG\r\n")] * hosts, mode="write")
    assert answer == Answer(Outcome.OK, "n1", "", Write.ACKED)
    write = [b"RPUSH", b"harehearse:writes:w", b"0"]
    assert servers[0].commands == ([write] if hosts == 1 else [[b"PING"], write])
    assert all(not server.commands for server in servers[1:])


@pytest.mark.parametrize("session", ["new", "held"])
@pytest.mark.parametrize(
    ("answer", "outcome", "fate", "text"),
    [
        (b":1\r\n", Outcome.OK, Write.ACKED, ""),
        (b"-READONLY no\r\n", Outcome.READ_ONLY, Write.FAILED, "n1: READONLY no"),
        (b"-ERR upstream timeout\r\n", Outcome.ERROR, Write.UNKNOWN, "ERR upstream timeout"),
        (b"+OK\r\n", Outcome.WRONG, Write.UNKNOWN, "no answer to RPUSH: b'OK'"),
        (
            b"SSH-2.0-x\r\n",
            Outcome.WRONG,
            Write.UNKNOWN,
            "no answer of a Redis server: it begins with b'SSH-2.0-x\\r\\n'",
        ),
        (b"", Outcome.RESET, Write.UNKNOWN, "the server closed the connection"),
        (b"reset", Outcome.RESET, Write.UNKNOWN, "Connection reset by peer"),
    ],
)
def test_the_fate_of_a_write(session, answer, outcome, fate, text):
    """Made, certainly not made, or unknown; never better than what is known."""
    (found,), _ = play(says(RPUSH=answer), mode="write", session=session)
    assert found == Answer(outcome, "n1", text, fate)


@pytest.mark.parametrize(
    ("role", "outcome", "text"),
    [
        (b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n", Outcome.OK, ""),
        (
            b"*5\r\n$5\r\nslave\r\n$2\r\nn9\r\n:6379\r\n$4\r\nsync\r\n:0\r\n",
            Outcome.READ_ONLY,
            "n1: is a replica of n9:6379 (sync)",
        ),
        (b"*1\r\n$5\r\nslave\r\n", Outcome.READ_ONLY, "n1: is a replica of another"),
        (b"*2\r\n$8\r\nsentinel\r\n*0\r\n", Outcome.WRONG, "n1: is a sentinel, neither master nor replica"),
        (b"+OK\r\n", Outcome.WRONG, "n1: the reply to ROLE names none"),
        (b"*0\r\n", Outcome.WRONG, "n1: the reply to ROLE names none"),
        (b"-LOADING x\r\n", Outcome.REFUSED, "n1: LOADING x"),
    ],
)
def test_claims(role, outcome, text):
    """Only a master says that it is the active one."""
    (found,), _ = play(says(ROLE=role), mode="claim")
    assert found == Answer(outcome, "n1", text)


def test_a_read_that_is_answered_with_a_number():
    """Is no answer to a GET."""
    (found,), _ = play(says(GET=b":1\r\n"))
    assert found == Answer(Outcome.WRONG, "n1", "n1: no answer to GET: 1")


def test_a_password_that_a_server_repeats_is_not_shown():
    """Some servers quote the command that they do not know."""
    (found,), _ = play(
        says(AUTH=b"-ERR unknown command 'AUTH', with args beginning with: 'gehe/im'\r\n"), login=":gehe%2Fim@"
    )
    assert found.outcome is Outcome.MISCONFIGURED
    assert "'***'" in found.error
    assert "im'" not in found.error


def test_the_next_host_is_asked_when_one_is_silent_and_stays_the_first():
    """The silent one held up the first attempt for its share, and no later one."""
    answers, (silent, other) = play(says(GET=None), says(GET=NIL), times=3, timeout=1.5)
    assert [(a.outcome, a.by) for a in answers] == [(Outcome.OK, "n2")] * 3
    assert (len(silent.received), len(other.received)) == (1, 3)
    assert silent.gone == 1


def test_no_second_write_while_the_fate_of_one_is_open():
    """The host that has it keeps silent: the attempt ends at its deadline, and the other one is never asked."""
    write_to = says(RPUSH=None, PING=b"+PONG\r\n")
    (answer,), (first, second) = play(write_to, says(RPUSH=b":1\r\n", PING=b"+PONG\r\n"), mode="write", timeout=1.0)
    assert (answer.outcome, answer.by, answer.write) == (Outcome.TIMEOUT, "n1", Write.UNKNOWN)
    assert "n1: the write was sent, no answer" in answer.error
    assert [command[0] for command in first.commands] == [b"PING", b"RPUSH"]
    assert [command[0] for command in second.commands] == [b"PING"]


def test_a_late_acknowledgement_makes_no_second_write():
    """Another host waits for its turn when the first one acknowledges: it must not write as well."""

    async def work():
        async with Scripted(says(PING=b"+PONG\r\n", RPUSH=None)) as first, Scripted(says(PING=b"+PONG\r\n")) as second:
            asking_for = service(first, second, mode="write", timeout=3.0)
            task = asyncio.ensure_future(ask(make(asking_for, "w"), 0, 30.0))
            await asyncio.wait_for(second.asked.wait(), 20)
            # Its answer is on its way; now it waits for its turn.
            await asyncio.sleep(0.1)
            first.writers[0].write(b":1\r\n")
            return await task, second.commands

    answer, commands = asyncio.run(work())
    assert answer == Answer(Outcome.OK, "n1", "", Write.ACKED)
    assert commands == [[b"PING"]]


def test_hosts_that_all_refuse():
    """The most telling answer, and what each of them said."""
    (answer,), _ = play(says(GET=b"-LOADING x\r\n"), says(GET=b"-NOPERM y\r\n"))
    assert answer == Answer(Outcome.REFUSED, "n1", "n1: LOADING x; n2: NOPERM y")


def test_the_socket_is_closed_at_the_deadline():
    """Nothing waits for a server that says nothing, and no descriptor is left."""
    before = descriptors()
    answers, (server,) = play(says(GET=None), times=5, timeout=0.05)
    assert [a.outcome for a in answers] == [Outcome.TIMEOUT] * 5
    assert answers[0].error == "no answer within 50 ms (n1: connected, no answer to GET)"
    assert server.gone == 5
    assert descriptors() == before


def test_a_reply_in_small_pieces():
    """Is read whole."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        for byte in b"$5\r\nhello\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.001)
        writer.close()

    async def work():
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        answer = await ask(make(Service("s", "redis", f"redis://127.0.0.1:{port}", timeout=5.0)), 0, 5.0)
        server.close()
        await asyncio.sleep(0.02)
        return answer

    assert asyncio.run(work()).outcome is Outcome.OK
