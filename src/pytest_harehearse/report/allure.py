# SPDX-License-Identifier: MIT
"""A rehearsal in Allure's results: what was done as steps, and its timeline, events and report as attachments.

Steps are opened and closed in the test's own thread only: Allure hangs a step of another thread under whatever the test does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import allure as _untyped

from pytest_harehearse import events as e
from pytest_harehearse import streams
from pytest_harehearse.history.summary import RunSummary
from pytest_harehearse.report import markdown, svg, wording
from pytest_harehearse.report.html import stylesheet

allure: Final[Any] = _untyped
#: A step that did not end well is shown as what it was: an error that is no assertion makes it broken, which is unknown.
_ENDED: Final[dict[str, type[BaseException] | None]] = {"done": None, "failed": AssertionError, "skipped": None}


class Steps:
    """Follows a rehearsal's events and shows actions, waits, and steps of a patch day."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._open: list[tuple[str, Any]] = []

    def follow(self, sink: Callable[[e.Event], None]) -> Callable[[e.Event], None]:
        """Return what takes events in place of ``sink``, which still gets all of them."""

        def take(event: e.Event) -> None:
            sink(event)
            if threading.get_ident() == self._thread:
                self._take(event)

        return take

    def _take(self, event: e.Event) -> None:
        match event:
            case e.ActionStarted():
                self._begin(event.action, f"{event.name} {event.target}: {event.detail}".rstrip(": "))
            case e.WaitStarted():
                self._begin(event.wait, f"wait until {event.what}")
            case e.StepStarted():
                self._begin(event.step, event.title)
            case e.ActionFinished():
                self._end(event.action, event.outcome, event.detail)
            case e.WaitFinished():
                self._end(event.wait, event.outcome, event.last_seen)
            case e.StepFinished():
                self._end(event.step, event.outcome, event.detail)
            case e.GateReached():
                name = f"gate {event.gate}: {event.verdict}"
                self._begin(name, name)
                self._end(name, "done" if event.verdict == "GO" else "failed", "")

    def _begin(self, identity: str, title: str) -> None:
        step = allure.step(wording.plain(title))
        step.__enter__()
        self._open.append((identity, step))

    def _end(self, identity: str, outcome: str, detail: str) -> None:
        if identity not in [known for known, _ in self._open]:
            return
        while self._open:
            known, step = self._open.pop()
            kind = _ENDED.get(outcome, RuntimeError) if known == identity else None
            error = None if kind is None else kind(wording.plain(detail) or outcome)
            step.__exit__(kind, error, None)
            if known == identity:
                return

    def close(self) -> None:
        """End what is open still: the rehearsal is over."""
        while self._open:
            _, step = self._open.pop()
            step.__exit__(RuntimeError, RuntimeError("it had not ended"), None)


def attach(summary: RunSummary, directory: Path) -> None:
    """Attach what a run tells of its only rehearsal: the timeline, its events, the Markdown.

    Args:
        summary: with that rehearsal alone.
        directory: of the run.

    Raises:
        OSError: the events cannot be read.
    """
    for one in summary.rehearsals:
        allure.dynamic.label("epic", one.cluster)
        allure.dynamic.label("severity", "critical" if one.kind == "production" else "normal")
        drawing = svg.timeline(one, summary.clocks(one))
        alone = drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        head, bracket, rest = alone.partition(">")
        allure.attach(f"{head}{bracket}<style>{stylesheet()}</style>{rest}", "timeline", allure.attachment_type.SVG)
        lines = [line for path in streams.streams(directory) for line in path.read_text(encoding="utf-8").splitlines()]
        mine = [line for line in lines if f'"rehearsal": "{one.id}"' in line]
        allure.attach("\n".join(mine), "events", allure.attachment_type.JSON, "jsonl")
        allure.attach(markdown.render(summary), "report", allure.attachment_type.TEXT, "md")
