# SPDX-License-Identifier: MIT
"""One rehearsal out of a run's events and attempts."""

from __future__ import annotations

import contextlib
import re
import shlex
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_harehearse import events as e
from pytest_harehearse.history.fault_course import faults
from pytest_harehearse.history.patch_day import patch_days
from pytest_harehearse.history.phases import Felt, attributions
from pytest_harehearse.history.summary import (
    ClockSummary,
    ClusterSummary,
    DualSummary,
    InvariantSummary,
    LatencyBucket,
    RehearsalSummary,
    RoleSpan,
    ServiceSummary,
    ShrunkSummary,
    Span,
    Verdict,
)
from pytest_harehearse.probes.attempts import Attempt, read_attempts
from pytest_harehearse.probes.audit import Audit
from pytest_harehearse.probes.dual import Dual, DualActive, dual_limitation, found_dual
from pytest_harehearse.probes.measurement import Measurement, measure_file
from pytest_harehearse.rehearsal import invariants
from pytest_harehearse.rehearsal.limits import DualSeen, Measured, Redundancy, judge
from pytest_harehearse.rehearsal.outcome import Watched
from pytest_harehearse.rehearsal.recorder import REDUNDANT

#: Buckets of a latency line; enough to draw, few enough for a page.
BUCKETS = 240
#: How a test with a fault plan by chance ends: another week draws another plan.
_BY_CHANCE = re.compile(r"-plan\d+\]$")


def build_rehearsal(
    started: e.RehearsalStarted,
    stream: Sequence[e.Event],
    directory: Path,
    cluster: ClusterSummary | None,
    last: float,
    options: list[str],
    problems: list[str],
) -> RehearsalSummary:
    """Return the rehearsal that ``started`` began; what cannot be read is added to ``problems``."""
    mine = [x for x in stream if getattr(x, "rehearsal", None) == started.rehearsal]
    finished = next((x for x in mine if isinstance(x, e.RehearsalFinished)), None)
    end = finished.t if finished else last
    pairs = [
        pair
        for meter in mine
        if isinstance(meter, e.MeterStarted)
        for described in meter.services
        if (pair := _service(described, meter, mine, directory, problems)) is not None
    ]
    services = tuple(service for service, _, _ in pairs)
    dual = _dual(mine, directory, problems)
    measured = [_measured(service, watched.measurement, budget) for service, watched, budget in pairs]
    seen = DualSeen(dual.lower, dual.upper, dual.problem) if dual else None
    writes = cluster is None or cluster.writes
    limits = judge(started.limits, measured, _redundancy(mine, end), seen, writes=writes)
    verdict, reason = _verdict(finished)
    name = started.nodeid.rpartition("::")[2] or started.nodeid
    return RehearsalSummary(
        id=started.rehearsal,
        nodeid=started.nodeid,
        name=name,
        title=started.title,
        cluster=started.cluster,
        kind=cluster.kind if cluster else started.kind or "unknown",
        verdict=verdict,
        reason=reason,
        start=started.t,
        end=end,
        limits=limits,
        services=services,
        actions=_spans(mine),
        roles=_roles(mine, end),
        notes=tuple(x.text for x in mine if isinstance(x, e.Noted)),
        again=shlex.join(
            ["pytest", started.nodeid, "--harehearse-cluster", started.cluster, *_turn(started), *options]
        ),
        dual=dual,
        skipped={name: why for x in mine if isinstance(x, e.MeterStarted) for name, why in x.skipped.items()},
        phases=attributions(mine, [Felt(s.name, s.outages, s.ended) for s in services if s.valid], end),
        clocks=_clocks(mine),
        faults=faults(mine, [watched for _, watched, _ in pairs], end),
        invariants=_invariants(started, mine, measured, seen),
        patch_days=patch_days(mine, end),
        stopped=next((x.reason for x in mine if isinstance(x, e.RehearsalStopped)), None),
        repeat=started.repeat,
        repeats=started.repeats,
        shrunk=_shrunk(mine),
    )


