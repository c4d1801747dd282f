# SPDX-License-Identifier: MIT
"""Everything that happens in a run, as typed events on one append-only stream.

What is shown or judged later is computed from these and the attempts, never from live objects. Times are monotonic
seconds of the runner; ``RunStarted`` carries the anchor that turns them into wall-clock time.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from pytest_harehearse.clock import now


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at ``t`` (monotonic seconds)."""

    t: float = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """First line of a run: who runs what, and the clock anchor."""

    run: str
    version: str
    wall: float
    argv: list[str]
    python: str
    host: str
    store: str
    schema: int = 1
    #: What xdist's workers know the run by; empty: it has none.
    testrun: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """Last line of a run that was not killed."""

    exit_status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartMissing(Event):
    """A run that was to be part of this one was not there when runs were put together."""

    part: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStarted(Event):
    """First line of the stream of one of xdist's workers, which are read together with the run's own."""

    worker: str
    pid: int
    wall: float
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFinished(Event):
    """Last line of a worker's stream, unless it was killed."""

    worker: str
    exit_status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOpened(Event):
    """A cluster was selected and reached: its kind, manager, nodes and what the lab said while coming up."""

    cluster: str
    kind: str
    manager: str
    provider: str | None
    nodes: list[str]
    lab_up_s: float | None = None
    notes: list[str] = field(default_factory=list)
    #: Whether a service of it is written to.
    writes: bool = True
    #: Of an armed production: for which change, and by whom.
    change: str = ""
    armed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalStarted(Event):
    """One test on one cluster begins; ``limits`` are those it will be judged by (seconds or counts)."""

    rehearsal: str
    nodeid: str
    title: str
    cluster: str
    limits: dict[str, float] = field(default_factory=dict)
    source: str = ""
    #: lab or production, and of an armed production: for which change, and by whom.
    kind: str = ""
    change: str = ""
    armed_by: str = ""
    #: Which of how many repeats (0: not repeated), the seconds that were waited before it, and what chance was drawn from.
    repeat: int = 0
    repeats: int = 0
    phase: float = 0.0
    seed: str = ""
    #: The rehearsal whose failing fault plan it tries a part of; empty: it is one of its own.
    shrinks: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalFinished(Event):
    """The test body ended; ``outcome`` is passed, failed or unknown."""

    rehearsal: str
    outcome: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShrinkStarted(Event):
    """The fault plan of a rehearsal that failed is made smaller, by at most so many further runs."""

    rehearsal: str
    strikes: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShrinkFinished(Event):
    """It was made smaller; ``why``: why the plan may not be the smallest, empty: it is.

    ``test`` is the smallest plan that failed, as a test to be pasted. The numbers count further runs by what they came to.
    """

    rehearsal: str
    strikes: int
    alike: int = 0
    otherwise: int = 0
    passed: int = 0
    unknown: int = 0
    why: str = ""
    test: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionStarted(Event):
    """Something was done to the cluster: a switchover, a fault, its undo."""

    rehearsal: str
    action: str
    name: str
    target: str = ""
    detail: str = ""
    #: A fault's name in the catalogue, of its strike and of its undo; empty: no fault.
    fault: str = ""
    #: What the cluster should make of the fault, as in :class:`~.faults.base.Expected`.
    expected: str = ""
    #: lab or production: what it was done to.
    kind: str = ""
    #: The test itself asked for the expected outcome: another one fails the rehearsal.
    asserted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardAsked(Event):
    """The guard of a production was asked right before something was done; not ``allowed``: why, and nothing was changed."""

    rehearsal: str
    name: str
    target: str
    allowed: bool
    reason: str = ""
    kind: str = ""
    change: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionStep(Event):
    """Within the action of the same id: armed, struck, proved (the effect), undone, verified, disarmed."""

    rehearsal: str
    action: str
    step: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFinished(Event):
    """The end of the action with the same ``action`` id; ``outcome`` is done, failed or unknown."""

    rehearsal: str
    action: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitStarted(Event):
    """A wait with its deadline in seconds begins."""

    rehearsal: str
    wait: str
    what: str
    within: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitFinished(Event):
    """The wait ended; ``last_seen`` is the state at its end."""

    rehearsal: str
    wait: str
    outcome: str
    last_seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSeen(Event):
    """A node's role changed between two polls: ``after`` is the last poll that saw the old role."""

    rehearsal: str
    node: str
    role: str
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterStarted(Event):
    """The meter process began to ask the services; each of ``services`` names its attempts file.

    ``claims`` are the files of the nodes that are asked whether they are active, ``skipped`` the services that cannot
    be asked from this machine, with the reason.
    """

    rehearsal: str
    meter: str
    services: list[dict[str, Any]]
    claims: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterFinished(Event):
    """The meter ended; ``problem`` is set when it did not end by itself."""

    rehearsal: str
    meter: str
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WritesAudited(Event):
    """Every numbered write was looked up; counts, and the first lost numbers."""

    rehearsal: str
    service: str
    acked: int
    failed: int
    unknown: int
    lost: list[int]
    unknown_present: int
    duplicates: int
    largest_hole_s: float
    problem: str | None = None
    #: The attempts file of the watch: of two watches of one service, one within the other, which was audited.
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStarted(Event):
    """A command was handed to the channel of a node; ``what`` is the command, quoted and without secrets."""

    command: str
    node: str
    what: str
    deadline: float
    rehearsal: str = ""
    #: lab or production: what the node belongs to.
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFinished(Event):
    """The end of the command with the same ``command`` id; ``outcome`` is done, unreachable or unknown."""

    command: str
    outcome: str
    took: float
    rc: int | None = None
    detail: str = ""
    rehearsal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockMeasured(Event):
    """A node's wall clock against the runner's: ``offset`` = node − runner in seconds, true within ± ``error``."""

    rehearsal: str
    node: str
    offset: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRecorded(Event):
    """Something the cluster itself recorded, as "fenced": at ``at`` (monotonic seconds of the runner) ± ``error``."""

    rehearsal: str
    node: str
    what: str
    at: float
    error: float
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookFixed(Event):
    """What a patch day will carry out, before anything is done; what is needed to go on with it after an abort.

    ``parts`` and ``fingerprint`` tell whether it is the same playbook, ``resumes`` is the run it goes on with, ``done`` the
    steps that were done there, ``mixed`` the wall-clock time since which two versions are side by side; 0: they are not.
    """

    rehearsal: str
    fingerprint: str
    patch: str
    original: str
    steps: list[dict[str, str]]
    parts: dict[str, str] = field(default_factory=dict)
    resumes: str = ""
    done: list[str] = field(default_factory=list)
    mixed: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsRead(Event):
    """What a host said of itself before it was patched."""

    rehearsal: str
    node: str
    boot: str
    kernel: str
    failed: list[str] = field(default_factory=list)
    packages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """A step of a patch day begins; ``way_back`` is what would be done if it went wrong."""

    rehearsal: str
    step: str
    name: str
    title: str
    node: str = ""
    command: str = ""
    way_back: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Event):
    """The end of the step with the same ``step`` id; ``outcome`` is done, failed, unknown or skipped."""

    rehearsal: str
    step: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReached(Event):
    """A gate was decided: ``verdict`` is GO, NO-GO or UNKNOWN; each of ``evidence`` has name, node, ok and detail."""

    rehearsal: str
    gate: str
    verdict: str
    evidence: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted(Event):
    """A note by the test's author."""

    rehearsal: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvariantLooked(Event):
    """The cluster was looked at after the test's body; ``verdict`` is passed, failed or unknown."""

    rehearsal: str
    name: str
    verdict: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalStopped(Event):
    """A stop condition was met: everything is undone, and the rehearsal fails."""

    rehearsal: str
    reason: str


