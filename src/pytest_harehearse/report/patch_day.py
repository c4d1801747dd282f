# SPDX-License-Identifier: MIT
"""A patch day in words: what every report says of its steps, its gates, its way back, and of the two ways side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from pytest_harehearse.history.patch_day import (
    IN_PLACE,
    STANDBY_FIRST,
    GateCheck,
    GateSummary,
    PatchDaySummary,
    PatchStep,
)
from pytest_harehearse.history.summary import RehearsalSummary, RunSummary, ServiceSummary
from pytest_harehearse.report import wording
from pytest_harehearse.units import show

_SIGNS: Final = {"done": "✓", "skipped": "·", "failed": "✗"}
_VERDICTS: Final = {"GO": "✓", "NO-GO": "✗"}
_CHECKS: Final = {True: "✓", False: "✗", None: "?"}
#: A gate's verdict in the words of the page's colours.
CLASSES: Final = {"GO": "passed", "NO-GO": "failed"}


def sign(step: PatchStep) -> str:
    """Return how a step ended, as a sign."""
    return _SIGNS.get(step.outcome, "?")


def gate_sign(gate: GateSummary) -> str:
    """Return a gate's verdict as a sign."""
    return _VERDICTS.get(gate.verdict, "?")


def check_sign(check: GateCheck) -> str:
    """Return a check's verdict as a sign."""
    return _CHECKS[check.ok]


def title(day: PatchDaySummary) -> str:
    """Return what was carried out: ``Patch day, standby first: reboot``."""
    return f"Patch day, {day.way}: {day.patch}"


def took(step: PatchStep) -> str:
    """Return how long a step took."""
    if step.end is None:
        return step.outcome
    return "–" if step.outcome == "skipped" else show(step.end - step.start)


def gate_line(gate: GateSummary) -> str:
    """Return a gate in a line, with everything of its evidence that is not green."""
    text = f"gate {gate.gate}: {gate.verdict}, {wording.plural(len(gate.evidence), 'check')}"
    bad = [check for check in gate.evidence if check.ok is not True]
    if bad:
        text += "; " + "; ".join(check_text(check) for check in bad)
    if gate.way_back is not None:
        text += f"; after {show(gate.way_back)} the way back was taken"
    return text


def check_text(check: GateCheck) -> str:
    """Return a check in words."""
    where = f"{check.name} of {check.node}" if check.node else check.name
    return f"{where}: {check.detail}" if check.detail else where


def back(day: PatchDaySummary, t0: float) -> list[str]:
    """Return for how long two versions were side by side, and for how long the cheap way back existed."""
    found = []
    if day.mixed_start is not None and day.mixed_end is not None:
        since = f", and before that in run {day.resumes}" if day.resumes else ""
        found.append(f"Two versions were side by side for {show(day.mixed_end - day.mixed_start)}{since}.")
    elif day.mixed_start is not None:
        found.append(f"Two versions are side by side since {wording.at(day.mixed_start, t0)}.")
    if day.way == STANDBY_FIRST and day.mixed_start is not None:
        if day.cheap_until is None:
            found.append(f"The cheap way back still exists: {day.original} is not patched.")
        else:
            found.append(
                f"The cheap way back existed until gate B ({wording.at(day.cheap_until, t0)}): {day.original} was not patched."
            )
    elif day.way == IN_PLACE:
        found.append("There was no cheap way back: the service went down with its node.")
    return found


@dataclass(frozen=True, slots=True)
class Pair:
    """One service in both ways, on the same cluster."""

    cluster: str
    service: str
    first: str
    in_place: str
    ratio: str


def side_by_side(summary: RunSummary) -> list[Pair]:
    """Return what users felt of the same patch in both ways, where one run has both: the last of each."""
    found = []
    for runner, cluster in dict.fromkeys((one.runner, one.cluster) for one in summary.rehearsals):
        first, place = (_of(summary, runner, cluster, way) for way in (STANDBY_FIRST, IN_PLACE))
        if first is None or place is None or _patch(first) != _patch(place):
            continue
        others = _whole(place)
        for name, service in _whole(first).items():
            if name in others:
                other = others[name]
                found.append(
                    Pair(
                        cluster,
                        name,
                        _felt(service),
                        _felt(other),
                        ratio(_bounds(service), _bounds(other)),
                    )
                )
    return found


def _of(summary: RunSummary, runner: str, cluster: str, way: str) -> RehearsalSummary | None:
    """Return the last rehearsal that carried a patch day out in one way, alone and to its end."""
    fit = [
        one
        for one in summary.rehearsals
        if (one.runner, one.cluster) == (runner, cluster)
        and len(one.patch_days) == 1
        and one.patch_days[0].way == way
        and one.patch_days[0].went_through
    ]
    return fit[-1] if fit else None


def _patch(rehearsal: RehearsalSummary) -> str:
    return rehearsal.patch_days[0].patch


def _whole(rehearsal: RehearsalSummary) -> dict[str, ServiceSummary]:
    """Return each service's longest watch: a soak watches once more within it."""
    found: dict[str, ServiceSummary] = {}
    for service in rehearsal.services:
        known = found.get(service.name)
        if known is None or service.ended - service.began > known.ended - known.began:
            found[service.name] = service
    return found


def _felt(service: ServiceSummary) -> str:
    count = len(service.outages)
    return wording.service_bounds(service) + (
        f" in {wording.plural(count, 'interruption')}" if service.valid and count else ""
    )


def _bounds(service: ServiceSummary) -> tuple[float, float | None] | None:
    return (service.total_lower, service.total_upper) if service.valid else None


def ratio(first: tuple[float, float | None] | None, in_place: tuple[float, float | None] | None) -> str:
    """Return how many times longer users were without the service in place, as far as the bounds tell."""
    if first is None or in_place is None:
        return "unknown"
    low, high = first
    lower, upper = in_place
    if high is None:
        return "unknown: it was not seen for how long standby first interrupted it"
    if not high:
        return "standby first did not interrupt it" if lower else "neither interrupted it"
    least = math.floor(lower / high * 10) / 10
    if not low or upper is None:
        return f"in place at least {least:.1f} times as long"
    return f"in place {least:.1f} to {math.ceil(upper / low * 10) / 10:.1f} times as long"