def _shrunk(mine: Sequence[e.Event]) -> ShrunkSummary | None:
    """Return what making its plan smaller came to; None: that was not done."""
    begun = next((x for x in mine if isinstance(x, e.ShrinkStarted)), None)
    if begun is None:
        return None
    x = next((x for x in mine if isinstance(x, e.ShrinkFinished)), None)
    if x is None:
        return ShrunkSummary(begun.strikes, begun.strikes, 0, 0, 0, 0, "the run ended meanwhile", "")
    return ShrunkSummary(begun.strikes, x.strikes, x.alike, x.otherwise, x.passed, x.unknown, x.why, x.test)


def _turn(started: e.RehearsalStarted) -> list[str]:
    """Return the options that make the same repeat at the same phase, and draw the same fault plan."""
    if started.repeats:
        return ["--harehearse-repeat", str(started.repeats), "--harehearse-seed", started.seed]
    return ["--harehearse-seed", started.seed] if started.seed and _BY_CHANCE.search(started.nodeid) else []


def _invariants(
    started: e.RehearsalStarted, mine: Sequence[e.Event], measured: Sequence[Measured], dual: DualSeen | None
) -> tuple[InvariantSummary, ...]:
    """Return what was judged besides the limits: whether two nodes were active, only where they were asked."""
    asked = any(x.claims for x in mine if isinstance(x, e.MeterStarted))
    looked = [x for x in mine if isinstance(x, e.InvariantLooked)]
    return invariants.judge(started.limits, measured, dual if asked else None, looked)


def _clocks(mine: Sequence[e.Event]) -> tuple[ClockSummary, ...]:
    """Return each node's clock as it was measured last."""
    found = {x.node: ClockSummary(x.node, x.offset, x.error) for x in mine if isinstance(x, e.ClockMeasured)}
    return tuple(found[node] for node in sorted(found))


def _verdict(finished: e.RehearsalFinished | None) -> tuple[Verdict, str | None]:
    if finished is None:
        return Verdict.UNFINISHED, "the run ended before this rehearsal did (killed, or the machine went down)"
    return Verdict(finished.outcome), finished.reason


def _measured(service: ServiceSummary, measurement: Measurement, budget: float | None) -> Measured:
    writes = service.writes
    return Measured(
        service.name, measurement, budget,
        lost=len(writes.lost) if writes else None,
        audit_problem=writes.problem if writes else None,
    )  # fmt: skip


def _service(
    described: dict[str, Any], meter: e.MeterStarted, mine: Sequence[e.Event], directory: Path, problems: list[str]
) -> tuple[ServiceSummary, Watched, float | None] | None:
    path = directory / described["file"]
    try:
        file = read_attempts(path)
    except (OSError, ValueError) as error:
        problems.append(f"{described['name']} of {meter.rehearsal} could not be read: {error}")
        return None
    every = float(described["every"])
    measurement = measure_file(file)
    began = min((a.due for a in file.attempts), default=meter.t)
    ended = file.ended if file.ended is not None else began
    audits = [x for x in mine if isinstance(x, e.WritesAudited) and x.service == described["name"] and x.t > meter.t]
    # Runs of earlier versions do not say of which watch an audit is.
    audit = next((x for x in audits if x.file in {"", described["file"]}), None)
    summary = ServiceSummary(
        name=described["name"],
        probe=described["probe"],
        mode=described["mode"],
        target=described["target"],
        every=every,
        timeout=float(described["timeout"]),
        began=began,
        ended=ended,
        attempts=measurement.attempts,
        not_sent=measurement.not_sent,
        valid=measurement.valid,
        reason=measurement.reason,
        outages=measurement.outages,
        total_lower=measurement.total_lower,
        total_upper=measurement.total_upper,
        errors=measurement.errors,
        latency=latency(file.attempts, began, ended),
        file=described["file"],
        writes=_writes(audit, described["mode"]),
        session=described.get("session", "new"),
        layer=described.get("layer", ""),
        vantage=str(file.header.get("vantage", "")),
        slow=measurement.slow,
        disturbance=measurement.disturbance,
        ramp=measurement.ramp,
        lag=measurement.lag,
        unknown=measurement.unknown,
        notes=file.notes,
    )
    return summary, Watched(described["name"], measurement, file.attempts), described.get("interruption")


