# SPDX-License-Identifier: MIT
"""How far a patch day came that was broken off: read from its run, so that another can go on where it stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.events import (
    Event,
    FactsRead,
    GateReached,
    PlaybookFixed,
    RehearsalStarted,
    RunStarted,
    StepFinished,
    StepStarted,
)
from pytest_harehearse.rehearsal.patching.steps import Step
from pytest_harehearse.rehearsal.patching.validation import Facts
from pytest_harehearse.streams import read_run

_KNOWN = frozenset(one.name for one in fields(Step))


@dataclass(frozen=True, slots=True)
class Progress:
    """One workflow of a run, as far as it came."""

    run: str
    fingerprint: str
    parts: Mapping[str, str]
    original: str
    steps: tuple[Step, ...]
    #: Ids of the steps that were done, and gates that were GO.
    done: frozenset[str]
    #: What each node said of itself before anything was patched.
    before: Mapping[str, Facts] = field(default_factory=dict)
    #: Wall-clock time since which two versions are side by side; 0: they are not.
    mixed: float = 0.0


def read(directory: Path, nodeid: str, cluster: str) -> list[Progress]:
    """Return the workflows of a test in a run, in the order in which they were begun.

    Raises:
        ConfigError: the run cannot be read, or the test carried out no patch day on that cluster there.
    """
    try:
        events = read_run(directory)
    except (OSError, ValueError) as error:
        raise ConfigError(f"The run in {directory} cannot be gone on with: {error}") from error
    found = of(events, nodeid, cluster)
    if not found:
        raise ConfigError(
            f"The run in {directory} holds no patch day of {nodeid} on {cluster}, so there is nothing to go on with. "
            "Run it without --harehearse-resume."
        )
    return found


def same_test(one: str, other: str) -> bool:
    """Return whether two ids mean the same test, wherever pytest was started and whichever cluster it ran on."""
    (path, *rest), (other_path, *other_rest) = (text.split("[")[0].split("::") for text in (one, other))
    return (Path(path).name, rest) == (Path(other_path).name, other_rest)


def of(events: Iterable[Event], nodeid: str, cluster: str) -> list[Progress]:
    """Return the workflows of a test on a cluster; of a test that ran more than once, those of the last time. Pure."""
    run, wall, at, rehearsal = "", 0.0, 0.0, ""
    found: list[Progress] = []
    begun: dict[str, str] = {}
    for event in events:
        match event:
            case RunStarted():
                run, wall, at = event.run, event.wall, event.t
            case RehearsalStarted() if same_test(event.nodeid, nodeid) and event.cluster == cluster:
                rehearsal, found = event.rehearsal, []
            case PlaybookFixed() if event.rehearsal == rehearsal:
                found.append(_fixed(event, run))
            case FactsRead() if event.rehearsal == rehearsal and found:
                facts = Facts(event.boot, event.kernel, frozenset(event.failed), dict(event.packages))
                found[-1] = _with(found[-1], before={**found[-1].before, event.node: facts})
            case StepStarted() if event.rehearsal == rehearsal and found:
                begun[event.step] = " ".join(word for word in (event.name, event.node) if word)
                if event.name == "patch" and not found[-1].mixed:
                    found[-1] = _with(found[-1], mixed=wall + event.t - at)
            case StepFinished() if event.rehearsal == rehearsal and found and event.outcome in {"done", "skipped"}:
                found[-1] = _with(found[-1], done=found[-1].done | {begun.get(event.step, "")} - {"gate", ""})
            case GateReached() if event.rehearsal == rehearsal and found and event.verdict == "GO":
                found[-1] = _with(found[-1], done=found[-1].done | {f"gate {event.gate}"})
    return found


def _fixed(event: PlaybookFixed, run: str) -> Progress:
    steps = tuple(Step(**{key: text for key, text in one.items() if key in _KNOWN}) for one in event.steps)  # type: ignore[arg-type]  # the name was one when it was written
    return Progress(
        run, event.fingerprint, event.parts, event.original, steps, frozenset(event.done), mixed=event.mixed
    )


def _with(progress: Progress, **changes: object) -> Progress:
    from dataclasses import replace

    return replace(progress, **changes)  # type: ignore[arg-type]  # names and types are those of its own fields


def skipped(steps: Sequence[Step], done: frozenset[str]) -> frozenset[str]:
    """Return the ids of the steps that need not be taken again. Pure.

    Everything up to the last gate that was GO is behind us. After it nothing is installed or rebooted twice, but every look
    at the cluster is taken anew, for the evidence of a gate must be of now. What drains a node is repeated while the node
    still has to be touched: whoever healed the cluster after the abort has let it in again.
    """
    passed = max((number for number, step in enumerate(steps) if step.gate and step.id in done), default=-1)
    found = {step.id for step in steps[: passed + 1]}
    for step in steps[passed + 1 :]:
        if step.name in {"patch", "reboot", "prove_switchover"} and step.id in done:
            found.add(step.id)
    for step in steps[passed + 1 :]:
        if step.name in {"drain", "undrain"}:
            of_node = {one.id for one in steps if one.node == step.node and one.name in {"patch", "reboot"}}
            if of_node <= found:
                found.add(step.id)
    return frozenset(found - {step.id for step in steps if step.name == "preflight"})
