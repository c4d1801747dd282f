# SPDX-License-Identifier: MIT
"""A held session: one established connection for all attempts, as an application's pool keeps it.

It shows how long an established connection takes to notice: an ask that gets no answer keeps the session busy until the
answer comes, or the system gives the connection up. Attempts that are due meanwhile wait for their turn until their own
deadline and count as not served; only a lost session is opened anew.
"""

from __future__ import annotations

import asyncio

from pytest_harehearse.probes.attempts import Write
from pytest_harehearse.probes.kinds.base import Answer, Kind, Session, SessionKind, Trace


class Held(Kind):
    """Asks a service in one session that is held between attempts."""

    def __init__(self, kind: SessionKind) -> None:
        super().__init__(kind.service, kind.writer)
        self.secrets = kind.secrets
        self._kind = kind
        self._session: Session | None = None
        #: The ask under way; it outlives the attempt that began it.
        self._busy: asyncio.Task[Answer] | None = None
        self._opening = asyncio.Lock()

    def limitation(self) -> str | None:
        """Return what the kind itself lacks."""
        return self._kind.limitation()

    async def attempt(self, n: int, trace: Trace) -> Answer:
        """Ask in the held session, once it is this attempt's turn; opens one when there is none."""
        if self.service.mode == "write":
            trace.write = Write.FAILED
        trace.step = "the held session still waits for an earlier answer"
        while True:
            while self._busy is not None:
                await asyncio.wait({self._busy})
            if self._session is not None:
                return await self._ask(self._session, n, trace)
            async with self._opening:
                if self._session is None and self._busy is None:
                    answer, self._session = await self._kind.begin(n, trace)
                    return answer

    async def _ask(self, session: Session, n: int, trace: Trace) -> Answer:
        trace.step = "asked in the held session, no answer"
        busy = self._busy = asyncio.ensure_future(session.ask(n, trace))
        busy.add_done_callback(lambda task: self._ended(session, task))
        # Waited for, not awaited: the deadline of this attempt must not end the session.
        await asyncio.wait({busy})
        return busy.result()

    def _ended(self, session: Session, task: asyncio.Task[Answer]) -> None:
        self._busy = None
        if task.cancelled() or task.exception() is not None or not session.alive:
            session.close()
            self._session = None

    def close(self) -> None:
        """End the session."""
        if self._busy is not None:
            self._busy.cancel()
        if self._session is not None:
            self._session.close()
            self._session = None
