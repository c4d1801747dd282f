# SPDX-License-Identifier: MIT
"""Redis and Valkey: reads by a GET, writes by RPUSH of the attempt's number to one list, claims by ROLE.

It speaks RESP itself, without a client library: login, choice of the database and question go out at once, and whoever
is cut off at the deadline has the socket closed in the same instant.
"""

from __future__ import annotations

import functools
import ssl
from typing import Final

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome, Write
from pytest_harehearse.probes.kinds import redis_errors as errors
from pytest_harehearse.probes.kinds.base import Answer
from pytest_harehearse.probes.kinds.hosts import Host, Target, target
from pytest_harehearse.probes.kinds.redis_resp import Failure, NotRedis, Replies, Reply, encode
from pytest_harehearse.probes.kinds.several import Asking, HostSession, Said, SeveralHosts
from pytest_harehearse.probes.kinds.urls import hide
from pytest_harehearse.probes.kinds.wire import Wire, dial

#: There need be no such key; that there is none is an answer of the data set, which PING is not.
READ: Final = encode("GET", "harehearse:probe")
ROLE: Final = encode("ROLE")
PING: Final = encode("PING")
_PORT: Final = 6379
_HOW: Final = "Write redis://USER:PASSWORD@HOST1:PORT,HOST2:PORT/DB; rediss:// for TLS."


def list_of(writer: str) -> str:
    """Return the key of the list of a writer's numbers."""
    return f"harehearse:writes:{writer}"


@functools.cache
def tls_of(scheme: str) -> ssl.SSLContext | None:
    """Return how a scheme is secured; one context for all, since reading the trusted certificates takes long."""
    return ssl.create_default_context() if scheme == "rediss" else None


def aim_of(service: Service) -> tuple[Target, tuple[bytes, ...]]:
    """Return the hosts of a service, and the commands that begin each session: login, choice of the database.

    Raises:
        ConfigError: when its URL cannot be used.
    """
    aim = target(service, _PORT, _HOW)
    if aim.path and not aim.path.isdecimal():
        raise ConfigError(f"the URL {hide(service.url)!r} has {aim.path!r} for a database, which is a number. {_HOW}")
    if aim.options:
        raise ConfigError(
            f"the URL {hide(service.url)!r} has options ({', '.join(aim.options)}); none is known. {_HOW}"
        )
    greeting = []
    if aim.user is not None or aim.password is not None:
        user = () if aim.user is None else (aim.user,)
        greeting.append(encode("AUTH", *user, aim.password or ""))
    if int(aim.path or 0):
        greeting.append(encode("SELECT", int(aim.path)))
    return aim, tuple(greeting)


def role_of(reply: Reply) -> str:
    """Return the role in the reply to ROLE.

    Raises:
        NotRedis: when it has none.
    """
    if not isinstance(reply, list) or not reply or not isinstance(reply[0], bytes):
        raise NotRedis("the reply to ROLE names none")
    return reply[0].decode(errors="replace")


def master_of(reply: Reply) -> str:
    """Return whom a replica follows, and how that goes, by its reply to ROLE."""
    words = reply[1:4] if isinstance(reply, list) else []
    rest = [word.decode(errors="replace") if isinstance(word, bytes) else str(word) for word in words]
    return f"{':'.join(rest[:2])} ({rest[2]})" if len(rest) == 3 else "another"


