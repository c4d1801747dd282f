# SPDX-License-Identifier: MIT
"""The words for how a disturbance went: flaps, slow time, the ramp back, two actives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pytest_harehearse.history.summary import DualSummary, RehearsalSummary, ServiceSummary
from pytest_harehearse.report import wording
from pytest_harehearse.units import show

#: From the wire up, as one looks for a cause.
LAYERS: Final = ("network", "transport", "name", "database", "application")


def by_layer(services: Iterable[ServiceSummary]) -> list[ServiceSummary]:
    """Return services from the lowest layer to the highest; within one, as they were given."""
    return sorted(services, key=lambda s: LAYERS.index(s.layer) if s.layer in LAYERS else len(LAYERS))


def how(service: ServiceSummary) -> str:
    """Return how a service was asked: ``postgresql write, held session, every 50 ms``."""
    session = ", held session" if service.session == "held" else ""
    return f"{wording.plain(service.probe)} {service.mode}{session}, every {show(service.every)}"


def notes(service: ServiceSummary) -> list[str]:
    """Return what is to be said of a soundly measured service beside its bounds, a sentence each."""
    if not service.valid:
        return []
    found = []
    course = service.disturbance
    if course is not None and course.count > 1:
        longest = f"at least {wording.amount(course.longest_lower)}"
        if course.longest_upper is not None:
            longest = f"at most {wording.amount(course.longest_upper)}"
        found.append(
            f"flapped {course.count} times, the longest {longest}; {course.error_ratio:.0%} of the asks in between failed"
        )
    if service.slow.attempts:
        length = wording.bounds(service.slow.lower, service.slow.upper)
        found.append(f"served, but slowly: {length} ({wording.plural(service.slow.attempts, 'answer')})")
    if service.ramp is not None:
        found += _ramp(service)
    # From where, and how surely it lies on this axis; of the runner's own the details tell.
    found += [wording.plain(note) for note in service.notes if note.startswith("asked from ")]
    return found


def _ramp(service: ServiceSummary) -> list[str]:
    ramp = service.ramp
    if ramp is None or ramp.seconds == 0:
        return []
    if ramp.seconds is None:
        return [f"not back at 95 % of its throughput {wording.amount(ramp.watched)} after the first answer"]
    return [f"back at 95 % of its throughput {wording.amount(ramp.seconds)} after the first answer"]


def lag(service: ServiceSummary) -> str:
    """Return how late the meter sent its asks; empty when that is not known."""
    if service.lag is None:
        return ""
    return f"sent {show(service.lag.p50)} late (median), {show(service.lag.p99)} at the 99th percentile"


def _pairs(dual: DualSummary) -> str:
    return ", ".join(
        dict.fromkeys(f"{wording.plain(a)} and {wording.plain(b)}" for a, b in (s.nodes for s in dual.spans))
    )


def dual(rehearsal: RehearsalSummary) -> str:
    """Return whether two nodes were active at once, as a sentence; empty when nothing was watched."""
    seen = rehearsal.dual
    if seen is None:
        return ""
    if seen.problem is not None:
        return f"Whether two nodes were active at once is unknown: {wording.plain(seen.problem)}."
    if not seen.spans:
        return "Never were two nodes active at once."
    first = min(span.start for span in seen.spans)
    return (
        f"Two nodes were active at once ({_pairs(seen)}): {wording.bounds(seen.lower, seen.upper)}, "
        f"from {wording.at(first, rehearsal.t0)} on."
    )


def dual_sign(rehearsal: RehearsalSummary) -> str:
    """Return the sign before that sentence."""
    seen = rehearsal.dual
    if seen is None or seen.problem is not None:
        return "?"
    return "✗" if seen.spans else "✓"


def skipped(rehearsal: RehearsalSummary) -> Sequence[str]:
    """Return what was not watched, a line each."""
    return [f"{wording.plain(name)} was not watched: {wording.plain(why)}" for name, why in rehearsal.skipped.items()]
