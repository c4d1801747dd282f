# SPDX-License-Identifier: MIT
"""A held session: who waits for it, who loses it, who opens the next."""

from __future__ import annotations

import asyncio

import pytest

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome, Write
from pytest_harehearse.probes.kinds.base import Answer, Session, SessionKind, ask
from pytest_harehearse.probes.kinds.held import Held

SERVICE = Service("pool", "http", "http://h/", timeout=0.1, session="held")


class Scripted(SessionKind):
    """Opens sessions that answer what ``says`` is at that time."""

    def __init__(self, service: Service = SERVICE) -> None:
        super().__init__(service)
        self.opened = 0
        self.closed = 0
        self.says: object = "ok"
        self.release = asyncio.Event()

    async def begin(self, n, trace):
        session = One(self)
        self.opened += 1
        return await session.ask(n, trace), session


class One(Session):
    def __init__(self, kind: Scripted) -> None:
        self.kind = kind

    async def ask(self, n, trace):
        match self.kind.says:
            case "hang":
                trace.write = Write.UNKNOWN
                await self.kind.release.wait()
            case "reset":
                raise ConnectionResetError(104, "Connection reset by peer")
            case "last":
                self.alive = False
        return Answer(Outcome.OK, f"n{self.kind.opened}")

    def close(self):
        self.kind.closed += 1


def outcomes(answers) -> list[tuple[str, str]]:
    return [(a.outcome.value, a.by) for a in answers]


def run(work):
    return asyncio.run(work())


def test_all_attempts_share_one_session():
    """It is opened once."""

    async def work():
        kind = Scripted()
        held = Held(kind)
        answers = [await ask(held, n, 0.1) for n in range(3)]
        held.close()
        return kind, answers

    kind, answers = run(work)
    assert outcomes(answers) == [("ok", "n1")] * 3
    assert (kind.opened, kind.closed) == (1, 1)


def test_an_ask_without_an_answer_keeps_the_session_busy():
    """Later attempts wait for their turn and time out; once the answer came, the same session goes on."""

    async def work():
        kind = Scripted()
        held = Held(kind)
        await ask(held, 0, 0.1)
        kind.says = "hang"
        stuck = await asyncio.gather(*(ask(held, n, 0.1) for n in range(1, 4)))
        kind.says = "ok"
        kind.release.set()
        after = await ask(held, 4, 0.1)
        held.close()
        return kind, stuck, after

    kind, stuck, after = run(work)
    assert [a.outcome for a in stuck] == [Outcome.TIMEOUT] * 3
    assert stuck[0].error == "no answer within 100 ms (asked in the held session, no answer)"
    assert stuck[1].error == "no answer within 100 ms (the held session still waits for an earlier answer)"
    assert (after.outcome, after.by, kind.opened) == (Outcome.OK, "n1", 1)


def test_a_write_that_waits_for_its_turn_was_not_sent():
    """Only the write that was handed to the session has an open fate."""

    async def work():
        kind = Scripted(Service("pool", "http", "http://h/", timeout=0.1, session="held", mode="write"))
        held = Held(kind)
        await ask(held, 0, 0.1)
        kind.says = "hang"
        answers = await asyncio.gather(*(ask(held, n, 0.1) for n in range(1, 3)))
        held.close()
        return answers

    assert [a.write for a in run(work)] == [Write.UNKNOWN, Write.FAILED]


@pytest.mark.parametrize(("says", "seen"), [("reset", ("reset", "")), ("last", ("ok", "n1"))])
def test_a_lost_session_is_opened_anew_by_the_next_attempt(says, seen):
    """The attempt that lost it says how; the next one has a new one."""

    async def work():
        kind = Scripted()
        held = Held(kind)
        await ask(held, 0, 0.1)
        kind.says = says
        lost = await ask(held, 1, 0.1)
        kind.says = "ok"
        after = await ask(held, 2, 0.1)
        held.close()
        return kind, [lost, after]

    kind, answers = run(work)
    assert outcomes(answers) == [seen, ("ok", "n2")]
    assert (kind.opened, kind.closed) == (2, 2)


def test_attempts_that_waited_for_a_lost_session_share_the_next():
    """They do not open one each."""

    async def work():
        kind = Scripted()
        held = Held(kind)
        await ask(held, 0, 1)
        kind.says = "hang"
        waiting = [asyncio.ensure_future(ask(held, n, 1)) for n in range(1, 5)]
        await asyncio.sleep(0.05)
        kind.says = "ok"
        kind.release.set()
        answers = await asyncio.gather(*waiting)
        held.close()
        return kind, answers

    kind, answers = run(work)
    assert outcomes(answers) == [("ok", "n1")] * 4
    assert kind.opened == 1
