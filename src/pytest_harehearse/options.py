# SPDX-License-Identifier: MIT
"""The options, once, for pytest (``--harehearse-env``) and for the command (``--env``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal


@dataclass(frozen=True, slots=True)
class Option:
    """One option. ``kind``: one value, a list of values, or a switch."""

    name: str
    kind: Literal["value", "list", "switch"]
    metavar: str
    help: str
    #: Other names that pytest takes for it.
    also: tuple[str, ...] = ()

    def pytest(self) -> tuple[str, dict[str, Any]]:
        """Return the option as ``parser.addoption`` takes it."""
        if self.kind == "switch":
            return f"--harehearse-{self.name}", {"action": "store_true", "default": False, "help": self.help}
        action = "append" if self.kind == "list" else "store"
        default: Any = [] if self.kind == "list" else None
        return f"--harehearse-{self.name}", {
            "action": action, "default": default, "metavar": self.metavar, "help": self.help,
        }  # fmt: skip

    @property
    def dest(self) -> str:
        """The name under which pytest keeps its value."""
        return f"harehearse_{self.name.replace('-', '_')}"


CONFIG: Final = Option("config", "value", "FILE", "The inventory. Default: harehearse.toml, found upward from rootdir")
ENV: Final = Option(
    "env", "list", "NAME", "Rehearse on the clusters of this environment; repeatable. Default: default_environment"
)
CLUSTER: Final = Option("cluster", "list", "ENV/NAME", "Rehearse on this cluster only; repeatable. Default: all of ENV")
STORE: Final = Option("store", "value", "DIR", "Where runs are kept. Default: .harehearse beside the inventory")
PLAN: Final = Option("plan", "switch", "", "Print every action, its undo and its expected effect; touch nothing")
KEEP_LAB: Final = Option("keep-lab", "switch", "", "Leave a lab that this run created. Default: remove it at the end")

ARM: Final = Option(
    "arm", "value", "ENV", "Act on this production, in its window, for the change that is named. Default: planned only"
)
CHANGE: Final = Option("change", "value", "ID", "The change that a production is armed for; stands in the reports")

STEP: Final = Option(
    "step",
    "switch",
    "",
    "Pause at every gate of a patch day, show its evidence, and ask: go on, go back, or stop there",
)
YES_UNTIL: Final = Option(
    "yes-until",
    "value",
    "GATE",
    "Say yes at the gates up to this one (A, B or C); with --harehearse-step",
    ("--yes-until",),
)
RESUME: Final = Option(
    "resume", "value", "RUN", "Go on with the patch day of this run (an id, a folder or latest) where it stopped"
)

REPEAT: Final = Option(
    "repeat",
    "value",
    "N",
    "Rehearse N times, each at a random phase of the cluster's timers: how long users wait depends on it",
)
SEED: Final = Option(
    "seed",
    "value",
    "SEED",
    "What chance is drawn from; the same again with the same. Default: the ISO week, as 2026w48",
)
REPLAY: Final = Option(
    "replay", "value", "RUN", "Draw what this run drew (an id, a folder or latest): its seed, and as many repeats"
)
SHRINK: Final = Option(
    "shrink",
    "value",
    "N",
    "Make a fault plan by chance that failed smaller, by at most N further runs of its test. Labs only",
)

PYTEST: Final = (
    CONFIG,
    ENV,
    CLUSTER,
    STORE,
    PLAN,
    KEEP_LAB,
    ARM,
    CHANGE,
    STEP,
    YES_UNTIL,
    RESUME,
    REPEAT,
    SEED,
    REPLAY,
    SHRINK,
)

#: The marks, as ``pytest --markers`` shows them.
REHEARSAL: Final = (
    "rehearsal(interruption=, lost_writes=, redundancy=, dual_active=): limits this rehearsal is judged by."
)
CHANCE: Final = "chance(plans=3, steps=4, faults=[...], quorum_lost=False, targets=[...]): draw so many fault plans, each for a test of its own: fault_plan."
NEEDS: Final = "needs(nodes=, manager=, fencing=, capability=): skip, with the reason, on a cluster without it."
