# SPDX-License-Identifier: MIT
"""One attempt across the hosts of a service, of which one serves.

They are tried one after the other within the attempt's one deadline, the last good one first; a silent host holds up the
next one only for its share of the time, and an attempt never sends a second write while the fate of one is open.
"""

from __future__ import annotations

import asyncio
import ssl
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Final

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome, Write
from pytest_harehearse.probes.kinds.base import Answer, Session, SessionKind, Trace, of_error, wording
from pytest_harehearse.probes.kinds.hosts import Host, Target

#: When no host served: which of their answers tells most. Misconfigured only when nothing else was seen.
_TELLING: Final = (
    Outcome.READ_ONLY,
    Outcome.STALE,
    Outcome.RESET,
    Outcome.WRONG,
    Outcome.ERROR,
    Outcome.REFUSED,
    Outcome.UNREACHABLE,
    Outcome.TIMEOUT,
    Outcome.MISCONFIGURED,
    Outcome.UNKNOWN,
)


class Said(Exception):
    """A host said, or showed, that its session is of no use."""

    def __init__(self, outcome: Outcome, text: str) -> None:
        super().__init__(text)
        self.outcome = outcome


@dataclass(slots=True)
class Asking:
    """One attempt, wherever it has come."""

    n: int
    trace: Trace
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: What each host is doing, for the text when the deadline cuts the attempt off.
    steps: dict[str, str] = field(default_factory=dict)

    def step(self, host: Host, text: str) -> None:
        """Say what a host is doing."""
        self.steps[host.label] = text
        self.trace.step = "; ".join(f"{label}: {step}" for label, step in self.steps.items())

    def may_write(self) -> bool:
        """Tell whether no host was entrusted with the write yet; asked by the holder of the turn."""
        return self.trace.write is Write.FAILED

    def sending(self, host: Host) -> None:
        """From here on the write may have been made."""
        self.step(host, "the write was sent, no answer")
        self.trace.by, self.trace.write = host.label, Write.UNKNOWN

    def settle(self, write: Write) -> None:
        """The fate of the write is known."""
        self.trace.write = write
        if write is Write.FAILED:
            self.trace.by = ""

    def ended(self, host: Host, outcome: Outcome, error: str = "") -> Answer:
        """Return a host's answer; only the host that was sent the write has a say on its fate."""
        if not outcome.up:
            self.step(host, error)
        write = self.trace.write if self.trace.by == host.label or self.trace.write is Write.FAILED else None
        return Answer(outcome, host.label, error, write)


class HostSession(Session):
    """An open session on one host."""

    def __init__(self, kind: SeveralHosts, host: Host) -> None:
        self.host = host
        self._kind = kind

    async def ask(self, n: int, trace: Trace) -> Answer:
        """Ask once more; a lost session is the answer, and its end.

        Of several hosts, one that only reads is of no more use to who writes: an application's client goes on to the
        next one, too.
        """
        asking = Asking(n, trace)
        if self._kind.writes:
            trace.write = Write.FAILED
        answer, self.alive = await self._kind.answer(self, asking)
        if self._kind.writes and answer.outcome is Outcome.READ_ONLY and not self._kind.alone:
            self.alive = False
        return answer

    @abstractmethod
    async def exchange(self, asking: Asking) -> Answer:
        """Ask, by the service's mode. May raise Said, OSError and EOFError, which end the session."""

    async def leave(self) -> None:
        """End it politely where the protocol has a word for that; never waits for the host."""
        self.close()


_Ended = tuple[Answer, HostSession | None]


def _drop(task: asyncio.Task[_Ended]) -> None:
    """End what a host's task is doing, or the session it has opened."""
    if not task.done():
        task.cancel()
    elif not task.cancelled() and task.exception() is None and (session := task.result()[1]) is not None:
        session.close()


