# SPDX-License-Identifier: MIT
"""What happened when on the way of a failover: from the cluster's records, the roles and the waits. Pure.

Each milestone is an instant with bounds, as wide as what told of it: an error is never narrowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pytest_harehearse import events as e
from pytest_harehearse.rehearsal.recorder import REDUNDANT

#: Words of ``managers.base.Record.what`` that are read here; "failed" is evidence only.
RECORDED: Final = ("detected", "fencing", "fenced", "stopping", "stopped", "starting", "started", "vip", "failed")
_SERVING: Final = frozenset({"primary", "active"})


@dataclass(frozen=True, slots=True)
class Instant:
    """When something happened: not before ``early``, not after ``late``, and best said as ``at`` (monotonic seconds)."""

    at: float
    early: float
    late: float


@dataclass(frozen=True, slots=True)
class Mark:
    """Something a node recorded in the stretch."""

    node: str
    what: str
    instant: Instant
    text: str = ""


@dataclass(frozen=True, slots=True)
class Milestone:
    """``instant`` None: it must have been, but its time is not known."""

    name: str
    instant: Instant | None
    node: str = ""
    text: str = ""


# -- what the cluster recorded -----------------------------------------------------------------------------------------


def marks_of(mine: Sequence[e.Event], start: float, until: float) -> tuple[Mark, ...]:
    """Return what was recorded in the stretch, as far as the errors allow it to have been, in order of time."""
    found = [
        Mark(x.node, x.what, Instant(within_stretch(x.at, start, until), x.at - x.error, x.at + x.error), x.text)
        for x in mine
        if isinstance(x, e.ClusterRecorded) and x.at + x.error >= start and x.at - x.error <= until
    ]
    return tuple(sorted(found, key=lambda m: (m.instant.at, m.instant.late, m.node, m.what, m.text)))


def within_stretch(at: float, start: float, until: float) -> float:
    """Return the instant, moved to the nearer end when it lies outside."""
    return min(max(at, start), until)


def recorded(marks: Sequence[Mark], horizon: float, *, fell: bool) -> list[Milestone]:
    """Return the milestones that records tell of; one that another record proves to have been comes without a time."""
    first: dict[str, Mark] = {}
    last: dict[str, Mark] = {}
    within = [mark for mark in marks if mark.instant.at <= horizon]
    for mark in within:
        first.setdefault(mark.what, mark)
        last[mark.what] = mark
    chosen = {
        "detected": first.get("detected"),
        "fencing": first.get("fencing"),
        "fenced": first.get("fenced"),
        "stopped": _last_stop(within, first.get("starting")),
        "started": last.get("started"),
        "vip": first.get("vip"),
    }
    if chosen["detected"] is None:
        # Whoever asks for fencing has noticed: what led to it and the decision are then one phase.
        chosen["detected"], chosen["fencing"] = chosen["fencing"], None
    if fell and chosen["stopped"] is None and not first.keys() & {"detected", "fencing", "fenced"}:
        # Nothing was lost, and its old node did not tell: what is started elsewhere has been stopped before.
        chosen["stopped"] = first.get("starting")
    found = [Milestone(name, m.instant, m.node, m.text) for name, m in chosen.items() if m is not None]
    if "fencing" in first and "fenced" not in first:
        found.append(Milestone("fenced", None, text="asked for, and its end was not recorded"))
    if "fenced" in first and chosen["detected"] is None:
        found.append(Milestone("detected", None, text="the node was fenced, and why was not recorded"))
    begun = "starting" in first and not any(mark.what in {"started", "vip"} for mark in marks)
    if begun:
        found.append(Milestone("started", None, text="begun, and its end was not recorded"))
    return found


def _last_stop(marks: Sequence[Mark], starting: Mark | None) -> Mark | None:
    """Return the last stop before the service was started elsewhere."""
    stops = [m for m in marks if m.what == "stopped" and (starting is None or m.instant.early <= starting.instant.late)]
    return stops[-1] if stops else None


# -- what the roles tell -----------------------------------------------------------------------------------------------


def _changes(mine: Sequence[e.Event], start: float, horizon: float) -> list[tuple[e.RoleSeen, str | None]]:
    """Return the changes of roles in a stretch, each with the role before."""
    before: dict[str, str] = {}
    found = []
    for x in sorted((x for x in mine if isinstance(x, e.RoleSeen)), key=lambda x: (x.t, x.node, x.role, x.after)):
        if start <= x.t and x.after <= horizon:
            found.append((x, before.get(x.node)))
        before[x.node] = x.role
    return found


def _seen(x: e.RoleSeen, start: float, horizon: float) -> Instant:
    after = min(x.after, x.t)
    return Instant(within_stretch((after + x.t) / 2, start, horizon), after, x.t)


def taken_over(mine: Sequence[e.Event], start: float, horizon: float) -> list[Milestone]:
    """Return when the roles say that another node had begun to serve."""
    for x, before in _changes(mine, start, horizon):
        if x.role in _SERVING and before is not None and before not in _SERVING:
            return [Milestone("started", _seen(x, start, horizon), x.node, f"{x.node} is {x.role}")]
    return []


def given_up(mine: Sequence[e.Event], start: float, horizon: float) -> list[Milestone]:
    """Return when the roles say that the old node had ceased to serve."""
    for x, before in _changes(mine, start, horizon):
        if before in _SERVING and x.role not in _SERVING:
            return [Milestone("stopped", _seen(x, start, horizon), x.node, f"{x.node} is {x.role or 'unknown'}")]
    return []


def redundant(mine: Sequence[e.Event], start: float, until: float) -> Milestone | None:
    """Return when redundancy was seen back; without a time when it was waited for in vain; None: nobody waited."""
    acted = max(x.t for x in mine if isinstance(x, e.ActionStarted) and start <= x.t and (x.t < until or x.t == start))
    begun = {x.wait: x for x in mine if isinstance(x, e.WaitStarted) and x.what == REDUNDANT and acted <= x.t <= until}
    if not begun:
        return None
    over = [x for x in mine if isinstance(x, e.WaitFinished) and x.wait in begun and x.outcome == "done"]
    if not over:
        return Milestone("redundant", None, text="waited for, and not seen")
    seen = min(x.t for x in over)
    # Whoever waited may have come late: it was back at some time after the last role had changed.
    early = max([start, *(x.after for x, _ in _changes(mine, start, seen) if x.t <= seen)])
    return Milestone("redundant", Instant(min(seen, until), min(early, seen), seen))
