# SPDX-License-Identifier: MIT
"""Writes what a rehearsal does to the stream, and tells it live."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pytest_harehearse.clock import now
from pytest_harehearse.errors import Indeterminate
from pytest_harehearse.events import (
    ActionFinished,
    ActionStarted,
    ActionStep,
    Event,
    Noted,
    RoleSeen,
    WaitFinished,
    WaitStarted,
)

logger = logging.getLogger("harehearse")

REDUNDANT = "the cluster is redundant again"


@dataclass(slots=True)
class Outcome:
    """Filled in by whoever acts or waits; recorded when the block ends."""

    detail: str = ""
    #: Puts a step of the action on the stream; nothing for a wait.
    step: Callable[..., None] = lambda name, detail="": None  # noqa: ARG005


@dataclass
class Recorder:
    """The current rehearsal's pen; threads may write with it at once."""

    #: Where events go: the run's stream.
    sink: Callable[[Event], None]
    rehearsal: str
    #: lab or production: what is acted on.
    kind: str = ""
    #: Tell the log while it happens.
    live: bool = True
    #: Monotonic start of the first and of the last action; None before any.
    first_action: float | None = None
    last_action: float | None = None
    #: When the cluster was last seen fully redundant, and when it was last seen not to be.
    redundant_at: float | None = None
    #: Everything that something was done to, nodes among them; and the nodes left out of the cluster on purpose.
    touched: set[str] = field(default_factory=set)
    aside: set[str] = field(default_factory=set)
    #: Each node's role as it was seen last, and since when.
    roles: dict[str, RoleSeen] = field(default_factory=dict)
    #: Of faults that were over before their time, which is right if a node was fenced meanwhile.
    early: list[str] = field(default_factory=list)
    #: What the cluster itself recorded is on the stream.
    collected: bool = False
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, event: Event) -> None:
        """Put an event on the stream."""
        if isinstance(event, RoleSeen):
            self.roles[event.node] = event
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
    def action(
        self, name: str, target: str, detail: str = "", *, fault: str = "", expected: str = "", asserted: bool = False
    ) -> Iterator[Outcome]:
        """Record something that is done to the cluster.

        An :class:`Indeterminate` makes it unknown, any other error failed; the error goes on.
        """
        identity = f"{self.rehearsal}#{next(self._numbers)}"
        started = ActionStarted(
            rehearsal=self.rehearsal, action=identity, name=name, target=target, detail=detail, fault=fault,
            expected=expected, kind=self.kind, asserted=asserted,
        )  # fmt: skip
        with self._lock:
            self.last_action = max(started.t, self.last_action or started.t)
            self.redundant_at = None
            self.touched.update(target.split(", "))
            self.first_action = min(started.t, self.first_action or started.t)
        self.write(started)
        self.tell(f"{name} {target}".strip())
        outcome = Outcome(step=lambda step, detail="": self._step(identity, step, detail))
        try:
            yield outcome
        except BaseException as error:
            kind = "unknown" if isinstance(error, Indeterminate) else "failed"
            self._finish_action(identity, name, target, kind, outcome.detail or str(error))
            raise
        self._finish_action(identity, name, target, "done", outcome.detail)

    def _step(self, identity: str, step: str, detail: str) -> None:
        self.write(ActionStep(rehearsal=self.rehearsal, action=identity, step=step, detail=detail))

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
