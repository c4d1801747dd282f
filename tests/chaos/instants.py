# SPDX-License-Identifier: MIT
"""When a rehearsal is killed: a random time after a random step of it, seen on its stream of events, or just any time."""

from __future__ import annotations

import json
import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: The steps of a rehearsal with one fault, in their order, and within how many seconds after each it may be killed.
STEPS: Final = {
    "begun": 3.0, "run": 0.6, "rehearsal": 0.6, "strike": 0.25, "armed": 0.3, "struck": 0.4, "proved": 0.05,
    "held": 2.5, "undo": 0.3, "undone": 0.15, "verified": 0.05, "closed": 0.3, "ended": 0.0,
}  # fmt: skip
#: What is going on after each of them, as the table has it.
DOING: Final = {
    "begun": "collecting", "run": "opening", "rehearsal": "settling", "strike": "arming", "armed": "striking",
    "struck": "proving", "proved": "holding", "held": "holding", "undo": "undoing", "undone": "verifying",
    "verified": "disarming", "closed": "ending", "ended": "ended",
}  # fmt: skip
_ORDER: Final = list(STEPS)
#: Steps that are waited for; what comes between two is reached by the delay.
_WATCHED: Final = (
    "begun",
    "run",
    "rehearsal",
    "strike",
    "armed",
    "struck",
    "held",
    "undo",
    "undone",
    "verified",
    "closed",
)
#: No run lasts longer; one that does is killed all the same.
PATIENCE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Instant:
    """So many seconds after a step; ``step`` is "begun" for any time at all."""

    step: str
    delay: float

    def __str__(self) -> str:
        return f"{self.delay * 1000:.0f} ms after {self.step}"


def choose(chance: random.Random, hold: float) -> Instant:
    """Return an instant: every fifth anywhere in the run, else soon after one of its steps."""
    if chance.random() < 0.2:
        return Instant("begun", chance.uniform(0.1, 5.0 + hold))
    step = chance.choice(_WATCHED)
    longest = hold if step == "held" else STEPS[step]
    return Instant(step, chance.uniform(0.0, longest))


class Stream:
    """Reads a run's events while they are written, and says how far it is."""

    def __init__(self, store: Path, name: str = "events.jsonl") -> None:
        self._store = store
        self._name = name
        self._path: Path | None = None
        self._at = 0
        self._rest = ""
        self._actions: list[str] = []
        self.seen = "begun"
        #: What came of the rehearsal, once it is told.
        self.outcome: str | None = None

    @property
    def actions(self) -> int:
        """How many were begun: a strike, an undo."""
        return len(self._actions)

    def read(self) -> str:
        """Return the latest step."""
        if self._path is None:
            self._path = next(iter(self._store.glob(f"runs/*/{self._name}")), None)
        if self._path is None:
            return self.seen
        with self._path.open(encoding="utf-8", errors="replace") as file:
            file.seek(self._at)
            data = file.read()
            self._at = file.tell()
        *lines, self._rest = (self._rest + data).split("\n")
        for line in lines:
            self._take(json.loads(line))
        return self.seen

    def _take(self, row: dict[str, object]) -> None:
        kind = row["event"]
        if kind == "ActionStarted" and row["action"] not in self._actions:
            self._actions.append(str(row["action"]))
        if kind == "RehearsalFinished":
            self.outcome = str(row["outcome"])
        undoing = len(self._actions) > 1
        step = {
            "RunStarted": "run", "RehearsalStarted": "rehearsal", "RunFinished": "ended",
            "ActionStarted": "undo" if undoing else "strike",
            "ActionStep": row.get("step"), "ActionFinished": "closed" if undoing else "held",
        }.get(str(kind))  # fmt: skip
        if step in STEPS and _ORDER.index(str(step)) > _ORDER.index(self.seen):
            self.seen = str(step)


def wait_for(instant: Instant, stream: Stream, process: subprocess.Popen[bytes]) -> bool:
    """Wait for an instant of a run; return False when it ended by itself before that."""
    deadline = time.monotonic() + PATIENCE_S
    while _ORDER.index(stream.read()) < _ORDER.index(instant.step):
        if process.poll() is not None:
            return False
        if time.monotonic() > deadline:
            return True
        time.sleep(0.003)
    until = time.monotonic() + instant.delay
    while (left := until - time.monotonic()) > 0:
        if process.poll() is not None:
            return False
        time.sleep(min(left, 0.02))
    return process.poll() is None
