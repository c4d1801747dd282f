# SPDX-License-Identifier: MIT
"""A patch day out of a rehearsal's events: its steps, its gates with their evidence, and how long the cheap way back existed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_harehearse.events import Event, GateReached, PlaybookFixed, StepFinished, StepStarted
from pytest_harehearse.rehearsal.patching.stepping import DECIDES

STANDBY_FIRST, IN_PLACE, IN_ORDER = "standby first", "in place", "in an order of its own"


@dataclass(frozen=True, slots=True)
class PatchStep:
    """One step; ``end`` None: the run was killed meanwhile."""

    name: str
    title: str
    node: str
    start: float
    end: float | None
    #: done, failed, unknown or skipped (done in the run that this one goes on with); unfinished without an end.
    outcome: str
    detail: str = ""
    command: str = ""
    way_back: str = ""


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One line of a gate's evidence: True green, False red, None not known."""

    name: str
    node: str
    ok: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class GateSummary:
    """One go or no-go: ``verdict`` is GO, NO-GO or UNKNOWN."""

    gate: str
    verdict: str
    at: float
    evidence: tuple[GateCheck, ...] = ()
    #: Seconds from the verdict until the way back was taken; None: it was not, or the run was killed meanwhile.
    way_back: float | None = None


@dataclass(frozen=True, slots=True)
class PatchDaySummary:
    """One workflow of a rehearsal."""

    way: str
    patch: str
    fingerprint: str
    original: str
    #: The run that this one goes on with; empty: none.
    resumes: str
    steps: tuple[PatchStep, ...]
    gates: tuple[GateSummary, ...]
    start: float
    end: float
    #: From the first patch until every node had it and was looked at; None: nothing was patched.
    mixed_start: float | None = None
    #: None: two versions are side by side still.
    mixed_end: float | None = None
    #: When the original was patched too, and with it the cheap way back was gone; None: it still exists.
    cheap_until: float | None = None
    #: What the fingerprint is made of, as in ``rehearsal.patching.playbook.PARTS``.
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def went_through(self) -> bool:
        """Whether every step ended well."""
        return bool(self.steps) and all(step.outcome in {"done", "skipped"} for step in self.steps)


def patch_days(events: Sequence[Event], end: float) -> tuple[PatchDaySummary, ...]:
    """Return the workflows of one rehearsal. Pure; any prefix of the events gives a summary.

    Args:
        events: those of the rehearsal, in their order.
        end: when it ended, or when its run was last heard of.
    """
    starts = [number for number, event in enumerate(events) if isinstance(event, PlaybookFixed)]
    found = []
    for number, first in enumerate(starts):
        until = starts[number + 1] if number + 1 < len(starts) else len(events)
        book = events[first]
        if isinstance(book, PlaybookFixed):
            last = events[until].t if until < len(events) else end
            found.append(_one(book, events[first + 1 : until], last))
    return tuple(found)


def _one(book: PlaybookFixed, events: Sequence[Event], last: float) -> PatchDaySummary:
    ended = {event.step: event for event in events if isinstance(event, StepFinished)}
    steps = tuple(_step(event, ended.get(event.step)) for event in events if isinstance(event, StepStarted))
    gates = tuple(_gate(event, steps) for event in events if isinstance(event, GateReached))
    names = [one.get("name", "") for one in book.steps]
    way = IN_PLACE if "maintenance_on" in names else STANDBY_FIRST if "soak" in names else IN_ORDER
    patched = [step for step in steps if step.name == "patch" and step.outcome != "skipped"]
    begun = min((step.start for step in patched), default=None)
    meant = {one.get("node", "") for one in book.steps if one.get("name") == "patch"}
    done = {step.node for step in steps if step.name == "patch" and step.outcome in {"done", "skipped"}}
    looked = [step.end for step in steps if step.name == "validate" and step.outcome == "done" and step.end is not None]
    original = next((step.start for step in patched if step.node == book.original), None)
    return PatchDaySummary(
        way, book.patch, book.fingerprint, book.original, book.resumes, steps, gates,
        start=book.t, end=max((step.end or last for step in steps), default=book.t),
        mixed_start=None if len(meant) < 2 else begun,
        mixed_end=max(looked, default=None) if meant and meant == done and begun is not None else None,
        cheap_until=original if way == STANDBY_FIRST else None,
        parts=dict(book.parts),
    )  # fmt: skip


def _step(begun: StepStarted, ended: StepFinished | None) -> PatchStep:
    return PatchStep(
        begun.name, begun.title, begun.node, begun.t, None if ended is None else ended.t,
        "unfinished" if ended is None else ended.outcome, "" if ended is None else ended.detail, begun.command,
        begun.way_back,
    )  # fmt: skip


def _gate(reached: GateReached, steps: Sequence[PatchStep]) -> GateSummary:
    evidence = tuple(_check(row) for row in reached.evidence)
    step = next((one for one in steps if one.name == "gate" and one.start <= reached.t <= (one.end or reached.t)), None)
    # Whoever stops there takes none.
    stopped = any(check.name == DECIDES and check.ok is None for check in evidence)
    red = reached.verdict != "GO" and not stopped
    back = step.end - reached.t if red and step is not None and step.end is not None else None
    return GateSummary(reached.gate, reached.verdict, reached.t, evidence, back)


def _check(row: dict[str, Any]) -> GateCheck:
    ok = row.get("ok")
    return GateCheck(
        str(row.get("name", "")),
        str(row.get("node", "")),
        ok if isinstance(ok, bool) else None,
        str(row.get("detail", "")),
    )
