# SPDX-License-Identifier: MIT
"""What a cluster made of a fault, as one of :class:`~..faults.base.Expected`: from events and attempts. Pure.

Looked at is the stretch from the strike to the next strike, or to the end of the rehearsal. Services are judged up to the
undo; a change of roles, or fencing, counts to the end of the stretch. What cannot be told is unknown, with the reason.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pytest_harehearse import events as e
from pytest_harehearse.faults.base import Expected
from pytest_harehearse.faults.drain import Drained, InMaintenance
from pytest_harehearse.faults.restart import Restart
from pytest_harehearse.managers.state import ACTIVE, PRIMARY
from pytest_harehearse.probes.attempts import Attempt, Outcome
from pytest_harehearse.probes.interruption import Outage
from pytest_harehearse.probes.measurement import Measurement
from pytest_harehearse.units import show

#: A service that is down for so long before the undo waits for it: the cluster would have done something by then.
ANSWERED_S: Final = 10.0
#: So many times the usual answer, and at least so much later, is slower.
SLOWER, SLOWER_S = 3.0, 0.01
#: Undone at the end of a block too, and no faults.
_PLANNED: Final = frozenset({Drained.name, InMaintenance.name, Restart.name})
_SERVING: Final = frozenset({PRIMARY, ACTIVE})


@dataclass(frozen=True, slots=True)
class Watched:
    """A service of a watch."""

    service: str
    measurement: Measurement
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class Observed:
    """What was made of a fault; ``outcome`` None: unknown. ``why`` is one clause."""

    outcome: Expected | None
    why: str
    #: It is that as well: a node that is fenced is fenced, and another one serves.
    also: Expected | None = None

    def agrees(self, expected: str) -> bool | None:
        """Return whether it is what was expected; None when that is not known."""
        if self.outcome is None or not expected:
            return None
        return expected in {self.outcome, self.also}


@dataclass(frozen=True, slots=True)
class Struck:
    """One fault on the stream, from its strike to its undo."""

    started: e.ActionStarted
    #: Of strike and undo, in order.
    steps: tuple[e.ActionStep, ...]
    finished: e.ActionFinished | None
    undo: e.ActionStarted | None
    undone: e.ActionFinished | None
    #: When the next fault was struck, or the rehearsal ended.
    until: float

    def at(self, step: str) -> float | None:
        """Return when a step was done."""
        return next((one.t for one in self.steps if one.step == step), None)


def strikes(mine: Sequence[e.Event], end: float) -> tuple[Struck, ...]:
    """Return every fault of a rehearsal, in order; ``end`` is when that ended."""
    begun = [x for x in mine if isinstance(x, e.ActionStarted) and x.fault and x.fault not in _PLANNED]
    struck = [x for x in begun if x.expected]
    undos: dict[str, e.ActionStarted] = {}
    for undo in (x for x in begun if not x.expected):
        # The one struck last is undone first.
        for one in reversed(struck):
            if one.t <= undo.t and (one.fault, one.target) == (undo.fault, undo.target) and one.action not in undos:
                undos[one.action] = undo
                break
    ends = {x.action: x for x in mine if isinstance(x, e.ActionFinished)}
    found = []
    for number, one in enumerate(struck):
        taken_back = undos.get(one.action)
        ids = {one.action, *([taken_back.action] if taken_back else [])}
        steps = tuple(x for x in mine if isinstance(x, e.ActionStep) and x.action in ids)
        until = struck[number + 1].t if number + 1 < len(struck) else max(end, one.t)
        undone = None if taken_back is None else ends.get(taken_back.action)
        found.append(Struck(one, steps, ends.get(one.action), taken_back, undone, until))
    return tuple(found)


def observe(struck: Struck, mine: Sequence[e.Event], watched: Sequence[Watched]) -> Observed:
    """Return what the cluster made of one fault."""
    at = struck.at("struck")
    if at is None or struck.finished is None or struck.finished.outcome != "done":
        return Observed(None, "that it was struck and took effect is not certain")
    begin = struck.started.t
    lasting = struck.at("armed") is not None
    undo = struck.undo.t if struck.undo is not None and lasting else struck.until
    moved = _moved(mine, begin, struck.until)
    fenced = _fenced(mine, begin, struck.until)
    sound = [one for one in watched if one.measurement.valid and _asked(one, begin, undo)]
    hits = [(one, hit) for one in sound if (hit := _longest(one, begin, undo)) is not None]
    down = [(one, hit) for one, hit in hits if hit.end is None or hit.end > undo]
    answered = moved is not None and (moved[0] < undo or bool(_fenced(mine, begin, undo)))
    if down and len(down) == len(sound) and not answered:
        early = undo - begin < ANSWERED_S
        if lasting and not early:
            return Observed(Expected.STAYS_DOWN, f"{_names(down)} was not served from the strike to the undo")
        if lasting and not moved and not fenced:
            after = show(undo - begin)
            return Observed(None, f"it was undone {after} after the strike, before the cluster had answered it")
        if not lasting and not moved:
            return Observed(None, f"{_names(down)} was not seen to be served again")
    worst = max(hits, key=lambda pair: (pair[1].upper is None, pair[1].upper or pair[1].lower), default=None)
    felt = "" if worst is None else f"; {worst[0].service} was down for {_length(worst[1])}"
    if fenced:
        return Observed(Expected.FENCED, f"{fenced}{_who(moved, begin)}{felt}", Expected.ON_PEER if moved else None)
    if moved:
        return Observed(Expected.ON_PEER, f"{_who(moved, begin).removeprefix('; ')}{felt}")
    return _in_its_place(struck, mine, sound, hits, undo, felt)


def _in_its_place(
    struck: Struck, mine: Sequence[e.Event], sound: Sequence[Watched], hits: Sequence[tuple[Watched, Outage]], undo: float,
    felt: str,
) -> Observed:  # fmt: skip
    """Return what was made of a fault after which no other node served."""
    begin = struck.started.t
    if not sound:
        return Observed(None, "no service was soundly watched while it was struck")
    refused = _refused(mine, begin, struck.until)
    if refused and not hits:
        return Observed(Expected.REFUSES, refused)
    down = [one for one, hit in hits if hit.end is None or hit.end > undo]
    if down:
        served = [one.service for one in sound if one.service not in {other.service for other in down}]
        return Observed(Expected.DEGRADED, f"{', '.join(served) or 'another'} was served, {_names(hits)} was not")
    flapping = next((one for one, _ in hits if len(_within(one, begin, undo)) > 1), None)
    if flapping is not None:
        count = len(_within(flapping, begin, undo))
        return Observed(Expected.DEGRADED, f"{flapping.service} was down {count} times, and served between")
    if hits:
        return Observed(Expected.IN_PLACE, f"no other node took over{felt}")
    for one in sound:
        slower = _slower(one, begin, undo)
        if slower:
            return Observed(Expected.DEGRADED, slower)
    return Observed(Expected.NO_EFFECT, f"no other node took over; {_all(sound)} not interrupted")


# -- what was seen -----------------------------------------------------------------------------------------------------


def _moved(mine: Sequence[e.Event], begin: float, until: float) -> tuple[float, str, str] | None:
    """Return when another node than before was first seen to serve, which one, and as what."""
    held: dict[str, str] = {}
    serving: str | None = None
    for x in sorted((x for x in mine if isinstance(x, e.RoleSeen)), key=lambda x: x.t):
        if x.t > until:
            break
        if x.t >= begin and x.role in _SERVING and x.node != serving and held.get(x.node) not in {None, *_SERVING}:
            return x.t, x.node, x.role
        held[x.node] = x.role
        if x.t < begin:
            serving = next((node for node, role in held.items() if role in _SERVING), serving)
    return None


def _fenced(mine: Sequence[e.Event], begin: float, until: float) -> str:
    found = [
        x
        for x in mine
        if isinstance(x, e.ClusterRecorded)
        and x.what == "fenced"
        and x.at + x.error >= begin
        and x.at - x.error <= until
    ]
    return "" if not found else f"{found[0].text or 'a node'} was recorded"


def _refused(mine: Sequence[e.Event], begin: float, until: float) -> str:
    """Return what the cluster said no to meanwhile; empty: to nothing."""
    asked = {x.action: x for x in mine if isinstance(x, e.ActionStarted) and x.name in {"switchover", "fence"}}
    for x in mine:
        if isinstance(x, e.ActionFinished) and x.action in asked and begin <= x.t <= until and x.outcome == "failed":
            action = asked[x.action]
            return f"the {action.name} {action.target} did not come about, and nothing changed"
    return ""


def _asked(one: Watched, begin: float, undo: float) -> bool:
    """Return whether a service was asked before the strike and up to the undo."""
    sent = [a.sent for a in one.attempts]
    return bool(sent) and min(sent) <= begin and max(sent) >= min(undo, begin + 0.1)


def _within(one: Watched, begin: float, undo: float) -> list[Outage]:
    return [o for o in one.measurement.outages if o.start < undo and (o.end is None or o.end > begin)]


def _longest(one: Watched, begin: float, undo: float) -> Outage | None:
    return max(_within(one, begin, undo), key=lambda o: (o.upper is None, o.upper or o.lower), default=None)


def _slower(one: Watched, begin: float, undo: float) -> str:
    """Return how much slower a service was while it was struck; empty when it was not."""
    meanwhile = [a for a in one.attempts if begin <= a.sent <= undo]
    slow = sum(a.outcome is Outcome.SLOW for a in meanwhile)
    if slow:
        return f"{one.service} was served, {slow} of {len(meanwhile)} answers slowly"
    before = [a.done - a.sent for a in one.attempts if a.outcome.up and a.sent < begin]
    during = [a.done - a.sent for a in meanwhile if a.outcome.up]
    if not before or not during:
        return ""
    usual, then = statistics.median(before), statistics.median(during)
    if then < usual * SLOWER or then < usual + SLOWER_S:
        return ""
    return f"{one.service} answered in {show(then)} instead of {show(usual)}"


# -- words -------------------------------------------------------------------------------------------------------------


def _who(moved: tuple[float, str, str] | None, begin: float) -> str:
    return "" if moved is None else f"; {moved[1]} was {moved[2]} {show(moved[0] - begin)} after the strike"


def _names(hits: Sequence[tuple[Watched, Outage]]) -> str:
    return ", ".join(one.service for one, _ in hits)


def _all(sound: Sequence[Watched]) -> str:
    names = ", ".join(dict.fromkeys(one.service for one in sound))
    return f"{names} {'was' if len(sound) == 1 else 'were'}"


def _length(outage: Outage) -> str:
    return f"at least {show(outage.lower)}" if outage.upper is None else f"at most {show(outage.upper)}"
