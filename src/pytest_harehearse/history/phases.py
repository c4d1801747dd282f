# SPDX-License-Identifier: MIT
"""Where the seconds of an interruption went: from what was recorded and measured to ordered phases. Pure.

What was done to the cluster opens a stretch that lasts until the next thing done. In it, milestones follow each other:
the service falls, the loss is detected, the node is fenced, the service is stopped, started, its address announced, the
first answer comes, redundancy is back. A phase runs from one milestone to the next and is named by the one it ends in,
so that together they are what passed, no more and no less. Those between fall and first answer happen in any order, so
time orders them; what was recorded after the first answer did not keep users waiting, and is evidence only.

Every milestone is an instant with bounds, as wide as what told of it: an error is never narrowed. One that must have
been, for others tell of it, but has no time, ends a phase without a length and begins the next without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_harehearse import events as e
from pytest_harehearse.history.milestones import Instant as Instant
from pytest_harehearse.history.milestones import Mark as Mark
from pytest_harehearse.history.milestones import (
    Milestone,
    given_up,
    marks_of,
    recorded,
    redundant,
    taken_over,
    within_stretch,
)
from pytest_harehearse.probes.interruption import Outage

#: What ends a phase → the phase. Their order decides between milestones of one instant, and places what has no time.
PHASES: Final = {
    "down": "served",
    "detected": "detect",
    "fencing": "decide",
    "fenced": "fence",
    "stopped": "stop",
    "started": "start",
    "vip": "vip",
    "answer": "answer",
    "redundant": "redundancy",
}
_RANK: Final = {name: rank for rank, name in enumerate(PHASES)}
#: Actions that take something back, and so interrupt nobody: by their first word, or by their name.
_UNDO: Final = frozenset({"undo", "undrain", "start", "maintenance off"})


@dataclass(frozen=True, slots=True)
class Phase:
    """What passed between two milestones; one that has no time is None, and then the phase has no length."""

    name: str
    begin: Instant | None
    end: Instant | None
    #: Which node and what it recorded at the end; empty where nobody recorded anything.
    node: str = ""
    text: str = ""

    @property
    def length(self) -> float | None:
        """The best single number, in seconds."""
        return None if self.begin is None or self.end is None else self.end.at - self.begin.at

    @property
    def lower(self) -> float | None:
        """At least so long."""
        return None if self.begin is None or self.end is None else max(0.0, self.end.early - self.begin.late)

    @property
    def upper(self) -> float | None:
        """At most so long."""
        return None if self.begin is None or self.end is None else self.end.late - self.begin.early


@dataclass(frozen=True, slots=True)
class Answer:
    """The first answer of a service after its interruption; None: it was not seen."""

    service: str
    instant: Instant | None


@dataclass(frozen=True, slots=True)
class Attribution:
    """What followed one thing that was done."""

    #: What was done, as "fault power_off web1", and when.
    label: str
    start: float
    phases: tuple[Phase, ...]
    #: The service whose interruption is told, with its bounds; None: none was interrupted, or none soundly measured.
    service: str | None = None
    lower: float | None = None
    upper: float | None = None
    answers: tuple[Answer, ...] = ()
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Felt:
    """A soundly measured service, its interruptions, and when the watch ended."""

    service: str
    outages: tuple[Outage, ...]
    ended: float


def attributions(mine: Sequence[e.Event], felt: Sequence[Felt], end: float) -> tuple[Attribution, ...]:
    """Return what followed each thing that was done in a rehearsal, in order; what nothing followed is left out.

    Args:
        mine: the rehearsal's events.
        felt: its soundly measured services.
        end: when it ended.
    """
    done = sorted(
        (x for x in mine if isinstance(x, e.ActionStarted) and not {_kind(x), x.name} & _UNDO),
        key=lambda x: (x.t, x.action, x.name),
    )
    if not done:
        return ()
    ends = [*(x.t for x in done[1:]), max(end, done[-1].t)]
    found = (_attribute(x, until, mine, felt) for x, until in zip(done, ends, strict=True))
    return tuple(one for one in found if one.phases)


def _kind(action: e.ActionStarted) -> str:
    return action.name.partition(" ")[0]


def _attribute(action: e.ActionStarted, until: float, mine: Sequence[e.Event], felt: Sequence[Felt]) -> Attribution:
    start = action.t
    marks = marks_of(mine, start, until)
    hits = [(one, hit) for one in felt if (hit := _longest(one.outages, start, until)) is not None]
    worst, outage = max(hits, key=lambda hit: _weight(hit[1]), default=(None, None))
    answer = _answer(outage) if outage else None
    back = redundant(mine, start, until)
    horizon = until
    if answer is not None:
        horizon = answer.late
    elif outage is None and back is not None and back.instant is not None:
        horizon = back.instant.late
    found = recorded(marks, horizon, fell=outage is not None)
    if not any(milestone.name in {"started", "vip"} for milestone in found):
        found += taken_over(mine, start, horizon)
    if _kind(action) == "switchover" and not any(milestone.name == "stopped" for milestone in found):
        found += given_up(mine, start, horizon)
    begin = Instant(start, start, start)
    down = _down(worst, outage, start, until) if worst and outage else None
    if down is not None and down.early <= start:
        # It fell at once, as far as can be told: then its fall is where the phases begin.
        begin = Instant(start, down.early, max(start, down.late))
    elif down is not None:
        found.append(Milestone("down", down))
    tail = [Milestone("answer", answer, text=_beside(marks, answer))] if outage is not None else []
    tail += [back] if back is not None else []
    return Attribution(
        label=f"{action.name} {action.target}".strip(),
        start=start,
        phases=_chain(begin, found, tail, until),
        service=worst.service if worst else None,
        lower=outage.lower if outage else None,
        upper=outage.upper if outage else None,
        answers=tuple(Answer(one.service, _answer(hit)) for one, hit in hits),
        marks=marks,
    )


# -- what the services felt --------------------------------------------------------------------------------------------


def _weight(outage: Outage) -> tuple[bool, float]:
    return outage.upper is None, outage.upper or outage.lower


def _longest(outages: Iterable[Outage], start: float, until: float) -> Outage | None:
    """Return the interruption that weighs most of those in the stretch."""
    within = [o for o in outages if o.start < until and (o.end is None or o.end > start)]
    return max(within, key=_weight, default=None)


def _down(felt: Felt, outage: Outage, start: float, until: float) -> Instant | None:
    """Return when the service fell: after its last success was sent, and before its first failure was back.

    The lower bound runs from that failure's end to the last one's sending, which was before the interruption's end.
    """
    if outage.open_start:
        return None
    late = max(outage.start, (felt.ended if outage.end is None else outage.end) - outage.lower)
    # What the two bounds differ by is shared by both ends: each lies in the middle of its half.
    share = (late - outage.start) / (2 if outage.end is None else 4)
    return Instant(within_stretch(outage.start + share, start, until), outage.start, late)


def _answer(outage: Outage) -> Instant | None:
    """Return when it was served again: after its last failure was sent, and before the first success was there."""
    if outage.end is None:
        return None
    early = min(outage.end, outage.start + outage.lower)
    return Instant(outage.end - (outage.end - early) / (2 if outage.open_start else 4), early, outage.end)


def _beside(marks: Sequence[Mark], answer: Instant | None) -> str:
    """Return what is to be said of the first answer."""
    if answer is None:
        return "not seen"
    begun = any(mark.what == "starting" and mark.instant.at <= answer.late for mark in marks)
    late = next((mark for mark in marks if mark.what == "started" and mark.instant.at > answer.late), None)
    return f"before the {late.text} was recorded as done" if begun and late is not None and late.text else ""


# -- together ----------------------------------------------------------------------------------------------------------


def _chain(begin: Instant, found: Sequence[Milestone], tail: Sequence[Milestone], until: float) -> tuple[Phase, ...]:
    """Return the phases between milestones, ordered by time; those without a time stand where they belong."""
    timed = [(m.instant.at, _RANK[m.name], m) for m in found if m.instant is not None]
    ordered = [m for _, _, m in sorted(timed, key=lambda item: item[:2])]
    for milestone in sorted((m for m in found if m.instant is None), key=lambda m: _RANK[m.name]):
        place = next((i for i, m in enumerate(ordered) if _RANK[m.name] > _RANK[milestone.name]), len(ordered))
        ordered.insert(place, milestone)
    phases: list[Phase] = []
    last: Instant | None = begin
    reached = begin.at
    for milestone in [*ordered, *tail]:
        instant = milestone.instant
        if instant is not None:
            reached = max(reached, min(instant.at, until))
            instant = Instant(reached, min(instant.early, reached), max(instant.late, reached))
        phases.append(Phase(PHASES[milestone.name], last, instant, milestone.node, milestone.text))
        last = instant
    return tuple(phases)
