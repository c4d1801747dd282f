# SPDX-License-Identifier: MIT
"""Judges a rehearsal when its test's body is over: limits, invariants, and outcomes that the test asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_harehearse.clock import now
from pytest_harehearse.errors import Indeterminate
from pytest_harehearse.events import ClusterRecorded, Event, InvariantLooked
from pytest_harehearse.rehearsal import invariants, limits
from pytest_harehearse.rehearsal.outcome import Watched, observe, strikes
from pytest_harehearse.rehearsal.scene import places
from pytest_harehearse.rehearsal.verdict import Verdict
from pytest_harehearse.streams import read_events

if TYPE_CHECKING:
    from pytest_harehearse.rehearsal.session import Rehearsal


def judge(rehearsal: Rehearsal, stream: Path, collect: Callable[[], None]) -> None:
    """Undo what the test left open, then judge.

    Args:
        rehearsal: is over, but for this.
        stream: the run's events.
        collect: fetches what the cluster itself recorded.

    Raises:
        LimitExceeded: a limit or an invariant was broken, or a fault had another outcome than the test asked for.
        NotMeasured: one of them could not be judged.
        HarehearseError: something could not be undone.
    """
    rehearsal.striker.undo_all()
    acted = rehearsal.recorder.first_action is not None
    redundancy = rehearsal.redundancy() if acted else None
    looked = _look(rehearsal, redundancy) if acted else ()
    measured, dual = rehearsal.probes.measured(), rehearsal.probes.dual()
    kept = limits.judge(rehearsal.limits, measured, redundancy, dual, writes=rehearsal.cluster.writes)
    held = invariants.judge(rehearsal.limits, measured, dual if rehearsal.probes.asked_nodes else None, looked)
    others = [(one.verdict, invariants.describe(one)) for one in held]
    early = _over_early(rehearsal, stream, collect)
    limits.raise_for(kept, [*others, *early, *_asserted(rehearsal, stream, collect)])


def _look(rehearsal: Rehearsal, redundancy: limits.Redundancy | None) -> tuple[InvariantLooked, ...]:
    looked = tuple(
        invariants.look(
            rehearsal.cluster.manager, places(rehearsal.scene), rehearsal=rehearsal.recorder.rehearsal,
            before=rehearsal.cluster.nodes, aside=rehearsal.recorder.aside, redundancy=redundancy,
            limited="redundancy" in rehearsal.limits,
        )
    )  # fmt: skip
    for one in looked:
        rehearsal.recorder.write(one)
    return looked


def _over_early(rehearsal: Rehearsal, stream: Path, collect: Callable[[], None]) -> list[tuple[Verdict, str]]:
    """Judge faults that were over before their time: right only when the cluster recorded that it fenced a node."""
    early = rehearsal.recorder.early
    if not early:
        return []
    collect()
    fenced = any(isinstance(x, ClusterRecorded) and x.what == "fenced" for x in _mine(rehearsal, stream))
    return [] if fenced else [(Verdict.UNKNOWN, text) for text in early]


def _asserted(rehearsal: Rehearsal, stream: Path, collect: Callable[[], None]) -> list[tuple[Verdict, str]]:
    """Judge the outcomes that the test asked for."""
    mine = _mine(rehearsal, stream)
    if not any(one.started.asserted for one in strikes(mine, now())):
        return []
    collect()
    mine = _mine(rehearsal, stream)
    watched = [
        Watched(one.name, one.measurement, one.file.attempts)
        for seen in rehearsal.probes.seen
        for one in seen.services.values()
    ]
    found = []
    for one in strikes(mine, now()):
        if not one.started.asserted:
            continue
        observed = observe(one, mine, watched)
        fits = observed.agrees(one.started.expected)
        verdict = Verdict.UNKNOWN if fits is None else Verdict.PASSED if fits else Verdict.FAILED
        seen_as = "unknown" if observed.outcome is None else observed.outcome.value
        text = f"outcome of {one.started.fault} on {one.started.target}: expected {one.started.expected}, observed {seen_as}"
        found.append((verdict, f"{text}, because {observed.why}"))
    return found


def _mine(rehearsal: Rehearsal, stream: Path) -> list[Event]:
    """Return the rehearsal's events so far.

    Raises:
        Indeterminate: the stream cannot be read.
    """
    try:
        return [x for x in read_events(stream) if getattr(x, "rehearsal", None) == rehearsal.recorder.rehearsal]
    except (OSError, ValueError) as error:
        raise Indeterminate(f"What happened in the rehearsal cannot be read back: {error}") from error
