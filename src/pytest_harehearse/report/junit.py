# SPDX-License-Identifier: MIT
"""A rehearsal as properties of its test case in JUnit's XML: plain words and numbers, one a property. Pure.

They belong to the test case, not to the suite: pytest-xdist loses those of a suite.
"""

from __future__ import annotations

from pytest_harehearse.history.summary import RehearsalSummary
from pytest_harehearse.report import wording

#: Stands where a number is not known: it must never read as nought.
UNKNOWN = "unknown"


def properties(run: str, one: RehearsalSummary, report: str) -> list[tuple[str, str]]:
    """Return name and value of each property; lengths are seconds.

    Args:
        run: its name.
        one: the rehearsal.
        report: path of the run's page.
    """
    worst = one.worst_service
    found = {"run": run, "cluster": one.cluster, "kind": one.kind, "verdict": str(one.verdict)}
    if worst is not None:
        found["service"] = worst.name
        found["interruption_lower_s"] = _seconds(worst.total_lower if worst.valid else None)
        found["interruption_upper_s"] = _seconds(worst.total_upper if worst.valid else None)
    audits = wording.audits(one)
    if audits:
        lost = None if any(audit.problem for audit in audits) else sum(len(audit.lost) for audit in audits)
        found["lost_writes"] = UNKNOWN if lost is None else str(lost)
    if one.dual is not None:
        found["dual_active_upper_s"] = _seconds(None if one.dual.problem is not None else one.dual.upper)
    found["report"] = f"{report}#{one.id}"
    return [(f"harehearse.{name}", wording.plain(value)) for name, value in found.items()]


def _seconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.6f}"
