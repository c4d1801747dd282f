# SPDX-License-Identifier: MIT
"""Ask one Valkey server or sentinel a few questions at once, with a deadline, and say which of three things happened."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server or a sentinel listens."""

    host: str
    port: int

    def __str__(self) -> str:
        """HOST:PORT, as the sentinels write it."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Error:
    """A reply that says no."""

    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """``replies`` None: no answer. ``unsent``: then the questions certainly never reached a server."""

    replies: tuple[Any, ...] | None
    problem: str = ""
    unsent: bool = False
    #: Nothing listens there.
    refused: bool = False


def ask(place: Place, password: str, commands: Sequence[tuple[str, ...]], deadline: float) -> Answer:
    """Return the reply to each command, or what became of them; never raises for a server that does not answer."""
    from redis.connection import Connection
    from redis.exceptions import RedisError, ResponseError

    until = time.monotonic() + deadline
    # Any: some versions of redis-py annotate this, some do not.
    make: Any = Connection
    connection = make(
        place.host, place.port, password=password or None, socket_timeout=deadline, socket_connect_timeout=deadline,
        protocol=2, decode_responses=True, encoding_errors="replace",
    )  # fmt: skip
    try:
        try:
            connection.connect()
        except (RedisError, OSError) as error:
            return Answer(
                None,
                f"could not connect to {place}: {_words(error)}",
                unsent=True,
                refused=isinstance(_cause(error), ConnectionRefusedError),
            )
        try:
            connection.send_packed_command(connection.pack_commands(commands))
            replies: list[Any] = []
            for _ in commands:
                # The socket's own timeout begins anew with every reply.
                if not connection.can_read(timeout=max(0.0, until - time.monotonic())):
                    return Answer(None, f"no answer from {place} within {deadline:.1f} s")
                try:
                    replies.append(connection.read_response())
                except ResponseError as error:
                    replies.append(Error(str(error)))
        except (RedisError, OSError) as error:
            return Answer(None, f"no answer from {place}: {_words(error)}")
        return Answer(tuple(replies))
    finally:
        connection.disconnect()


def _cause(error: BaseException) -> OSError | None:
    """Return what the system said, which redis-py wraps."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError):
            return found
        found = found.__cause__ or found.__context__
    return None


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError) or type(error).__name__ == "TimeoutError":
        return "timed out"
    cause = _cause(error)
    if cause is not None and cause.errno is not None:
        return os.strerror(cause.errno)
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