KINDS: Final[dict[str, type[Event]]] = {
    kind.__name__: kind
    for kind in (
        RunStarted, RunFinished, WorkerStarted, WorkerFinished, ClusterOpened, RehearsalStarted, RehearsalFinished, ShrinkStarted, ShrinkFinished, GuardAsked, ActionStarted, ActionStep,
        ActionFinished,
        PartMissing, WaitStarted, WaitFinished, RoleSeen, MeterStarted, MeterFinished, WritesAudited, CommandStarted,
        CommandFinished, ClockMeasured, ClusterRecorded, PlaybookFixed, FactsRead, StepStarted,
        StepFinished, GateReached, Noted, InvariantLooked, RehearsalStopped,
    )
}  # fmt: skip


def encode(event: Event, clean: Callable[[str], str] | None = None) -> str:
    """Return the event as one line of JSON, its type first; ``clean`` takes what is secret out of every text."""
    plain = dataclasses.asdict(event)
    if clean is not None:
        plain = _cleaned(plain, clean)
    return json.dumps({"event": type(event).__name__, **plain}, ensure_ascii=False)


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {name: _cleaned(each, clean) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned(each, clean) for each in value]
    return value


def decode(line: str) -> Event | None:
    """Return the event of a line; None for a kind of event this version does not know.

    Raises:
        ValueError: when the line is not an event at all (torn by a kill, or damaged).
    """
    data = json.loads(line)
    if not isinstance(data, dict) or "event" not in data:
        raise ValueError(f"not an event: {line[:80]!r}")
    kind = KINDS.get(str(data.pop("event")))
    if kind is None:
        return None
    known = {f.name for f in dataclasses.fields(kind)}
    if "t" not in data:
        raise ValueError(f"not a {kind.__name__}: it has no time")
    try:
        return kind(**{key: value for key, value in data.items() if key in known})
    except TypeError as error:
        raise ValueError(f"not a {kind.__name__}: {error}") from error
