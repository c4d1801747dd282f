# SPDX-License-Identifier: MIT
"""What a run came to, as plain data: the content of ``run.json`` and the only input of every report.

All times are monotonic seconds of the runner unless named ``…_at`` (ISO 8601, UTC); all lengths are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pytest_harehearse.clock import Anchor
from pytest_harehearse.history.patch_day import PatchDaySummary
from pytest_harehearse.history.phases import Attribution
from pytest_harehearse.probes.audit import Audit
from pytest_harehearse.probes.course import Disturbance, Ramp
from pytest_harehearse.probes.dual import Dual
from pytest_harehearse.probes.interruption import Outage
from pytest_harehearse.probes.measurement import Lag, Slow
from pytest_harehearse.rehearsal.verdict import InvariantSummary as InvariantSummary
from pytest_harehearse.rehearsal.verdict import LimitSummary as LimitSummary
from pytest_harehearse.rehearsal.verdict import Verdict as Verdict
from pytest_harehearse.rehearsal.verdict import worst as worst

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class LatencyBucket:
    """Response times of the successes sent in one slice of time, for drawing; seconds."""

    t: float
    low: float
    median: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class ServiceSummary:
    """One service in one watch. ``target`` is its URL without secrets; ``file`` is relative to the run directory."""

    name: str
    probe: str
    mode: str
    target: str
    every: float
    timeout: float
    began: float
    ended: float
    attempts: int
    not_sent: int
    valid: bool
    reason: str | None
    outages: tuple[Outage, ...]
    total_lower: float
    total_upper: float | None
    errors: dict[str, int]
    latency: tuple[LatencyBucket, ...]
    file: str
    writes: Audit | None = None
    session: str = "new"
    layer: str = ""
    #: The machine that asked.
    vantage: str = ""
    slow: Slow = field(default_factory=Slow)
    disturbance: Disturbance | None = None
    ramp: Ramp | None = None
    lag: Lag | None = None
    #: Spans in which nothing was learnt.
    unknown: tuple[tuple[float, float], ...] = ()
    #: What the meter noted about the runner.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DualSummary:
    """Whether two nodes were active at once; ``problem``: why that is not known."""

    lower: float
    upper: float
    spans: tuple[Dual, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """An action or a wait on the timeline; ``end`` None: the run was killed meanwhile."""

    kind: str  # switchover, fault, undo, wait
    label: str
    start: float
    end: float | None
    outcome: str  # done, failed, unknown; unfinished without an end
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ShrunkSummary:
    """A failing fault plan that was made smaller: how many strikes it had and has, and what further runs came to."""

    strikes: int
    left: int
    alike: int
    otherwise: int
    passed: int
    unknown: int
    #: Why it may not be the smallest; empty: leave out any one more strike, and it did not fail alike.
    why: str
    #: The smallest plan that was seen to fail, as a test to be pasted; empty: it is not known.
    test: str

    @property
    def runs(self) -> int:
        """How many further runs there were."""
        return self.alike + self.otherwise + self.passed + self.unknown


@dataclass(frozen=True, slots=True)
class StepSummary:
    """Of a fault: armed, struck, proved, undone, verified, and when."""

    name: str
    t: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FaultSummary:
    """One fault, from its strike to the proof that it is undone."""

    #: As in the catalogue.
    name: str
    target: str
    start: float
    #: When it was proved undone; None: it was not.
    end: float | None
    steps: tuple[StepSummary, ...]
    #: How the strike ended, and the undo: done, failed, unknown; unfinished without an end. "none": nobody undid it.
    outcome: str
    undone: str
    #: When the undo began.
    undo_start: float | None
    strike_text: str
    undo_text: str
    #: What the cluster should make of it, what it made of it ("unknown" when that is not known), and what that was seen by.
    expected: str
    observed: str
    why: str
    #: Whether the two agree; None: not known.
    agrees: bool | None
    #: The test itself asked for the expected outcome, so that another one fails it.
    asserted: bool = False
    #: The service that was interrupted longest meanwhile, and that interruption; None: none was.
    service: str | None = None
    outage: Outage | None = None


@dataclass(frozen=True, slots=True)
class RoleSpan:
    """A node held a role from ``start`` to ``end``; the change came at most ``uncertainty`` seconds before ``start``."""

    node: str
    role: str
    start: float
    end: float
    uncertainty: float


@dataclass(frozen=True, slots=True)
class ClockSummary:
    """A node's wall clock against the runner's: ``offset`` = node − runner in seconds, true within ± ``error``."""

    node: str
    offset: float
    error: float


@dataclass(frozen=True, slots=True)
class RehearsalSummary:
    """One test on one cluster. ``id`` is safe as an HTML anchor and file name."""

    id: str
    nodeid: str
    name: str
    title: str
    cluster: str
    kind: str
    verdict: Verdict
    #: Why it is not passed; None when it is.
    reason: str | None
    start: float
    end: float
    limits: tuple[LimitSummary, ...]
    services: tuple[ServiceSummary, ...]
    actions: tuple[Span, ...]
    roles: tuple[RoleSpan, ...]
    notes: tuple[str, ...]
    #: The command that repeats it.
    again: str
    #: None: no service was watched.
    dual: DualSummary | None = None
    #: Services that could not be asked from this machine, and why.
    skipped: dict[str, str] = field(default_factory=dict)
    #: Where the seconds went after each thing that was done.
    phases: tuple[Attribution, ...] = ()
    clocks: tuple[ClockSummary, ...] = ()
    faults: tuple[FaultSummary, ...] = ()
    #: What must hold after every rehearsal; none was looked at when it failed before.
    invariants: tuple[InvariantSummary, ...] = ()
    #: Why a stop condition ended it; None: none did.
    stopped: str | None = None
    #: Workflows of a patch day that it carried out.
    patch_days: tuple[PatchDaySummary, ...] = ()
    #: Which of how many repeats, each at a random phase of the cluster's timers; 0: it was not repeated.
    repeat: int = 0
    repeats: int = 0
    #: Of one that failed by a fault plan by chance, when that was asked for.
    shrunk: ShrunkSummary | None = None
    #: Of another machine than the run's: its own clocks, and which run on which machine it was.
    anchor: Anchor | None = None
    runner: str = ""

    @property
    def t0(self) -> float:
        """Zero of the timeline: the first action, else the start."""
        strikes = [span.start for span in self.actions if span.kind != "wait"]
        return min(strikes, default=self.start)

    @property
    def worst_service(self) -> ServiceSummary | None:
        """The service users felt most: an unsound one first, then an open interruption, then the largest upper bound."""

        def rank(service: ServiceSummary) -> tuple[bool, bool, float]:
            return (not service.valid, service.total_upper is None, service.total_upper or service.total_lower)

        return max(self.services, key=rank, default=None)


@dataclass(frozen=True, slots=True)
class ClusterSummary:
    """A cluster of the run; ``kind`` is lab or production."""

    id: str
    kind: str
    manager: str
    provider: str | None
    nodes: tuple[str, ...]
    lab_up_s: float | None = None
    notes: tuple[str, ...] = ()
    #: Whether a service of it is written to.
    writes: bool = True
    #: Of an armed production: for which change, and by whom.
    change: str = ""
    armed_by: str = ""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One pytest session."""

    run: str
    version: str
    python: str
    host: str
    argv: tuple[str, ...]
    anchor: Anchor
    started_at: str
    finished_at: str | None
    duration: float
    verdict: Verdict
    clusters: tuple[ClusterSummary, ...]
    rehearsals: tuple[RehearsalSummary, ...]
    #: The command that repeats the run.
    again: str
    #: What could not be read of the run directory.
    problems: tuple[str, ...] = ()
    schema: int = field(default=SCHEMA)

    def clocks(self, rehearsal: RehearsalSummary) -> Anchor:
        """Return what turns the instants of a rehearsal into wall-clock time."""
        return rehearsal.anchor or self.anchor
