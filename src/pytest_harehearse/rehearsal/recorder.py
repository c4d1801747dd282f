# SPDX-License-Identifier: MIT
"""Writes what a rehearsal does to the stream, and tells it live."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pytest_harehearse.clock import now
from pytest_harehearse.errors import Indeterminate
from pytest_harehearse.events import ActionFinished, ActionStarted, Event, Noted, WaitFinished, WaitStarted

logger = logging.getLogger("harehearse")

REDUNDANT = "the cluster is redundant again"


@dataclass(slots=True)
class Outcome:
    """Filled in by whoever acts or waits; recorded when the block ends."""

    detail: str = ""


@dataclass
class Recorder:
    """The current rehearsal's pen."""

    #: Where events go: the run's stream.
    sink: Callable[[Event], None]
    rehearsal: str
    #: Tell the log while it happens.
    live: bool = True
    #: Monotonic start of the first and of the last action; None before any.
    first_action: float | None = None
    last_action: float | None = None
    #: When the cluster was last seen fully redundant, and when it was last seen not to be.
    redundant_at: float | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def write(self, event: Event) -> None:
        """Put an event on the stream."""
        self.sink(event)

    def tell(self, text: str) -> None:
        """Say it live (logger ``harehearse``, level INFO), with the time since the first action."""
        if not self.live:
            return
        if self.first_action is None:
            logger.info("%s", text)
        else:
            logger.info("T+%.1f %s", now() - self.first_action, text)

    def note(self, text: str) -> None:
        """Keep a note of the test's author."""
        self.write(Noted(rehearsal=self.rehearsal, text=text))
        self.tell(text)

    @contextmanager
    def action(self, name: str, target: str, detail: str = "") -> Iterator[Outcome]:
        """Record something that is done to the cluster.

        An :class:`Indeterminate` makes it unknown, any other error failed; the error goes on.
        """
        identity = f"{self.rehearsal}#{next(self._numbers)}"
        started = ActionStarted(rehearsal=self.rehearsal, action=identity, name=name, target=target, detail=detail)
        self.last_action = started.t
        self.redundant_at = None
        if self.first_action is None:
            self.first_action = started.t
        self.write(started)
        self.tell(f"{name} {target}".strip())
        outcome = Outcome()
        try:
            yield outcome
        except BaseException as error:
            kind = "unknown" if isinstance(error, Indeterminate) else "failed"
            self._finish_action(identity, name, target, kind, outcome.detail or str(error))
            raise
        self._finish_action(identity, name, target, "done", outcome.detail)

    def _finish_action(self, identity: str, name: str, target: str, outcome: str, detail: str) -> None:
        self.write(ActionFinished(rehearsal=self.rehearsal, action=identity, outcome=outcome, detail=detail))
        self.tell(f"{name} {target}".strip() + f" {outcome}" + (f": {detail}" if detail else ""))

    @contextmanager
    def waiting(self, what: str, within: float) -> Iterator[Outcome]:
        """Record a wait; ``Outcome.detail`` is the state seen last."""
        identity = f"{self.rehearsal}#{next(self._numbers)}"
        self.write(WaitStarted(rehearsal=self.rehearsal, wait=identity, what=what, within=within))
        seen = Outcome()
        outcome = "done"
        try:
            yield seen
        except BaseException as error:
            outcome = "unknown" if isinstance(error, Indeterminate) else "failed"
            raise
        finally:
            self.write(WaitFinished(rehearsal=self.rehearsal, wait=identity, outcome=outcome, last_seen=seen.detail))
            self.tell(what if outcome == "done" else f"{outcome}: {what}")
