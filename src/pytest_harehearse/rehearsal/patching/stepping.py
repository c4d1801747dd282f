# SPDX-License-Identifier: MIT
"""A person decides at every gate: the evidence is shown, and the answer is to go on, to go back, or to stop there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from pytest_harehearse.rehearsal.patching.steps import Step
from pytest_harehearse.rehearsal.patching.validation import Check

Answer = Literal["go", "back", "stop"]

#: Asked at every gate that is green, with its evidence.
Ask = Callable[[Step, Sequence[Check]], Answer]

#: The check of a gate that is their word.
DECIDES: Final = "whoever decides"
GATES: Final = ("A", "B", "C")
_ANSWERS: Final[dict[str, Answer]] = {
    "g": "go", "go": "go", "b": "back", "back": "back", "s": "stop", "stop": "stop",
}  # fmt: skip
#: How often an answer that is none is asked for again.
_TRIES: Final = 5
_MARKS: Final = {True: "✓", False: "✗", None: "?"}


class Stepper:
    """Asks at a terminal; says yes by itself up to a gate that was named."""

    def __init__(self, prompt: Callable[[str], str] | None, say: Callable[[str], None], until: str = "") -> None:
        #: Shows a question and returns a line; raises EOFError when there is none. None: nobody can be asked.
        self._prompt = prompt
        self._say = say
        self._until = until

    def __call__(self, step: Step, evidence: Sequence[Check]) -> Answer:
        """Return what is to be done at a gate that is green."""
        self._say(told(step, evidence))
        if self._until and step.gate <= self._until:
            self._say(f"gate {step.gate}: GO by --yes-until {self._until}")
            return "go"
        if self._prompt is None:
            self._say(f"gate {step.gate}: stopped, for nobody can be asked here")
            return "stop"
        for _ in range(_TRIES):
            try:
                said = self._prompt(f"gate {step.gate}: [g]o on, go [b]ack, [s]top here? ").strip().lower()
            except EOFError:
                break
            if said in _ANSWERS:
                return _ANSWERS[said]
            self._say(f"{said!r} is no answer; g, b or s is")
        self._say(f"gate {step.gate}: stopped, for there was no answer")
        return "stop"


def told(step: Step, evidence: Sequence[Check]) -> str:
    """Return what is shown at a gate: its evidence, and the way back from it."""
    rows = [
        f"  {_MARKS[one.ok]} {one.node or 'cluster'}: {one.name}" + (f": {one.detail}" if one.detail else "")
        for one in evidence
    ]
    return "\n".join([step.title, *rows, f"  back: {step.way_back}"])
