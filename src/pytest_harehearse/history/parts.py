# SPDX-License-Identifier: MIT
"""Runs that are part of another: of other machines, each whole in ``parts/NAME``, put together with clocks of their own. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pytest_harehearse.clock import Anchor
from pytest_harehearse.history.summary import ClusterSummary, RehearsalSummary, RunSummary, Verdict, worst
from pytest_harehearse.streams import STREAM

#: The folder of a run that holds the others.
FOLDER: Final = "parts"


def folders(directory: Path) -> list[Path]:
    """Return the runs that are part of the one in a directory, by name."""
    return sorted(path.parent for path in directory.glob(f"{FOLDER}/*/{STREAM}"))


def joined(own: RunSummary, parts: Mapping[str, RunSummary], unreadable: Mapping[str, str]) -> RunSummary:
    """Return a run with the rehearsals of others: nothing of them is lost, and its verdict is no better than theirs.

    Args:
        own: without the others.
        parts: the others by their names; each has its own clock, so its rehearsals keep its anchor.
        unreadable: names of others, and why they cannot be read.
    """
    rehearsals = [
        *own.rehearsals,
        *(_moved(one, name, part) for name, part in parts.items() for one in part.rehearsals),
    ]
    rehearsals.sort(key=lambda one: _instant(one.anchor or own.anchor, one.start))
    # One that only puts others together has no time of its own.
    timed = [own, *parts.values()] if own.rehearsals or not parts else list(parts.values())
    begins = min(_instant(one.anchor, one.anchor.mono) for one in timed)
    ends = max(_instant(one.anchor, one.anchor.mono) + one.duration for one in timed)
    finished = [one.finished_at for one in timed]
    problems = [f"{name}: {problem}" for name, part in parts.items() for problem in part.problems]
    problems += [f"{name} cannot be read, so nothing of it is here: {why}" for name, why in unreadable.items()]
    again = list(dict.fromkeys(one.again for one in timed))
    # One that puts others together has nothing of its own to be judged; a part on which nothing was rehearsed has.
    verdicts = [own.verdict] if own.rehearsals or own.finished_at is None else []
    verdicts += [part.verdict for part in parts.values()]
    return replace(
        own,
        started_at=Anchor(begins, 0.0).iso(0.0),
        finished_at=None if None in finished else Anchor(ends, 0.0).iso(0.0),
        duration=ends - begins,
        verdict=worst([*verdicts, *([Verdict.UNKNOWN] if unreadable else [])]),
        clusters=_clusters(own, parts),
        rehearsals=tuple(rehearsals),
        again="; ".join(again),
        problems=(*own.problems, *problems, *_together(own, rehearsals)),
    )


def _moved(one: RehearsalSummary, name: str, part: RunSummary) -> RehearsalSummary:
    return replace(
        one,
        id=f"{name}-{one.id}",
        anchor=one.anchor or part.anchor,
        runner=one.runner or f"run {part.run} on {part.host}",
        services=tuple(replace(service, file=f"{FOLDER}/{name}/{service.file}") for service in one.services),
    )


def _instant(anchor: Anchor, mono: float) -> float:
    return anchor.wall + mono - anchor.mono


def _clusters(own: RunSummary, parts: Mapping[str, RunSummary]) -> tuple[ClusterSummary, ...]:
    found: dict[str, ClusterSummary] = {}
    for run in (own, *parts.values()):
        for cluster in run.clusters:
            found.setdefault(cluster.id, cluster)
    return tuple(found.values())


def _together(own: RunSummary, rehearsals: Sequence[RehearsalSummary]) -> Iterator[str]:
    """Yield each pair that one cluster was rehearsed on at the same time, as far as the machines' clocks agree."""
    last: dict[str, tuple[RehearsalSummary, float]] = {}
    for one in rehearsals:
        anchor = one.anchor or own.anchor
        begins, ends = _instant(anchor, one.start), _instant(anchor, one.end)
        before = last.get(one.cluster)
        if before is not None and begins < before[1] and before[0].runner != one.runner:
            yield (
                f"{one.cluster} was rehearsed on by two runners at once, by their clocks: {before[0].name} of "
                f"{before[0].runner or 'this run'}, and {one.name} of {one.runner or 'this run'}"
            )
        if before is None or ends > before[1]:
            last[one.cluster] = (one, ends)
