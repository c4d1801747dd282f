# SPDX-License-Identifier: MIT
"""Builds summaries of runs that never were: one of each kind a report must show well."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

from pytest_harehearse.clock import Anchor
from pytest_harehearse.history.patch_day import (
    IN_PLACE,
    STANDBY_FIRST,
    GateCheck,
    GateSummary,
    PatchDaySummary,
    PatchStep,
)
from pytest_harehearse.history.phases import Answer, Attribution, Instant, Mark, Phase
from pytest_harehearse.history.summary import (
    ClockSummary,
    ClusterSummary,
    DualSummary,
    FaultSummary,
    InvariantSummary,
    LatencyBucket,
    LimitSummary,
    RehearsalSummary,
    RoleSpan,
    RunSummary,
    ServiceSummary,
    ShrunkSummary,
    Span,
    StepSummary,
    Verdict,
    worst,
)
from pytest_harehearse.probes.audit import Audit
from pytest_harehearse.probes.course import Ramp
from pytest_harehearse.probes.dual import Dual
from pytest_harehearse.probes.interruption import Outage, total
from pytest_harehearse.probes.measurement import Lag, Slow

ANCHOR = Anchor(wall=1795232400.0, mono=1000.0)
HOSTILE = "<script>alert('x')</script>\x1b[31m|`&\"\u202e"


def latency(began, ended, outages=(), *, usual=0.002, step=0.1):
    """Response times with a wave in them, none while down, slow just after."""
    found = []
    for i in range(int((ended - began) / step)):
        t = began + i * step
        if any(o.start <= t < (o.end if o.end is not None else ended) for o in outages):
            continue
        after = min((t - o.end for o in outages if o.end is not None and t >= o.end), default=99.0)
        slow = 1 + 25 * math.exp(-after / 0.4) + 0.25 * math.sin(i * 1.7)
        found.append(LatencyBucket(t, usual * 0.7, usual * slow, usual * slow * 1.9, 5))
    return tuple(found)


def service(name="sql write", *, began=1000.0, ended=1012.0, outages=(), **changes):
    """A service watched every 20 ms, with bounds that follow from its outages."""
    lower, upper = total(outages)
    errors = dict(sum((Counter(outage.errors) for outage in outages), Counter()))
    made = ServiceSummary(
        name=name,
        probe="postgresql",
        mode="write",
        target="postgresql://app@127.0.0.1:5432,127.0.0.1:5433/app",
        every=0.02,
        timeout=0.06,
        began=began,
        ended=ended,
        attempts=int((ended - began) / 0.02),
        not_sent=0,
        valid=True,
        reason=None,
        outages=tuple(outages),
        total_lower=lower,
        total_upper=upper,
        errors=errors,
        latency=latency(began, ended, outages),
        file=f"attempts/{name.replace(' ', '-')}.jsonl",
        layer="database",
        vantage="runner",
        lag=Lag(0.0004, 0.0013, 0.004),
    )
    return replace(made, **changes)


def writes(**changes):
    """An audit that found every acknowledged write."""
    return replace(Audit(478, 118, 4, (), 3, 0, 2.44), **changes)


def limit(
    name="interruption of sql write",
    allowed=5.0,
    lower=2.38,
    upper=2.44,
    verdict=Verdict.PASSED,
    unit="s",
    evidence=None,
):
    """A limit beside what was measured."""
    return LimitSummary(name, allowed, lower, upper, unit, verdict, evidence or "1 interruption in 600 attempts")


def lost_limit(lower=0.0, upper=0.0, verdict=Verdict.PASSED, evidence="478 acknowledged writes, all found"):
    """A limit on lost writes."""
    return limit("acknowledged writes lost", 0.0, lower, upper, verdict, "writes", evidence)


def roles(t=1002.0, end=1012.0, down=2.4):
    """A switchover seen on three nodes."""
    return (
        RoleSpan("pg1", "primary", 1000.0, t + 0.3, 0.0),
        RoleSpan("pg1", "stopping", t + 0.3, t + 1.1, 0.2),
        RoleSpan("pg1", "starting", t + 1.1, t + 3.6, 0.2),
        RoleSpan("pg1", "replica", t + 3.6, end, 0.2),
        RoleSpan("pg2", "replica", 1000.0, t + 1.2, 0.0),
        RoleSpan("pg2", "primary", t + 1.2, end, 0.2),
        RoleSpan("pg3", "replica", 1000.0, end, 0.0),
    )


def switchover(**changes):
    """A planned switchover of about 2.4 s that kept its limits."""
    outage = Outage(1002.31, 1004.75, 2.38, 2.44, errors={"refused": 96, "read-only": 14, "timeout": 8})
    made = RehearsalSummary(
        id="planned_switchover-lab-pg",
        nodeid="scenarios/test_failover.py::test_failover_planned_switchover[lab/pg]",
        name="planned_switchover",
        title="The service moves to the standby while clients use it",
        cluster="lab/pg",
        kind="lab",
        verdict=Verdict.PASSED,
        reason=None,
        start=1000.0,
        end=1012.0,
        limits=(limit(), lost_limit(), limit("redundancy back", 120.0, None, 3.81, evidence="3 of 3 nodes, lag 0 B")),
        services=(
            service(outages=(outage,), writes=writes()),
            service("sql read", outages=(), mode="read"),
        ),
        dual=DualSummary(0.0, 0.0),
        actions=(
            Span("switchover", "switchover pg1 → pg2", 1002.0, 1003.42, "done", "POST /switchover"),
            Span("wait", "pg2 is primary", 1003.42, 1003.6, "done", "pg2 primary, pg1 starting"),
            Span("wait", "redundancy is back", 1003.6, 1005.81, "done", "3 of 3 nodes, lag 0 B"),
        ),
        roles=roles(),
        notes=("Chosen pg2: smallest lag.",),
        again="pytest 'scenarios/test_failover.py::test_failover_planned_switchover[lab/pg]'",
    )
    return replace(made, **changes)


def failed(**changes):
    """A node that lost power: over its limit, with writes lost."""
    first = Outage(1002.02, 1010.94, 8.88, 8.92, errors={"timeout": 141, "refused": 3})
    second = Outage(1013.1, 1013.18, 0.02, 0.08, errors={"reset": 2})
    base = switchover(
        id="node_power_off-lab-pg",
        nodeid="scenarios/test_failover.py::test_failover_node_power_off[lab/pg]",
        name="node_power_off",
        title="The primary loses power",
        verdict=Verdict.FAILED,
        reason="sql write was interrupted for 9.00 s, 4.00 s over the limit of 5.00 s; 3 acknowledged writes are lost",
        end=1024.0,
        limits=(
            limit(
                lower=8.90,
                upper=9.00,
                verdict=Verdict.FAILED,
                evidence="2 interruptions in 1200 attempts; 4.00 s over the limit, even the lower bound is over it",
            ),
            lost_limit(3.0, 3.0, Verdict.FAILED, "481 acknowledged writes, 478 found; first lost: 482"),
            limit("redundancy back", 120.0, None, 18.2, evidence="3 of 3 nodes, lag 0 B"),
        ),
        services=(
            service(ended=1024.0, outages=(first, second), writes=writes(lost=(482, 483, 484), largest_hole_s=9.0)),
            service(
                "page",
                ended=1024.0,
                outages=(Outage(1002.0, 1006.1, 4.0, 4.1, errors={"wrong answer": 31}),),
                probe="http",
                mode="read",
                layer="application",
                slow=Slow(44, 0.86, 0.93),
                ramp=Ramp(0.88, 17.0, 0.38, 1.0),
            ),
            service(
                "pool",
                ended=1024.0,
                outages=(Outage(1002.0, 1010.8, 8.7, 8.8, errors={"timeout": 172}),),
                session="held",
            ),
        ),
        dual=DualSummary(0.41, 0.62, (Dual(("pg1", "pg2"), 1010.9, 1011.52, 0.41),)),
        skipped={"ping": "this machine may not send echo requests"},
        actions=(
            Span("fault", "fault stack_kill pg1", 1002.0, 1002.1, "done", "SIGKILL to every process of the node"),
            Span("wait", "another node is primary", 1002.1, 1011.3, "done", "pg2 primary, pg1 down"),
            Span("undo", "undo stack_kill pg1", 1011.4, 1014.2, "done"),
            Span("wait", "redundancy is back", 1014.2, 1020.2, "done", "3 of 3 nodes"),
        ),
        roles=(
            RoleSpan("pg1", "primary", 1000.0, 1002.2, 0.0),
            RoleSpan("pg1", "down", 1002.2, 1012.0, 0.2),
            RoleSpan("pg1", "starting", 1012.0, 1019.8, 0.2),
            RoleSpan("pg1", "replica", 1019.8, 1024.0, 0.2),
            RoleSpan("pg2", "replica", 1000.0, 1010.8, 0.0),
            RoleSpan("pg2", "primary", 1010.8, 1024.0, 0.2),
            RoleSpan("pg3", "replica", 1000.0, 1002.5, 0.0),
            RoleSpan("pg3", "unknown", 1002.5, 1004.9, 0.2),
            RoleSpan("pg3", "replica", 1004.9, 1024.0, 0.2),
        ),
        notes=(),
        again="pytest 'scenarios/test_failover.py::test_failover_node_power_off[lab/pg]'",
    )
    return replace(base, **changes)


def unknown(**changes):
    """A rehearsal on production whose meter stalled: nothing is proved."""
    why = "the runner itself stalled for 1.82 s (1 time over 0.25 s), so nothing was asked meanwhile"
    base = switchover(
        id="planned_switchover-production-pg",
        nodeid="scenarios/test_failover.py::test_failover_planned_switchover[production/pg]",
        cluster="production/pg",
        kind="production",
        verdict=Verdict.UNKNOWN,
        reason=why,
        limits=(
            limit(lower=None, upper=None, verdict=Verdict.UNKNOWN, evidence=why),
            lost_limit(0.0, None, Verdict.UNKNOWN, "the table of numbered writes could not be read"),
        ),
        services=(
            service(
                outages=(Outage(1002.3, 1004.9, 2.2, 2.6, errors={"refused": 80}),),
                valid=False,
                reason=why,
                writes=writes(problem="the table of numbered writes could not be read: timeout after 5 s"),
            ),
        ),
        dual=DualSummary(0.0, 0.0, problem="the runner itself stalled for 1.82 s"),
        again="pytest 'scenarios/test_failover.py::test_failover_planned_switchover[production/pg]' --harehearse-arm production",
    )
    return replace(base, **changes)


def unfinished(**changes):
    """A rehearsal whose run was killed while the service was down."""
    open_end = Outage(1002.3, None, 3.1, None, open_end=True, errors={"refused": 155})
    base = switchover(
        id="killed-lab-pg",
        nodeid="scenarios/test_failover.py::test_failover_killed[lab/pg]",
        name="killed",
        title="The run is killed while the service moves",
        verdict=Verdict.UNFINISHED,
        reason="the run was stopped before the test ended",
        end=1005.6,
        limits=(limit(lower=3.1, upper=None, verdict=Verdict.UNFINISHED, evidence="still down at the last attempt"),),
        services=(service(ended=1005.5, outages=(open_end,)),),
        actions=(Span("switchover", "switchover pg1 → pg2", 1002.0, None, "unfinished"),),
        roles=(RoleSpan("pg1", "primary", 1000.0, 1005.6, 0.0), RoleSpan("pg2", "replica", 1000.0, 1005.6, 0.0)),
        notes=(),
    )
    return replace(base, **changes)


def chain(start, *steps):
    """Phases from (name, seconds after the start or None, error, node, text)."""
    found, last = [], Instant(start, start, start)
    for name, after, error, *rest in steps:
        end = None if after is None else Instant(start + after, start + after - error, start + after + error)
        found.append(Phase(name, last, end, *rest))
        last = end
    return tuple(found)


def mark(node, what, at, error, text):
    """Something a node recorded."""
    return Mark(node, what, Instant(at, at - error, at + error), text)


def fenced(**changes):
    """An active Pacemaker node that lost power: every phase recorded, and the way back planned and short."""
    t = 1002.0
    base = switchover(
        id="active_loses_power-lab-web",
        nodeid="scenarios/test_failover.py::test_active_loses_power[lab/web]",
        name="active_loses_power",
        title="The active node loses power",
        cluster="lab/web",
        end=1024.0,
        limits=(limit("interruption of page", 10.0, 5.79, 5.85),),
        services=(
            service(
                "page",
                ended=1024.0,
                outages=(
                    Outage(t + 0.01, t + 5.86, 5.79, 5.85, errors={"timeout": 280}),
                    Outage(t + 16.4, t + 16.62, 0.18, 0.22, errors={"refused": 9}),
                ),
                probe="http",
                mode="read",
                layer="application",
            ),
            service(
                "ping",
                ended=1024.0,
                outages=(Outage(t + 0.01, t + 5.74, 5.69, 5.73, errors={"timeout": 270}),),
                probe="icmp",
                mode="read",
                layer="network",
            ),
        ),
        dual=None,
        actions=(
            Span("fault", "fault power_off web1", t, t + 0.8, "done", "stop --force"),
            Span("undo", "undo power_off web1", t + 9.0, t + 12.2, "done"),
            Span("switchover", "switchover web2 → web1", t + 16.2, t + 16.7, "done"),
        ),
        roles=(
            RoleSpan("web1", "active", 1000.0, t + 1.2, 0.0),
            RoleSpan("web1", "unreachable", t + 1.2, t + 12.0, 0.2),
            RoleSpan("web1", "standby", t + 12.0, t + 16.6, 0.2),
            RoleSpan("web1", "active", t + 16.6, 1024.0, 0.2),
            RoleSpan("web2", "standby", 1000.0, t + 5.8, 0.0),
            RoleSpan("web2", "active", t + 5.8, t + 16.6, 0.2),
            RoleSpan("web2", "standby", t + 16.6, 1024.0, 0.2),
        ),
        notes=(),
        phases=(
            Attribution(
                "fault power_off web1",
                t,
                chain(
                    t,
                    ("detect", 1.94, 0.004, "web2", "token lost"),
                    ("decide", 4.2, 0.004, "web3", "reboot of web1 asked for"),
                    ("fence", 4.71, 0.004, "web3", "reboot of web1 by web2"),
                    ("vip", 5.69, 0.02, "web2", "vip announced on the network"),
                    ("answer", 5.82, 0.04),
                    ("redundancy", 12.3, 0.26),
                ),
                "page",
                5.79,
                5.85,
                (
                    Answer("page", Instant(t + 5.82, t + 5.78, t + 5.86)),
                    Answer("ping", Instant(t + 5.71, t + 5.68, t + 5.74)),
                ),
                (
                    mark("web2", "detected", t + 1.94, 0.004, "token lost"),
                    mark("web3", "detected", t + 1.95, 0.004, "token lost"),
                    mark("web2", "detected", t + 3.2, 0.004, "web1 is lost"),
                    mark("web3", "fencing", t + 4.2, 0.004, "reboot of web1 asked for"),
                    mark("web3", "fenced", t + 4.71, 0.004, "reboot of web1 by web2"),
                    mark("web2", "starting", t + 5.4, 0.004, "start of vip on web2 begun"),
                    mark("web2", "vip", t + 5.69, 0.02, "vip announced on the network"),
                    mark("web1", "starting", t + 12.1, 0.3, "start of nginx on web1 begun"),
                ),
            ),
            Attribution(
                "switchover web2 → web1",
                t + 16.2,
                chain(
                    t + 16.2,
                    ("served", 0.19, 0.02),
                    ("stop", 0.24, 0.004, "web2", "stop of vip on web2"),
                    ("start", None, 0, "", "begun, and its end was not recorded"),
                    ("answer", 0.41, 0.02),
                ),
                "page",
                0.18,
                0.22,
                (Answer("page", Instant(t + 16.61, t + 16.59, t + 16.63)),),
                (mark("web2", "stopped", t + 16.44, 0.004, "stop of vip on web2"),),
            ),
        ),
        clocks=(
            ClockSummary("web1", 0.00012, 0.0009),
            ClockSummary("web2", -0.0031, 0.0008),
            ClockSummary("web3", 2.4, 0.0011),
        ),
        again="pytest 'scenarios/test_failover.py::test_active_loses_power[lab/web]'",
    )
    return replace(base, **changes)


def struck(**changes):
    """A partition whose peer took over, with every step; and one whose undo was not verified."""
    t = 1002.0
    felt = Outage(t + 1.1, t + 4.6, 3.3, 3.5, errors={"timeout": 60})
    parts = {
        "id": "r-struck",
        "nodeid": "tests/test_cut.py::test_cut_off[lab/web]",
        "name": "test_cut_off[lab/web]",
        "title": "A node that is cut off is fenced",
        "cluster": "lab/web",
        "kind": "lab",
        "verdict": Verdict.FAILED,
        "reason": "outcome of disk_full on web2: expected degraded_but_serving, observed no_effect",
        "start": 1000.0,
        "end": 1024.0,
        "limits": (),
        "services": (service("page", ended=1024.0, outages=(felt,), total_lower=3.3, total_upper=3.5),),
        "actions": (
            Span("fault", "fault net_partition web1", t, t + 1.4, "done", "drop all from web2"),
            Span("wait", "another node is active", t + 1.4, t + 4.4, "done"),
            Span("undo", "undo net_partition web1", t + 8.0, t + 8.6, "done"),
            Span("fault", "fault disk_full web2", t + 12.0, t + 12.3, "done", "fill /var"),
            Span("undo", "undo disk_full web2", t + 15.0, t + 17.0, "failed"),
        ),
        "roles": roles(t),
        "notes": (),
        "again": "pytest tests/test_cut.py::test_cut_off",
        "invariants": (
            InvariantSummary("every node is in again", Verdict.PASSED, "all that were in before: web1, web2"),
            InvariantSummary("nothing is left behind", Verdict.FAILED, "/run/harehearse/diskfull12 lies on web2"),
            InvariantSummary("acknowledged writes are kept", Verdict.UNKNOWN, "the writes could not be looked up"),
        ),
        "faults": (
            FaultSummary(
                "net_partition", "web1", t, t + 8.6,
                (
                    StepSummary("armed", t + 0.3, "undone by itself after 60 s"), StepSummary("struck", t + 0.7, "dropped"),
                    StepSummary("proved", t + 1.4), StepSummary("undone", t + 8.3), StepSummary("verified", t + 8.6),
                ),
                "done", "done", t + 8.0, "drop all from web2", "delete the table", "fenced", "fenced",
                "reboot of web1 by web2 was recorded; page was down for at most 3.50 s", True,
                service="page", outage=felt,
            ),
            FaultSummary(
                "disk_full", "web2", t + 12.0, None,
                (StepSummary("armed", t + 12.1), StepSummary("struck", t + 12.2), StepSummary("proved", t + 12.3)),
                "done", "failed", t + 15.0, "fill /var", "remove the file", "degraded_but_serving", "no_effect",
                "no other node took over; page was not interrupted", False, asserted=True,
            ),
        ),
    }  # fmt: skip
    return RehearsalSummary(**(parts | changes))


TEST = """\
PLAN = [
    {'fault': 'stack_kill', 'node': 'active', 'at': {'in': '35s'}, 'for': '5s'},
]


