# SPDX-License-Identifier: MIT
"""Passed, failed or unknown; and a limit beside what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Of a rehearsal or a run. Worst wins: failed over unknown over unfinished over passed."""

    PASSED = "passed"
    UNFINISHED = "unfinished"
    UNKNOWN = "unknown"
    FAILED = "failed"


def worst(verdicts: list[Verdict]) -> Verdict:
    """Return the worst of the verdicts; of none, unknown: nothing was proved."""
    order = list(Verdict)
    return max(verdicts, key=order.index) if verdicts else Verdict.UNKNOWN


@dataclass(frozen=True, slots=True)
class LimitSummary:
    """One limit beside what was measured. ``unit`` is "s" or "writes"; ``upper`` None with ``lower``: at least that."""

    name: str
    limit: float
    lower: float | None
    upper: float | None
    unit: str
    verdict: Verdict
    #: One sentence: what it was measured on, or why it is unknown.
    evidence: str


@dataclass(frozen=True, slots=True)
class InvariantSummary:
    """What must hold after every rehearsal without being asked for, and whether it did."""

    name: str
    verdict: Verdict
    #: One sentence: what it was seen by, or why it is unknown.
    evidence: str
