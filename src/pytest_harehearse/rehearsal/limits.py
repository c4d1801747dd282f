# SPDX-License-Identifier: MIT
"""Judge what was measured against the limits. Pure; the same for the test's verdict and for a report made later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_harehearse.errors import LimitExceeded, NotMeasured
from pytest_harehearse.probes.measurement import Measurement
from pytest_harehearse.rehearsal.verdict import LimitSummary, Verdict, worst
from pytest_harehearse.units import show


@dataclass(frozen=True, slots=True)
class Measured:
    """One service of one watch: its measurement, its own budget, and the writes lost (None: not audited)."""

    service: str
    measurement: Measurement
    budget: float | None = None
    lost: int | None = None
    audit_problem: str | None = None


@dataclass(frozen=True, slots=True)
class Redundancy:
    """Seconds from the first action until every node was back; None: not seen."""

    took: float | None
    waited: float


@dataclass(frozen=True, slots=True)
class DualSeen:
    """Seconds for which two nodes were active at once; ``problem``: why that is not known."""

    lower: float = 0.0
    upper: float = 0.0
    problem: str | None = None


def judge(
    limits: Mapping[str, float],
    measured: Sequence[Measured],
    redundancy: Redundancy | None,
    dual: DualSeen | None = None,
    *,
    writes: bool = True,
) -> tuple[LimitSummary, ...]:
    """Return each limit beside its measurement.

    Args:
        limits: of the mark: ``lost_writes`` as a count, all others in seconds.
        measured: every service of every watch.
        redundancy: when it was back; None when nobody looked.
        dual: how long two nodes were active at once; None when nothing was watched.
        writes: whether the cluster has a service that is written to; without any, nothing written can be lost.
    """
    found: list[LimitSummary] = []
    general = limits.get("interruption")
    for one in measured:
        limit = general if general is not None else one.budget
        if limit is not None:
            found.append(interruption(one, limit))
    if general is not None and not measured:
        found.append(_nothing("interruption", general, "s", "no service was watched, so it is not known"))
    if "lost_writes" in limits:
        found.append(_lost(limits["lost_writes"], measured, writes=writes))
    if "redundancy" in limits:
        found.append(_redundancy(limits["redundancy"], redundancy))
    if "dual_active" in limits:
        found.append(_dual(limits["dual_active"], dual))
    return tuple(found)


def _nothing(name: str, limit: float, unit: str, why: str) -> LimitSummary:
    return LimitSummary(name, limit, None, None, unit, Verdict.UNKNOWN, why)


def interruption(one: Measured, limit: float) -> LimitSummary:
    """Judge one service by the upper bound: passed only when even that is within the limit."""
    name = f"interruption of {one.service}"
    seen = one.measurement
    if not seen.valid:
        return _nothing(name, limit, "s", seen.reason or "not soundly measured")
    lower, upper = seen.total_lower, seen.total_upper
    count = len(seen.outages)
    asked = f"{count} interruption{'' if count == 1 else 's'} in {seen.attempts} attempts"
    if upper is None:
        why = f"{asked}; its beginning or end was not seen, so it was at least {show(lower)}"
        verdict = Verdict.FAILED
    elif upper <= limit:
        why, verdict = asked, Verdict.PASSED
    else:
        sure = "even the lower bound is over it" if lower > limit else "only the lower bound is within it"
        why, verdict = f"{asked}; {show(upper - limit)} over the limit, {sure}", Verdict.FAILED
    return LimitSummary(name, limit, lower, upper, "s", verdict, why)


def _lost(limit: float, measured: Sequence[Measured], *, writes: bool) -> LimitSummary:
    name = "acknowledged writes lost"
    if not writes:
        why = "no service of this cluster is written to, so none could be lost"
        return LimitSummary(name, limit, 0.0, 0.0, "writes", Verdict.PASSED, why)
    problems = [one.audit_problem for one in measured if one.audit_problem]
    counted = [one.lost for one in measured if one.lost is not None and not one.audit_problem]
    if problems:
        return _nothing(name, limit, "writes", f"the writes could not be looked up: {problems[0]}")
    if not counted:
        return _nothing(name, limit, "writes", "no service that writes was watched, so it is not known")
    lost = float(sum(counted))
    verdict = Verdict.PASSED if lost <= limit else Verdict.FAILED
    return LimitSummary(name, limit, lost, lost, "writes", verdict, "every numbered write was looked up afterwards")


def _redundancy(limit: float, seen: Redundancy | None) -> LimitSummary:
    name = "redundancy back"
    if seen is None:
        return _nothing(name, limit, "s", "nothing was done to the cluster, or nobody looked afterwards")
    if seen.took is None:
        verdict = Verdict.FAILED if seen.waited >= limit else Verdict.UNKNOWN
        return LimitSummary(name, limit, seen.waited, None, "s", verdict, f"not yet after {show(seen.waited)}")
    verdict = Verdict.PASSED if seen.took <= limit else Verdict.FAILED
    return LimitSummary(
        name, limit, None, seen.took, "s", verdict, "from the first action until every node was in sync"
    )


def _dual(limit: float, seen: DualSeen | None) -> LimitSummary:
    name = "two nodes active at once"
    if seen is None or seen.problem is not None:
        return _nothing(name, limit, "s", seen.problem if seen and seen.problem else "no service was watched")
    verdict = Verdict.PASSED if seen.upper <= limit else Verdict.FAILED
    why = "each node was asked directly, and never did two say yes" if not seen.upper else "by the nodes' own word"
    return LimitSummary(name, limit, seen.lower, seen.upper, "s", verdict, why)


def raise_for(found: tuple[LimitSummary, ...], others: Sequence[tuple[Verdict, str]] = ()) -> None:
    """Raise for the worst of the limits, naming every one that did not pass.

    Args:
        found: the limits.
        others: what else was judged, each told in a sentence.

    Raises:
        LimitExceeded: at least one failed.
        NotMeasured: none failed, but at least one is unknown.
    """
    judged: list[tuple[Verdict, LimitSummary | str]] = [*((one.verdict, one) for one in found), *others]
    bad = [(seen, one) for seen, one in judged if seen is not Verdict.PASSED]
    if not bad:
        return
    verdict = worst([seen for seen, _ in bad])
    text = ";\n".join(one if isinstance(one, str) else describe(one) for _, one in bad)
    failed = [one for seen, one in bad if seen is Verdict.FAILED]
    names = [one.partition(":")[0] if isinstance(one, str) else one.name for one in failed]
    raise LimitExceeded(text, names) if verdict is Verdict.FAILED else NotMeasured(text)


def describe(one: LimitSummary) -> str:
    """Return a limit that did not pass as a sentence."""
    limit = show(one.limit) if one.unit == "s" else f"{one.limit:.0f}"
    if one.verdict is Verdict.UNKNOWN:
        return f"{one.name}: unknown (limit {limit}), because {one.evidence}"
    if one.unit != "s":
        return f"{one.name}: {one.upper:.0f}, over the limit of {limit}; {one.evidence}"
    if one.upper is None:
        return f"{one.name}: at least {show(one.lower)}, limit {limit}; {one.evidence}"
    least = "" if one.lower is None else f" (at least {show(one.lower)})"
    return f"{one.name}: {show(one.upper)}{least}, limit {limit}; {one.evidence}"