def test_failover_chance_smallest(cluster, probes, faults):
    with probes.watch(settle='10s'):
        faults.play_through(PLAN)
        assert cluster.active is not None, '<no node> is active — \x1b[31m'
"""


def by_chance(**changes):
    """A fault plan by chance that failed, and was made smaller."""
    name = "test_failover_chance[lab/web-plan2]"
    why = "the 5 further runs were used up"
    return struck(
        id="r-chance", nodeid=f"tests/test_chance.py::{name}", name=name, title="Faults that nobody thought of",
        shrunk=ShrunkSummary(4, 1, 2, 1, 1, 1, why, TEST), **changes,
    )  # fmt: skip


def patch_day(way=STANDBY_FIRST, *, red=False, words="reboot", **changes):
    """A patch day of two nodes that went through, or was stopped at gate B with its way back."""
    names = (
        [("preflight", ""), ("maintenance_on", ""), ("patch", "pg1"), ("reboot", "pg1"), ("validate", "pg1"), ("audit", "")]
        if way == IN_PLACE
        else [("preflight", ""), ("patch", "pg2"), ("reboot", "pg2"), ("validate", "pg2"), ("gate", ""), ("switchover", "pg2"),
              ("soak", "pg2"), ("gate", ""), ("patch", "pg1"), ("validate", "pg1"), ("gate", ""), ("audit", "")]
    )  # fmt: skip
    steps = [
        PatchStep(
            name,
            f"{name} {node}: {words}".strip(),
            node,
            1001.0 + 0.5 * at,
            1001.4 + 0.5 * at,
            "done",
            f"as meant, {words}",
        )
        for at, (name, node) in enumerate(names)
    ]
    green = GateCheck("member", "pg2", True, "pg2 replica running lag 0 B sync")
    at = [step.start + 0.1 for step in steps if step.name == "gate"]
    gates = [GateSummary(gate, "GO", t, (green,)) for gate, t in zip("ABC", at, strict=False)]
    if red:
        bad = GateCheck("write served", "pg2", False, f"12 of 115 asks failed, {words}")
        gates = [gates[0], GateSummary("B", "NO-GO", at[1], (green, bad, GateCheck("backup", "", None, words)), 0.3)]
        steps = [
            *steps[:7],
            replace(steps[7], outcome="failed", detail=words),
            replace(steps[8], outcome="unknown", end=None),
        ]
    return PatchDaySummary(
        way, words, "0123456789ab", "pg1", "", tuple(steps), tuple(gates), 1001.0, 1007.0,
        mixed_start=None if way == IN_PLACE else 1001.5, mixed_end=None if red or way == IN_PLACE else 1006.0,
        cheap_until=None if red or way == IN_PLACE else 1005.0, **changes,
    )  # fmt: skip


def patched():
    """The same patch standby first and in place, and a way back that was taken, with hostile words."""
    long = Outage(1002.31, 1008.8, 6.2, 6.5, errors={"refused": 300})
    place = (service(outages=(long,)), service("sql read", outages=(long,), mode="read"))
    return run(
        switchover(id="patch-1", name="patch_standby_first", patch_days=(patch_day(),)),
        switchover(id="patch-2", name="patch_in_place", services=place, patch_days=(patch_day(IN_PLACE),)),
        switchover(id="patch-3", name="patch_red", patch_days=(patch_day(red=True, words=HOSTILE),)),
    )


def weird(**changes):
    """Names nobody should choose."""
    long = "a_node_with_a_name_much_longer_than_any_column_of_any_report_could_ever_be.example.internal"
    outages = [Outage(1001.0 + i * 0.9, 1001.03 + i * 0.9, 0.01, 0.03, errors={"reset": 1}) for i in range(9)]
    outages[0] = replace(outages[0], upper=None, open_start=True)
    base = switchover(
        id="weird-1",
        nodeid=f"tests/test_it.py::test_{HOSTILE}[{long}]",
        name=f"a_rehearsal_with_a_very_long_name_that_goes_on_and_on_and_on_{HOSTILE}",
        title=f"Long title {HOSTILE} {long}",
        cluster=f"lab/{long}",
        verdict=Verdict.FAILED,
        reason=f"because of {HOSTILE} {long}",
        limits=(limit(f"interruption of {HOSTILE}", 0.02, 0.09, None, Verdict.FAILED, evidence=HOSTILE),),
        services=(service(f"{long} {HOSTILE}", outages=tuple(outages), target=f"tcp://{long}:1"),),
        actions=(
            Span("fault", f"partition {long} {HOSTILE}", 1001.0, 1011.8, "failed", HOSTILE),
            Span("wait", "日本語のノードは待っています" * 3, 1011.0, 1011.9, "unknown", HOSTILE),
        ),
        roles=(RoleSpan(long, "arbiter", 1000.0, 1006.0, 0.0), RoleSpan(long, HOSTILE, 1006.0, 1012.0, 1.0)),
        notes=(HOSTILE, "two\nlines"),
        faults=(
            FaultSummary(
                HOSTILE,
                f"{long} {HOSTILE}",
                1001.0,
                None,
                (StepSummary("struck", 1001.5, HOSTILE),),
                "unknown",
                "none",
                None,
                HOSTILE,
                HOSTILE,
                HOSTILE,
                "unknown",
                HOSTILE,
                None,
                service=HOSTILE,
                outage=outages[0],
            ),
        ),
        invariants=(InvariantSummary(HOSTILE, Verdict.UNKNOWN, f"{HOSTILE} {long}"),),
        again=f"pytest {HOSTILE}",
    )
    return replace(base, **changes)


def clusters(*rehearsals):
    """The clusters the rehearsals ran on."""
    told = ("PostgreSQL 18.6, Patroni 4.1.5, etcd 3.5.21",)
    labs = {"provider": "embedded", "lab_up_s": 4.21}
    bare = ClusterSummary("", "lab", "patroni", None, ("pg1", "pg2", "pg3"), notes=told)
    found = {r.cluster: r.kind for r in rehearsals}
    return tuple(replace(bare, id=c, kind=kind, **(labs if kind == "lab" else {})) for c, kind in found.items())


def run(*rehearsals, **changes):
    """A run of these rehearsals."""
    made = RunSummary(
        run="r-20261121-0340-7f3a",
        version="0.1.0",
        python="3.11.7",
        host="runner-3",
        argv=("scenarios", "--harehearse-env", "lab"),
        anchor=ANCHOR,
        started_at="2026-11-21T03:40:00.000Z",
        finished_at="2026-11-21T03:40:42.310Z",
        duration=42.31,
        verdict=worst([r.verdict for r in rehearsals]),
        clusters=clusters(*rehearsals),
        rehearsals=rehearsals,
        again="pytest --harehearse-replay r-20261121-0340-7f3a",
    )
    return replace(made, **changes)


def every():
    """Each sample by its name."""
    return {
        "passed": run(switchover()),
        "failed": run(switchover(), failed()),
        "unknown": run(switchover(), unknown()),
        "unfinished": run(unfinished(), finished_at=None),
        "mixed": run(switchover(), failed(), unfinished(), unknown(), problems=("events.jsonl: a torn last line",)),
        "weird": run(weird()),
        "fenced": run(fenced()),
        "struck": run(struck()),
        "patched": patched(),
        "chance": run(by_chance()),
        "empty": run(),
    }
