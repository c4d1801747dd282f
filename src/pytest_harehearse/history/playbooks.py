# SPDX-License-Identifier: MIT
"""What earlier runs measured of a playbook: how long each step took, and what users felt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pytest_harehearse.clock import Anchor
from pytest_harehearse.events import Event, PlaybookFixed, RehearsalStarted, RunStarted, StepFinished, StepStarted
from pytest_harehearse.rehearsal.patching.progress import same_test
from pytest_harehearse.streams import read_run

#: So many runs, the latest ones, are looked into.
MOST_RUNS: Final = 200

#: A step whoever's turn it is: name, gate, and which node by turn.
Role = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One patch day that was rehearsed."""

    run: str
    at: str
    cluster: str
    kind: str
    verdict: str
    fingerprint: str
    parts: Mapping[str, str]
    #: Seconds of the steps that ended well, by role.
    took: Mapping[Role, float] = field(default_factory=dict)
    #: Seconds from the first step to the last.
    whole: float | None = None
    #: Upper bound of the longest interruption of a service, seconds; None: not known.
    interruption: float | None = None


def roles(steps: Iterable[Mapping[str, str]]) -> list[Role]:
    """Return each step by its role: what it does, and to which node by turn."""
    turn: dict[str, int] = {}
    return [(one["name"], one.get("gate", ""), turn.setdefault(one.get("node", ""), len(turn))) for one in steps]


def rehearsed(store: Path, nodeid: str) -> tuple[list[Rehearsed], list[str]]:
    """Return the rehearsals of a test on any cluster, latest first; and what could not be read."""
    runs = store / "runs"
    folders = sorted(
        (path for path in runs.iterdir() if (path / "events.jsonl").is_file()) if runs.is_dir() else (),
        key=lambda path: path.stat().st_mtime_ns, reverse=True,
    )[:MOST_RUNS]  # fmt: skip
    found: list[Rehearsed] = []
    problems: list[str] = []
    for folder in folders:
        try:
            found += of(read_run(folder), nodeid, _summary(folder))
        except (OSError, ValueError, KeyError, TypeError) as error:
            problems.append(f"{folder.name}: {error}")
    return found, problems


def _summary(folder: Path) -> dict[str, Any]:
    """Return the rehearsals of ``run.json`` by their id; nothing of a run that was killed."""
    path = folder / "run.json"
    if not path.is_file():
        return {}
    return {one["id"]: one for one in json.loads(path.read_text(encoding="utf-8"))["rehearsals"]}


def of(events: list[Event], nodeid: str, summaries: Mapping[str, Any]) -> list[Rehearsed]:
    """Return the patch days of a test in one run, latest first."""
    begun = next((event for event in events if isinstance(event, RunStarted)), None)
    if begun is None:
        return []
    anchor = Anchor(begun.wall, begun.t)
    found = []
    for started in events:
        if not isinstance(started, RehearsalStarted) or not same_test(started.nodeid, nodeid):
            continue
        own = [event for event in events if getattr(event, "rehearsal", None) == started.rehearsal]
        books = [event for event in own if isinstance(event, PlaybookFixed)]
        if len(books) != 1 or books[0].resumes:
            # Of two in one test, or of half a one, no time of the whole can be told.
            continue
        took, whole = _times(own, books[0])
        summary = summaries.get(started.rehearsal, {})
        found.append(
            Rehearsed(
                begun.run, anchor.iso(started.t), started.cluster, started.kind, str(summary.get("verdict", "unfinished")),
                books[0].fingerprint, books[0].parts, took, whole, _felt(summary),
            )
        )  # fmt: skip
    return found[::-1]


def _times(events: list[Event], book: PlaybookFixed) -> tuple[dict[Role, float], float | None]:
    began = {event.step: event.t for event in events if isinstance(event, StepStarted)}
    order = [event.step for event in events if isinstance(event, StepStarted)]
    ended = {event.step: event.t for event in events if isinstance(event, StepFinished) and event.outcome == "done"}
    took = {
        role: ended[step] - began[step] for step, role in zip(order, roles(book.steps), strict=False) if step in ended
    }
    whole = ended[order[-1]] - began[order[0]] if order and len(ended) == len(book.steps) else None
    return took, whole


def _felt(summary: Mapping[str, Any]) -> float | None:
    """Return the longest single interruption that a service had, by its upper bound."""
    longest: list[float] = []
    for service in summary.get("services", ()):
        if not service["valid"]:
            return None
        for outage in service["outages"]:
            if outage["upper"] is None:
                return None
            longest.append(float(outage["upper"]))
        longest.append(0.0)
    return max(longest, default=None)
