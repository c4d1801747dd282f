# SPDX-License-Identifier: MIT
"""What the history knows of one rehearsal: plain data, the input of trends, comparisons and gates. Lengths are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ServiceMeasured:
    """One service: its interruptions together, by their bounds."""

    name: str
    probe: str
    mode: str
    session: str
    #: False: not measured soundly, so that the bounds mean nothing.
    valid: bool
    lower: float
    #: None: it was still interrupted at the end.
    upper: float | None
    outages: int
    #: Acknowledged writes that were lost; None: not audited, or not soundly.
    lost: int | None = None
    #: From one attempt to the next.
    every: float = 0.0
    #: Upper bound of what users felt at one go: interruptions that follow each other within ``project.TOGETHER_S`` are
    #: one; None: it was still interrupted at the end.
    longest: float | None = None


@dataclass(frozen=True, slots=True)
class PatchMeasured:
    """A patch day that the rehearsal carried out."""

    #: "standby first", "in place", …
    way: str
    patch: str
    fingerprint: str
    #: As in ``rehearsal.patching.playbook.PARTS``.
    parts: Mapping[str, str]
    went_through: bool
    #: From the first step to the last; None: it was not gone through in one run.
    whole: float | None
    #: The service was moved there and back before anything was patched.
    prepatch: bool
    #: Seconds from a gate's verdict until the service was back on the original; None: the way back was not taken.
    way_back: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """One rehearsal on one cluster."""

    run: str
    rehearsal: str
    #: As pytest names it, with the cluster's id: ``test_failover_x.py::test_failover_y[lab/web]``.
    nodeid: str
    #: The same on every cluster: the node id without the cluster's id.
    scenario: str
    #: ENVIRONMENT/CLUSTER.
    cluster: str
    #: lab or production.
    kind: str
    #: When it began; aware, UTC.
    at: datetime
    #: passed, failed, unknown, or unfinished: its run was killed.
    verdict: str
    reason: str | None
    duration: float
    services: tuple[ServiceMeasured, ...] = ()
    #: Phase → its best number, after the thing that was done that interrupted users longest; as in ``history.phases``.
    phases: Mapping[str, float] = field(default_factory=dict)
    patch_days: tuple[PatchMeasured, ...] = ()
    #: Nodes that were fenced, as a fault's observed outcome or the fencing history told.
    fenced: tuple[str, ...] = ()
    #: Upper bound of the time for which two nodes were active at once; None: not known.
    dual: float | None = None
    #: Of the package.
    version: str = ""
    #: Faults that were injected, by their names; without any it was planned work.
    faults: tuple[str, ...] = ()
    #: The machine that the run was made on, and the run's name among those of all machines.
    host: str = ""
    key: str = ""

    @property
    def worst(self) -> ServiceMeasured | None:
        """The service users felt most: an unsound one first, then an open interruption, then the largest upper bound."""

        def rank(one: ServiceMeasured) -> tuple[bool, bool, float]:
            return (not one.valid, one.upper is None, one.lower if one.upper is None else one.upper)

        return max(self.services, key=rank, default=None)

    @property
    def at_one_go(self) -> float | None:
        """The upper bound of the longest that users felt at one go; None as for ``interruption``."""
        if self.interruption is None:
            return None
        return max((one.longest for one in self.services if one.longest is not None), default=None)

    @property
    def interruption(self) -> float | None:
        """The upper bound of what users felt; None: open, unsound, or nothing was watched, so not known."""
        worst = self.worst
        return worst.upper if worst is not None and worst.valid else None
