# SPDX-License-Identifier: MIT
"""What every kind of probe shares: one ask under one hard deadline, and how an error of the system counts."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import ssl
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

from pytest_harehearse import units
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome, Write

#: Errors of the runner itself: no evidence about the service.
_OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN})
_NO_WAY: Final = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EPERM, errno.EACCES}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """How one ask ended, and what it showed."""

    outcome: Outcome
    by: str = ""
    error: str = ""
    write: Write | None = None


@dataclass(slots=True)
class Trace:
    """How far an ask has come; what is left of it when the deadline cuts it off."""

    step: str = "connecting"
    by: str = ""
    #: FAILED until the write was sent, UNKNOWN from then until there is a definite answer.
    write: Write | None = None


class Kind(ABC):
    """Asks one service. One instance a service; attempts run side by side."""

    #: What must never be written down.
    secrets: tuple[str, ...] = ()
    #: What a service of this kind may set: values of ``Service.mode`` and of ``Service.session``.
    modes: ClassVar[tuple[str, ...]] = ("read",)
    sessions: ClassVar[tuple[str, ...]] = ("new",)
    #: Where in the stack it looks: network, transport, name, application, database.
    layer: ClassVar[str] = "application"

    def __init__(self, service: Service, writer: str = "") -> None:
        self.service = service
        self.writer = writer

    @abstractmethod
    async def attempt(self, n: int, trace: Trace) -> Answer:
        """Ask once; ``n`` is the attempt's number. May raise OSError; is cancelled at the deadline."""

    def limitation(self) -> str | None:
        """Return why this machine cannot ask at all (a right it lacks, say); None when it can."""
        return None

    def close(self) -> None:  # noqa: B027 - most kinds hold nothing
        """Give back what is held between attempts."""


class Session(ABC):
    """An established session with one responder, asked by one attempt at a time."""

    #: False once it is lost; it is then closed and never asked again.
    alive: bool = True

    @abstractmethod
    async def ask(self, n: int, trace: Trace) -> Answer:
        """Ask once more. May raise OSError or EOFError, which loses the session; may be cancelled only to end it."""

    @abstractmethod
    def close(self) -> None:
        """End it at once; a second call does nothing."""


class SessionKind(Kind):
    """A kind that has sessions: a new one for each attempt, or one held for all (see :mod:`.held`)."""

    sessions = ("new", "held")

    @abstractmethod
    async def begin(self, n: int, trace: Trace) -> tuple[Answer, Session | None]:
        """Open a session and ask in it once; return it for further asks, None when it is of no further use.

        Closes everything it opened when it raises or is cancelled.
        """

    async def attempt(self, n: int, trace: Trace) -> Answer:
        """Ask once in a session of its own."""
        answer, session = await self.begin(n, trace)
        if session is not None:
            session.close()
        return answer


def of_error(error: OSError | EOFError | ssl.SSLError) -> Outcome:
    """Return what an error of the system proves."""
    if isinstance(error, socket.gaierror):
        return Outcome.UNREACHABLE
    if isinstance(error, ssl.SSLError):
        return Outcome.ERROR
    if isinstance(error, ConnectionRefusedError):
        return Outcome.REFUSED
    if isinstance(error, ConnectionError | EOFError):
        return Outcome.RESET
    if isinstance(error, TimeoutError):
        return Outcome.TIMEOUT
    if error.errno in _OURS:
        return Outcome.UNKNOWN
    return Outcome.UNREACHABLE if error.errno in _NO_WAY else Outcome.ERROR


def wording(error: BaseException) -> str:
    """Return an error's text without its number, never empty."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror | ssl.SSLError):
        return os.strerror(error.errno)
    text = error.strerror if isinstance(error, socket.gaierror) else str(error)
    return (text or type(error).__name__).strip()


async def ask(kind: Kind, n: int, timeout: float) -> Answer:  # noqa: ASYNC109 - one deadline around all of it
    """Ask once under the hard deadline; never raises but for cancellation from outside.

    An exception that no kind expects is a fault of ours and no outage: it counts as unknown.
    """
    trace = Trace()
    try:
        async with asyncio.timeout(timeout):
            answer = await kind.attempt(n, trace)
    except TimeoutError as error:
        text = f"no answer within {units.show(timeout)} ({trace.step})" if error.errno is None else wording(error)
        answer = Answer(Outcome.TIMEOUT, trace.by, text, trace.write)
    except (OSError, EOFError) as error:
        answer = Answer(of_error(error), trace.by, wording(error), trace.write)
    except Exception as error:  # noqa: BLE001 - a bug of ours must not be an outage
        answer = Answer(Outcome.UNKNOWN, trace.by, f"internal: {type(error).__name__}: {error}", trace.write)
    if answer.error and kind.secrets:
        text = answer.error
        for secret in kind.secrets:
            text = text.replace(secret, "***")
        answer = Answer(answer.outcome, answer.by, text, answer.write)
    return answer


def is_address(host: str) -> bool:
    """Tell whether a host is an IP address, so that nothing needs to be resolved."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