def _dual(mine: Sequence[e.Event], directory: Path, problems: list[str]) -> DualSummary | None:
    """Return whether two nodes were active at once in any watch of the rehearsal."""
    lower, found = 0.0, [x for x in mine if isinstance(x, e.MeterStarted)]
    spans: list[Dual] = []
    for meter in found:
        try:
            claims = {node: read_attempts(directory / file) for node, file in meter.claims.items()}
        except (OSError, ValueError) as error:
            problems.append(f"whether two nodes of {meter.rehearsal} were active at once could not be read: {error}")
            return DualSummary(0.0, 0.0, problem=str(error))
        services = {}
        for described in meter.services:
            # One that cannot be read is a problem already, told where its interruption is taken from it.
            with contextlib.suppress(OSError, ValueError):
                services[described["name"]] = read_attempts(directory / described["file"])
        reason = dual_limitation(claims)
        if reason is not None:
            return DualSummary(0.0, 0.0, problem=reason)
        dual = found_dual(claims, services)
        lower, spans = max(lower, dual.lower), [*spans, *dual.spans]
    return DualSummary(lower, DualActive.of(spans).upper, tuple(spans)) if found else None


def _writes(audit: e.WritesAudited | None, mode: str) -> Audit | None:
    if mode != "write":
        return None
    if audit is None:
        return Audit(0, 0, 0, (), 0, 0, 0.0, problem="the run ended before the writes were looked up")
    return Audit(
        audit.acked, audit.failed, audit.unknown, tuple(audit.lost), audit.unknown_present, audit.duplicates,
        audit.largest_hole_s, audit.problem,
    )  # fmt: skip


def latency(attempts: Sequence[Attempt], began: float, ended: float) -> tuple[LatencyBucket, ...]:
    """Return the response times of the successes, in at most :data:`BUCKETS` slices of time."""
    width = max((ended - began) / BUCKETS, 1e-3)
    slices: dict[int, list[float]] = {}
    for attempt in attempts:
        if attempt.outcome.up:
            slices.setdefault(int((attempt.sent - began) / width), []).append(attempt.done - attempt.sent)
    return tuple(
        LatencyBucket(began + (index + 0.5) * width, min(times), statistics.median(times), max(times), len(times))
        for index, times in sorted(slices.items())
    )


def _redundancy(mine: Sequence[e.Event], end: float) -> Redundancy | None:
    actions = [x.t for x in mine if isinstance(x, e.ActionStarted)]
    if not actions:
        return None
    waits = {x.wait for x in mine if isinstance(x, e.WaitStarted) and x.what == REDUNDANT}
    back = [
        x.t
        for x in mine
        if isinstance(x, e.WaitFinished) and x.wait in waits and x.outcome == "done" and x.t >= actions[-1]
    ]
    return Redundancy(back[0] - actions[0] if back else None, end - actions[0])


def _spans(mine: Sequence[e.Event]) -> tuple[Span, ...]:
    action_ends = {x.action: x for x in mine if isinstance(x, e.ActionFinished)}
    wait_ends = {x.wait: x for x in mine if isinstance(x, e.WaitFinished)}
    spans = []
    for x in mine:
        if isinstance(x, e.ActionStarted):
            done = action_ends.get(x.action)
            detail = "; ".join(part for part in (x.detail, done.detail if done else "") if part)
            kind = x.name.partition(" ")[0]
            label = f"{x.name} {x.target}".strip()
            spans.append(
                Span(kind, label, x.t, done.t if done else None, done.outcome if done else "unfinished", detail)
            )
        elif isinstance(x, e.WaitStarted):
            over = wait_ends.get(x.wait)
            outcome = over.outcome if over else "unfinished"
            spans.append(Span("wait", x.what, x.t, over.t if over else None, outcome, over.last_seen if over else ""))
    return tuple(spans)


def _roles(mine: Sequence[e.Event], end: float) -> tuple[RoleSpan, ...]:
    seen: dict[str, list[e.RoleSeen]] = {}
    for x in mine:
        if isinstance(x, e.RoleSeen):
            seen.setdefault(x.node, []).append(x)
    spans = []
    for node, changes in sorted(seen.items()):
        ends = [change.t for change in changes[1:]] + [max(end, changes[-1].t)]
        spans += [
            RoleSpan(node, change.role, change.t, until, max(0.0, change.t - change.after))
            for change, until in zip(changes, ends, strict=True)
        ]
    return tuple(spans)
