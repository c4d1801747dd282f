# SPDX-License-Identifier: MIT
"""The list of numbered writes on a Redis service: tried out beforehand, read and removed afterwards. Blocking.

Each writer has one list, ``harehearse:writes:WRITER``. It is removed when it was read; a run that was killed leaves it
behind, and nobody but its own run ever reads it.
"""

from __future__ import annotations

import contextlib
import socket
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pytest_harehearse import units
from pytest_harehearse.errors import HarehearseError, Indeterminate
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds import redis_errors as errors
from pytest_harehearse.probes.kinds.base import of_error, wording
from pytest_harehearse.probes.kinds.hosts import Host
from pytest_harehearse.probes.kinds.redis import ROLE, aim_of, list_of, master_of, role_of, tls_of
from pytest_harehearse.probes.kinds.redis_resp import Failure, NotRedis, Replies, Reply, encode
from pytest_harehearse.probes.kinds.urls import hide

#: Seconds that one host may take to let us in, and to answer a command.
CONNECT_S: Final = 2.0
ANSWER_S: Final = 10.0
#: Numbers asked for at a time: a server answers nobody else meanwhile.
PIECE: Final = 10_000
_AGAIN_S: Final = 0.2


class _No(Exception):
    """A host did not do what it was asked to."""

    def __init__(self, outcome: Outcome, text: str) -> None:
        super().__init__(text)
        self.outcome = outcome


class _Line:
    """An open session on one host, that blocks."""

    def __init__(self, sock: socket.socket, host: Host) -> None:
        self.host = host
        self._sock = sock
        self._replies = Replies()

    def ask(self, command: bytes, *, greeting: bool = False) -> Reply:
        """Send one command and return its reply.

        Raises:
            _No: when it is an error, or none came.
        """
        try:
            self._sock.sendall(command)
            while (whole := self._replies.take()) is None:
                data = self._sock.recv(65536)
                if not data:
                    raise _No(Outcome.RESET, "the server closed the connection")
                self._replies.feed(data)
        except NotRedis as error:
            raise _No(Outcome.WRONG, f"no answer of a Redis server: {error}") from error
        except OSError as error:
            raise _No(of_error(error), wording(error)) from error
        reply = whole[0]
        if isinstance(reply, Failure):
            raise _No((errors.of_greeting if greeting else errors.of_text)(reply.text), reply.text)
        return reply

    def close(self) -> None:
        self._sock.close()


@dataclass(slots=True)
class _Look:
    """What the hosts said when all were asked once."""

    masters: list[_Line] = field(default_factory=list)
    #: Host → what it said, with whether waiting for it may change that.
    others: dict[str, tuple[str, bool]] = field(default_factory=dict)
    misconfigured: int = 0

    @property
    def settled(self) -> bool:
        """Tell whether one is master, and no other is on its way to being anything."""
        return len(self.masters) == 1 and not any(moving for _, moving in self.others.values())

    def said(self) -> str:
        words = [f"{line.host.label}: master" for line in self.masters]
        return "; ".join(words + [f"{label}: {text}" for label, (text, _) in self.others.items()])

    def close(self) -> None:
        for line in self.masters:
            line.close()


def _open(service: Service, host: Host, ends: float) -> _Line:
    left = max(0.1, ends - time.monotonic())
    tls = tls_of(service.url.partition("://")[0])
    try:
        sock = socket.create_connection((host.place.host, host.place.port), timeout=min(CONNECT_S, left))
    except OSError as error:
        raise _No(of_error(error), wording(error)) from error
    try:
        if tls is not None:
            sock = tls.wrap_socket(sock, server_hostname=host.place.host)
        sock.settimeout(min(ANSWER_S, left))
        line = _Line(sock, host)
        for command in aim_of(service)[1]:
            line.ask(command, greeting=True)
    except OSError as error:
        sock.close()
        raise _No(of_error(error), wording(error)) from error
    except BaseException:
        sock.close()
        raise
    return line


