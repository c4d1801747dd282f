# SPDX-License-Identifier: MIT
"""PostgreSQL: reads by SELECT 1, writes by one numbered INSERT on the host that takes writes, claims by its own word.

The hosts of the URL are tried one after the other within the attempt's one deadline, the last good one first; a silent
host holds up the next one only for its share of the time, and an attempt never sends more than one INSERT whose fate is
open.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from psycopg import pq

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome, Write
from pytest_harehearse.probes.kinds import postgresql_errors as errors
from pytest_harehearse.probes.kinds.base import Answer, Session, SessionKind, Trace, is_address, of_error, wording
from pytest_harehearse.probes.kinds.postgresql_hosts import Host, target
from pytest_harehearse.probes.kinds.postgresql_wire import WireError, execute, open_session
from pytest_harehearse.probes.kinds.wire import Place

INSERT: Final = b"INSERT INTO harehearse.writes (writer, n) VALUES ($1, $2)"
READ: Final = b"SELECT 1"
#: What ``target_session_attrs=primary`` asks as well.
CLAIM: Final = b"SELECT NOT pg_is_in_recovery()"
#: When no host served: which of their answers tells most. Misconfigured only when nothing else was seen.
_TELLING: Final = (
    Outcome.READ_ONLY,
    Outcome.RESET,
    Outcome.ERROR,
    Outcome.REFUSED,
    Outcome.UNREACHABLE,
    Outcome.TIMEOUT,
    Outcome.MISCONFIGURED,
    Outcome.UNKNOWN,
)


@dataclass(slots=True)
class _Ask:
    """One attempt across the hosts."""

    n: int
    trace: Trace
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: What each host is doing, for the text when the deadline cuts the attempt off.
    steps: dict[str, str] = field(default_factory=dict)

    def step(self, host: Host, text: str) -> None:
        self.steps[host.label] = text
        self.trace.step = "; ".join(f"{label}: {step}" for label, step in self.steps.items())


_Ended = tuple[Answer, Session | None]


def _is_final(answer: Answer) -> bool:
    return answer.outcome.up or answer.write in {Write.ACKED, Write.UNKNOWN}


def _close(task: asyncio.Task[_Ended]) -> None:
    session = task.result()[1]
    if session is not None:
        session.close()


class _Held(Session):
    """An open session on one host."""

    def __init__(self, kind: Postgresql, host: Host, conn: pq.abc.PGconn) -> None:
        self._kind = kind
        self._host = host
        self._conn = conn

    async def ask(self, n: int, trace: Trace) -> Answer:
        """Ask once more; a lost connection is the answer, and the end of the session."""
        try:
            answer = await self._kind.ask(self._host, self._conn, _Ask(n, trace))
        except WireError as error:
            text = str(error)
            answer = Answer(errors.of_text(text), self._host.label, errors.short(text), trace.write)
        self.alive = self._conn.status == pq.ConnStatus.OK
        return answer

    def close(self) -> None:
        """Close the socket."""
        self._conn.finish()


class Postgresql(SessionKind):
    """Asks one PostgreSQL service of one or more hosts."""

    modes = ("read", "write", "claim")
    layer = "database"

    def __init__(self, service: Service, writer: str = "") -> None:
        super().__init__(service, writer)
        self._target = target(service)
        self._order = list(self._target.hosts)
        self._conninfos: dict[tuple[Host, str], str] = {}
        if self._target.password:
            self.secrets = (self._target.password,)

    async def begin(self, n: int, trace: Trace) -> tuple[Answer, Session | None]:
        """Ask once: the first host that serves is the answer, and its session the one that is held."""
        asking = _Ask(n, trace)
        if self.service.mode == "write":
            trace.write = Write.FAILED
        order = list(self._order)
        share = self.service.timeout / len(order)
        answers: list[Answer] = []
        pending: set[asyncio.Task[_Ended]] = set()
        try:
            while order or pending:
                if order:
                    pending.add(asyncio.ensure_future(self._host(order.pop(0), asking)))
                done, pending = await asyncio.wait(
                    pending, timeout=share if order else None, return_when=asyncio.FIRST_COMPLETED
                )
                final = [t for t in done if _is_final(t.result()[0])]
                for task in done - set(final[:1]):
                    _close(task)
                    answers.append(task.result()[0])
                if final:
                    return final[0].result()
        except asyncio.CancelledError:
            self._demote(asking)
            raise
        finally:
            for task in pending:
                # One that has just ended, and was not looked at any more, may hold a session.
                if not task.cancel():
                    _close(task)
        best = min(answers, key=lambda a: _TELLING.index(a.outcome))
        return Answer(best.outcome, best.by, "; ".join(f"{a.by}: {a.error}" for a in answers), trace.write), None

    def _demote(self, asking: _Ask) -> None:
        """Put the host that was asked first and stayed silent last, so that it does not hold up the next attempt."""
        first = self._order[0]
        if first.label in asking.steps and next(iter(asking.steps)) == first.label:
            self._order = [*self._order[1:], first]

    async def _host(self, host: Host, asking: _Ask) -> _Ended:
        """Ask one host; never raises but for cancellation."""
        asking.step(host, "connecting")
        try:
            conn = await open_session(self._conninfo(host, await _resolve(host)))
        except WireError as error:
            text = str(error)
            return self._ended(host, asking, errors.of_text(text), errors.short(text)), None
        except OSError as error:
            return self._ended(host, asking, of_error(error), wording(error)), None
        session, keep = _Held(self, host, conn), False
        try:
            answer = await self.ask(host, conn, asking)
            keep = answer.outcome.up and self.service.session == "held"
        except WireError as error:
            text = str(error)
            answer = self._ended(host, asking, errors.of_text(text), errors.short(text))
        finally:
            if not keep:
                session.close()
        return answer, session if keep else None

    async def ask(self, host: Host, conn: pq.abc.PGconn, asking: _Ask) -> Answer:
        """Ask in an open session, by the service's mode.

        Raises:
            WireError: the session was lost.
        """
        if self.service.mode == "write":
            return await self._write(host, conn, asking)
        if self.service.mode == "read":
            asking.step(host, "connected, no answer to SELECT 1")
            return self._judge(host, asking, await execute(conn, READ), None)
        asking.step(host, "connected, no answer to whether it is primary")
        result = await execute(conn, CLAIM)
        if result.status == pq.ExecStatus.TUPLES_OK and result.get_value(0, 0) != b"t":
            return self._ended(host, asking, Outcome.READ_ONLY, "is a standby")
        return self._judge(host, asking, result, None)

    async def _write(self, host: Host, conn: pq.abc.PGconn, asking: _Ask) -> Answer:
        # Servers from PostgreSQL 14 say on connecting whether they are a standby; an older one says so to the INSERT.
        if conn.parameter_status(b"in_hot_standby") == b"on":
            return self._ended(host, asking, Outcome.READ_ONLY, "is a standby")
        asking.step(host, "connected, waiting for its turn")
        async with asking.turn:
            # Sent by another host meanwhile: acknowledged or open, it must not be sent again.
            if asking.trace.write is not Write.FAILED:
                return self._ended(host, asking, Outcome.UNKNOWN, "not asked to write: another host has the write")
            asking.step(host, "the write was sent, no answer")
            asking.trace.by = host.label
            asking.trace.write = Write.UNKNOWN
            result = await execute(conn, INSERT, (self.writer.encode(), b"%d" % asking.n))
            code = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
            if result.status == pq.ExecStatus.COMMAND_OK:
                asking.trace.write = Write.ACKED
            elif errors.certain(code):
                asking.trace.write = Write.FAILED
                asking.trace.by = ""
            return self._judge(host, asking, result, asking.trace.write)

    def _judge(self, host: Host, asking: _Ask, result: pq.abc.PGresult, write: Write | None) -> Answer:
        if result.status in {pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK}:
            if self._order[0] is not host:
                self._order = [host, *(h for h in self._order if h is not host)]
            return Answer(Outcome.OK, host.label, "", write)
        code = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        message = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message).decode(
            errors="replace"
        )
        outcome = errors.of_sqlstate(code) if code else errors.of_text(message)
        return self._ended(host, asking, outcome, message.strip())

    def _ended(self, host: Host, asking: _Ask, outcome: Outcome, error: str) -> Answer:
        asking.step(host, error)
        # Only the host that was sent the INSERT can leave its fate open.
        return Answer(outcome, host.label, error, asking.trace.write if asking.trace.by == host.label else None)

    def _conninfo(self, host: Host, hostaddr: str) -> str:
        key = (host, hostaddr)
        if key not in self._conninfos:
            more = {}
            if self.service.user_timeout is not None:
                more["tcp_user_timeout"] = str(max(1, round(self.service.user_timeout * 1000)))
            self._conninfos[key] = self._target.conninfo(host, hostaddr, **more)
        return self._conninfos[key]


async def _resolve(host: Host) -> str:
    """Return the address of a named host; empty when there is nothing to resolve."""
    if not host.host or host.hostaddr or host.host.startswith("/") or is_address(host.host):
        return ""
    ((_, address), *_rest) = await Place.of(host.host, int(host.port or 5432)).resolve()
    return str(address[0])