def _final(answer: Answer) -> bool:
    """Tell whether no other host may be asked any more: it was served, or the write was or may have been made."""
    return answer.outcome.up or answer.write in {Write.UNKNOWN, Write.ACKED}


class SeveralHosts(SessionKind):
    """Asks a service of one or more hosts."""

    modes = ("read", "write", "claim")
    layer = "database"

    def __init__(self, service: Service, writer: str, aim: Target) -> None:
        super().__init__(service, writer)
        self.secrets = aim.secrets
        self.writes = service.mode == "write"
        self.alone = len(aim.hosts) == 1
        self._order = list(aim.hosts)

    @abstractmethod
    async def open(self, host: Host, asking: Asking) -> HostSession:
        """Open a session on a host; closes what it opened when it raises (Said, OSError, EOFError) or is cancelled."""

    async def begin(self, n: int, trace: Trace) -> tuple[Answer, Session | None]:
        """Ask once: the first host that serves is the answer, and its session the one that is held."""
        asking = Asking(n, trace)
        if self.writes:
            trace.write = Write.FAILED
        if self.alone:
            answer, session = await self._host(self._order[0], asking)
            return (answer, session) if _final(answer) else (self._worst([answer], trace), None)
        order, answers = list(self._order), list[Answer]()
        share = self.service.timeout / len(order)
        tasks: set[asyncio.Task[_Ended]] = set()
        try:
            while order or tasks:
                if order:
                    tasks.add(asyncio.ensure_future(self._host(order.pop(0), asking)))
                done, _ = await asyncio.wait(
                    tasks, timeout=share if order else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    if _final(task.result()[0]):
                        tasks.discard(task)
                        return task.result()
                    tasks.discard(task)
                    answers.append(task.result()[0])
        except asyncio.CancelledError:
            self._demote(asking)
            raise
        finally:
            for task in tasks:
                _drop(task)
        return self._worst(answers, trace), None

    async def answer(self, session: HostSession, asking: Asking) -> tuple[Answer, bool]:
        """Ask in an open session; return the answer and whether the session goes on."""
        try:
            return await session.exchange(asking), True
        except (Said, OSError, EOFError) as error:
            return self._failure(session.host, asking, error), False

    async def _host(self, host: Host, asking: Asking) -> _Ended:
        """Ask one host; raises nothing that a host can cause."""
        asking.step(host, "connecting")
        try:
            session = await self.open(host, asking)
        except (Said, OSError, EOFError) as error:
            return self._failure(host, asking, error), None
        keep = False
        try:
            answer, goes_on = await self.answer(session, asking)
            if answer.outcome.up:
                self._prefer(host)
                keep = goes_on and self.service.session == "held"
            if goes_on and not keep:
                await session.leave()
        finally:
            if not keep:
                session.close()
        return answer, session if keep else None

    @staticmethod
    def _failure(host: Host, asking: Asking, error: Said | OSError | EOFError) -> Answer:
        if isinstance(error, Said):
            return asking.ended(host, error.outcome, str(error))
        if isinstance(error, ssl.SSLCertVerificationError):
            why = f"the server's certificate is not accepted: {error.verify_message}"
            return asking.ended(host, Outcome.MISCONFIGURED, f"{why}; name a host it is for, or trust its issuer here")
        return asking.ended(host, of_error(error), wording(error))

    @staticmethod
    def _worst(answers: list[Answer], trace: Trace) -> Answer:
        best = min(answers, key=lambda a: _TELLING.index(a.outcome))
        return Answer(best.outcome, best.by, "; ".join(f"{a.by}: {a.error}" for a in answers), trace.write)

    def _prefer(self, host: Host) -> None:
        if self._order[0] is not host:
            self._order = [host, *(h for h in self._order if h is not host)]

    def _demote(self, asking: Asking) -> None:
        """Put the host that was asked first and stayed silent last, so that it does not hold up the next attempt."""
        first = self._order[0]
        if next(iter(asking.steps), None) == first.label:
            self._order = [*self._order[1:], first]