def _look(service: Service, ends: float) -> _Look:
    look = _Look()
    for host in aim_of(service)[0].hosts:
        line = None
        try:
            line = _open(service, host, ends)
            reply = line.ask(ROLE)
            role = role_of(reply)
        except (_No, NotRedis) as error:
            outcome = error.outcome if isinstance(error, _No) else Outcome.WRONG
            look.misconfigured += outcome is Outcome.MISCONFIGURED
            # Where nobody listens, nobody is about to become master without first coming up.
            loading = isinstance(error, _No) and errors.of_text(str(error)) is Outcome.REFUSED
            look.others[host.label] = str(error), outcome is not Outcome.REFUSED or loading
            if line is not None:
                line.close()
            continue
        if role == "master":
            look.masters.append(line)
            continue
        line.close()
        linked = isinstance(reply, list) and len(reply) > 3 and reply[3] == b"connected"
        text = f"replica of {master_of(reply)}" if role == "slave" else role
        look.others[host.label] = text, role == "slave" and not linked
    return look


@contextlib.contextmanager
def _master(service: Service, within: float) -> Iterator[_Line]:
    """Yield a session on the one host that is master; waits until the hosts agree.

    Raises:
        Indeterminate: when none is in time, or more than one is.
    """
    ends = time.monotonic() + within
    while True:
        look = _look(service, ends)
        hopeless = not look.masters and look.misconfigured == len(look.others)
        if look.settled or hopeless or time.monotonic() + _AGAIN_S >= ends:
            break
        look.close()
        time.sleep(_AGAIN_S)
    try:
        if len(look.masters) != 1:
            count = "no host" if not look.masters else f"{len(look.masters)} hosts"
            is_are = "says it is" if not look.masters else "say at once that they are"
            raise Indeterminate(
                f"{count} of {hide(service.url)} {is_are} master, waited at most {units.show(within)} ({look.said()})"
            )
        yield look.masters[0]
    finally:
        look.close()


def _plain(error: Exception, service: Service) -> str:
    text = str(error)
    for secret in aim_of(service)[0].secrets:
        text = text.replace(secret, "***")
    return text


def prepare(service: Service, within: float = 15.0) -> None:
    """Try out what numbered writes need: one is made to a list of its own, read and removed.

    Raises:
        HarehearseError: when that could not be done; says why and what to do.
    """
    key = list_of(f"trial-{uuid.uuid4().hex}")
    try:
        with _master(service, within) as line:
            line.ask(encode("RPUSH", key, 0))
            read = line.ask(encode("LRANGE", key, 0, -1))
            line.ask(encode("UNLINK", key))
            if read != [b"0"]:
                raise _No(Outcome.WRONG, f"what was written was not there ({read!r})")  # noqa: TRY301
    except (_No, Indeterminate) as error:
        raise HarehearseError(
            f"The numbered writes of {service.name!r} cannot be made: {_plain(error, service)}. "
            "The user of its URL must be let in and may RPUSH, LRANGE and UNLINK the keys harehearse:writes:*; "
            'or ask it with mode = "read".'
        ) from error


def take(service: Service, writer: str, within: float) -> Counter[int]:
    """Return how often each number of this writer is present, and remove this writer's list.

    Raises:
        Indeterminate: when the numbers cannot be read, or it is not certain which host tells the truth.
    """
    key = list_of(writer)
    try:
        with _master(service, within) as line:
            present = _read(line, key)
            # A list that stays behind disturbs nobody: a writer's id is never used again, and the numbers are sound.
            with contextlib.suppress(_No):
                line.ask(encode("UNLINK", key))
            return present
    except (_No, Indeterminate) as error:
        raise Indeterminate(_plain(error, service)) from error


def _read(line: _Line, key: str) -> Counter[int]:
    present: Counter[int] = Counter()
    start = 0
    while True:
        piece = line.ask(encode("LRANGE", key, start, start + PIECE - 1))
        if not isinstance(piece, list):
            raise Indeterminate(f"{line.host.label}: no list in the answer to LRANGE: {str(piece)[:60]}")
        for value in piece:
            if not isinstance(value, bytes) or not value.isdigit():
                raise Indeterminate(
                    f"{line.host.label}: the list {key} holds {str(value)[:60]}, which no attempt wrote; "
                    "somebody else writes to it"
                )
            present[int(value)] += 1
        if len(piece) < PIECE:
            return present
        start += PIECE