class _Session(HostSession):
    """An open connection to one server."""

    def __init__(self, kind: Redis, host: Host, wire: Wire) -> None:
        super().__init__(kind, host)
        self._redis = kind
        self._wire = wire
        self._replies = Replies()
        #: What is still to be said before the first question.
        self._greeting = kind.greeting
        if kind.writes and not kind.alone and not kind.greeting:
            # Whoever is silent must show it before it is entrusted with the write: another host could take it.
            self._greeting = (PING,)

    async def exchange(self, asking: Asking) -> Answer:
        """Ask, by the service's mode."""
        kind = self._redis
        if kind.writes:
            return await self._write(asking)
        asking.step(self.host, f"connected, no answer to {kind.asks}")
        greeting, self._greeting = self._greeting, ()
        reply = await self._talk((*greeting, kind.question), len(greeting))
        if isinstance(reply, Failure):
            return asking.ended(self.host, errors.of_text(reply.text), reply.text)
        if kind.service.mode == "read":
            if reply is None or isinstance(reply, bytes):
                return asking.ended(self.host, Outcome.OK)
            raise Said(Outcome.WRONG, f"no answer to {kind.asks}: {str(reply)[:60]}")
        return self._claim(asking, reply)

    def _claim(self, asking: Asking, reply: Reply) -> Answer:
        try:
            role = role_of(reply)
        except NotRedis as error:
            raise Said(Outcome.WRONG, str(error)) from error
        if role == "master":
            return asking.ended(self.host, Outcome.OK)
        if role == "slave":
            return asking.ended(self.host, Outcome.READ_ONLY, f"is a replica of {master_of(reply)}")
        return asking.ended(self.host, Outcome.WRONG, f"is a {role}, neither master nor replica")

    async def _write(self, asking: Asking) -> Answer:
        kind = self._redis
        if self._greeting:
            asking.step(self.host, "connected, no answer before the write")
            greeting, self._greeting = self._greeting, ()
            await self._talk(greeting, len(greeting))
        asking.step(self.host, "connected, waiting for its turn")
        async with asking.turn:
            if not asking.may_write():
                return asking.ended(self.host, Outcome.UNKNOWN, "not asked to write: another host has the write")
            asking.sending(self.host)
            reply = await self._talk((encode("RPUSH", kind.key, asking.n),), 0)
            if isinstance(reply, Failure):
                asking.settle(Write.FAILED if errors.certain(reply.text) else Write.UNKNOWN)
                return asking.ended(self.host, errors.of_text(reply.text), reply.text)
            if not isinstance(reply, int):
                raise Said(Outcome.WRONG, f"no answer to RPUSH: {str(reply)[:60]}")
            asking.settle(Write.ACKED)
            return asking.ended(self.host, Outcome.OK)

    async def _talk(self, commands: tuple[bytes, ...], greeting: int) -> Reply:
        """Send commands at once and return the last one's reply; the first ones must be answered with no error."""
        await self._wire.send(b"".join(commands))
        reply: Reply = None
        for index in range(len(commands)):
            reply = await self._reply()
            if index < greeting and isinstance(reply, Failure):
                raise Said(errors.of_greeting(reply.text), reply.text)
        return reply

    async def _reply(self) -> Reply:
        try:
            while (whole := self._replies.take()) is None:
                data = await self._wire.more()
                if not data:
                    raise EOFError("the server closed the connection")
                self._replies.feed(data)
        except NotRedis as error:
            raise Said(Outcome.WRONG, f"no answer of a Redis server: {error}") from error
        return whole[0]

    def close(self) -> None:
        """Close the socket."""
        self._wire.close()


class Redis(SeveralHosts):
    """Asks one Redis or Valkey service."""

    def __init__(self, service: Service, writer: str = "") -> None:
        aim, self.greeting = aim_of(service)
        super().__init__(service, writer, aim)
        self.key = list_of(writer)
        self.question, self.asks = (ROLE, "ROLE") if service.mode == "claim" else (READ, "GET")
        self._tls = tls_of(service.url.partition("://")[0])

    async def open(self, host: Host, asking: Asking) -> HostSession:  # noqa: ARG002
        """Connect; what is said first goes out with the question."""
        wire = await dial(
            host.place,
            within=self.service.timeout,
            tls=self._tls,
            user_timeout=self.service.user_timeout if self.service.session == "held" else None,
        )
        return _Session(self, host, wire)
