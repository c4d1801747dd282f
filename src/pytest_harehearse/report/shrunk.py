# SPDX-License-Identifier: MIT
"""What making a failing fault plan smaller came to, in words; the same in terminal, page and Markdown."""

from __future__ import annotations

from typing import Final

from pytest_harehearse.history.summary import ShrunkSummary

TITLE: Final = "The smallest plan that still fails"
PASTE: Final = "As a test, to be pasted into the file of the test that failed:"


def sentence(found: ShrunkSummary) -> str:
    """Return how small the plan became, by how many runs, and whether it is the smallest."""
    if found.strikes == 1:
        return "Its fault plan has one strike, so nothing of it can be left out."
    if found.left < found.strikes:
        told = f"Of the {found.strikes} strikes of its fault plan {_are(found.left)} enough to fail alike"
    else:
        told = f"No part of its fault plan of {found.strikes} strikes was seen to fail alike"
    return f"{told}; {_runs(found)}. {_proof(found)}"


def title(found: ShrunkSummary) -> str:
    """Return what the test may be called: the smallest only where that was seen."""
    return TITLE if not found.why else "A plan that fails, and may not be the smallest"


def _are(left: int) -> str:
    return "1 is" if left == 1 else f"{left} are"


def _runs(found: ShrunkSummary) -> str:
    numbers = {
        "failed alike": found.alike, "failed otherwise": found.otherwise, "passed": found.passed, "unknown": found.unknown,
    }  # fmt: skip
    told = ", ".join(f"{number} {what}" for what, number in numbers.items() if number)
    runs = "1 further run" if found.runs == 1 else f"{found.runs} further runs"
    return f"{runs}: {told}" if told else "no further run"


def _proof(found: ShrunkSummary) -> str:
    if found.why:
        return f"It may not be the smallest: {found.why}."
    return "Leave out any one more, and it did not fail alike; each part was tried once."
