# SPDX-License-Identifier: MIT
"""Compute the summary of a run from its streams of events and ``attempts/``, and from nothing else.

The same for a run that ended well and for one that was killed: what has no end is "unfinished".
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pytest_harehearse import events as e
from pytest_harehearse import streams
from pytest_harehearse.clock import Anchor
from pytest_harehearse.history import parts
from pytest_harehearse.history.rehearsal import build_rehearsal
from pytest_harehearse.history.summary import ClusterSummary, RunSummary, Verdict, worst

#: Options that lead to the same inventory and store, and to the same production for the same change.
_KEPT: Final = frozenset({"--harehearse-config", "--harehearse-store", "--harehearse-arm", "--harehearse-change"})


def build(directory: Path, only: str | None = None) -> RunSummary:
    """Return the summary of the run in ``directory``.

    Args:
        directory: of the run.
        only: the id of a rehearsal: leave the others out; None: all of them.

    Raises:
        ValueError: the stream is damaged or has no beginning.
        OSError: it cannot be read.
    """
    summary = _own(directory, only)
    found = parts.folders(directory) if only is None else []
    missing = [x for x in streams.read_events(directory / streams.STREAM) if isinstance(x, e.PartMissing)]
    if not found and not missing:
        return summary
    others: dict[str, RunSummary] = {}
    unreadable = {x.part: x.why for x in missing}
    for folder in found:
        try:
            others[folder.name] = build(folder)
        except (OSError, ValueError) as error:
            unreadable[folder.name] = str(error)
    return parts.joined(summary, others, unreadable)


def _own(directory: Path, only: str | None) -> RunSummary:
    """Return what the run's own streams and those of its workers on this machine say."""
    stream = streams.read_run(directory)
    begun = next((x for x in stream if isinstance(x, e.RunStarted)), None)
    if begun is None:
        raise ValueError(f"{directory / 'events.jsonl'} does not begin with RunStarted, so its times mean nothing")
    ended = next((x for x in stream if isinstance(x, e.RunFinished)), None)
    anchor = Anchor(begun.wall, begun.t)
    last = max(x.t for x in stream)
    clusters = {x.cluster: _cluster(x) for x in stream if isinstance(x, e.ClusterOpened)}
    options = _kept_options(begun.argv)
    problems: list[str] = []
    rehearsals = tuple(
        build_rehearsal(started, stream, directory, clusters.get(started.cluster), last, options, problems)
        for started in sorted((x for x in stream if isinstance(x, e.RehearsalStarted)), key=lambda x: x.t)
        # What tries a part of a plan is told with the rehearsal that failed, and is none of its own in any count.
        if only in {None, started.rehearsal} and not started.shrinks and not _skipped(started, stream)
    )
    verdicts = [one.verdict for one in rehearsals] + ([] if ended else [Verdict.UNFINISHED])
    return RunSummary(
        run=begun.run,
        version=begun.version,
        python=begun.python,
        host=begun.host,
        argv=tuple(begun.argv),
        anchor=anchor,
        started_at=anchor.iso(begun.t),
        finished_at=anchor.iso(ended.t) if ended else None,
        duration=(ended.t if ended else last) - begun.t,
        verdict=worst(verdicts),
        clusters=tuple(clusters.values()),
        rehearsals=rehearsals,
        again=shlex.join(["pytest", *begun.argv]),
        problems=tuple(problems),
    )


def _cluster(opened: e.ClusterOpened) -> ClusterSummary:
    return ClusterSummary(
        opened.cluster, opened.kind, opened.manager, opened.provider, tuple(opened.nodes), opened.lab_up_s,
        tuple(opened.notes), opened.writes, opened.change, opened.armed_by,
    )  # fmt: skip


def _skipped(started: e.RehearsalStarted, stream: Sequence[e.Event]) -> bool:
    return any(
        isinstance(x, e.RehearsalFinished) and x.rehearsal == started.rehearsal and x.outcome == "skipped"
        for x in stream
    )


def _kept_options(argv: list[str]) -> list[str]:
    """Return the options without which a repetition would not be one."""
    kept: list[str] = []
    for index, word in enumerate(argv):
        name, equals, _ = word.partition("=")
        if name in _KEPT:
            kept += [word] if equals else argv[index : index + 2]
    return kept
