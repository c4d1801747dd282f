# SPDX-License-Identifier: MIT
"""A decision and its gates, as plain data. GO only if every gate says GO; what is not known is never good news."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

#: Where evidence comes from. A rehearsal in a lab does not by itself prove production.
IN_LAB, IN_PRODUCTION, NOW, INVENTORY = (
    "measured in the lab",
    "measured in production",
    "read now",
    "from the inventory",
)


class Answer(StrEnum):
    """Of a gate, and of the whole."""

    GO = "GO"
    NO_GO = "NO-GO"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Gate:
    """One rule, what was found, and why."""

    name: str
    answer: Answer
    #: What was found, and what would be good enough; texts with units.
    value: str
    limit: str
    #: From what that is known: which runs, which nodes.
    evidence: str
    provenance: str
    #: Seconds since the newest of the evidence; None: it was read now, or there is none.
    age: float | None = None
    #: What would turn it to GO, and the command; empty where it is GO.
    remedy: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The go or no-go for one cluster."""

    cluster: str
    kind: str
    #: When it was taken (aware), for which opening of a window in words; empty: none was asked for.
    at: datetime
    window: str
    gates: tuple[Gate, ...]

    @property
    def answer(self) -> Answer:
        """NO-GO if any gate says so, else UNKNOWN if any is not known, or there is none at all."""
        return worst(gate.answer for gate in self.gates)

    @property
    def against(self) -> tuple[Gate, ...]:
        """The gates that do not say GO: those that say no first."""
        return tuple(gate for answer in (Answer.NO_GO, Answer.UNKNOWN) for gate in self.gates if gate.answer is answer)


def worst(answers: Iterable[Answer]) -> Answer:
    """Return what several answers come to."""
    found = set(answers)
    if not found:
        return Answer.UNKNOWN
    return next(answer for answer in (Answer.NO_GO, Answer.UNKNOWN, Answer.GO) if answer in found)
