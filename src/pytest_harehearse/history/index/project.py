# SPDX-License-Identifier: MIT
"""From a run's summary (the content of ``run.json``) to what the history keeps of each rehearsal. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pytest_harehearse.clock import Anchor
from pytest_harehearse.history.index.codec import digest, parse_instant
from pytest_harehearse.history.index.measured import Measured, PatchMeasured, ServiceMeasured
from pytest_harehearse.history.summary import SCHEMA
from pytest_harehearse.rehearsal.phase import Turn

#: As ``managers.pacemaker_records`` words a fencing that ended well.
_FENCED: Final = re.compile(r"\b(?:reboot|off) of (\S+) by ")
#: A service that is interrupted again so soon was not back for its users, in seconds.
TOGETHER_S: Final = 5.0
#: Hexadecimal digits of a run's key.
_KEY: Final = 16


@dataclass(frozen=True, slots=True)
class Indexed:
    """A run as the history keeps it."""

    #: Names it among the runs of all machines: another machine, or an emptied store, counts from 01 again.
    key: str
    run: str
    at: datetime
    host: str
    version: str
    verdict: str
    rehearsals: tuple[Measured, ...]


def project(run: Mapping[str, Any]) -> Indexed:
    """Return what the history keeps of a run.

    Args:
        run: the content of ``run.json``.

    Raises:
        ValueError: it is none, or one of a schema that this version does not know.
    """
    schema = run.get("schema") if isinstance(run, Mapping) else None
    if schema != SCHEMA:
        told = f"schema {schema!r}" if schema is not None else "no schema"
        newer = isinstance(schema, int) and schema > SCHEMA
        raise ValueError(
            f"its run.json has {told}, and this version reads schema {SCHEMA}"
            + ("; a newer pytest-harehearse wrote it" if newer else "")
        )
    try:
        anchor = Anchor(float(run["anchor"]["wall"]), float(run["anchor"]["mono"]))
        key = digest("\n".join([run["run"], run["host"], repr(anchor.wall), repr(anchor.mono)]))[:_KEY]
        rehearsals = tuple(_measured(run, one, anchor, key) for one in run["rehearsals"])
        began = parse_instant(run["started_at"])
        return Indexed(key, run["run"], began, run["host"], run["version"], str(run["verdict"]), rehearsals)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its run.json lacks what a run has: {error!r}") from error


def scenario(nodeid: str, cluster: str, repeat: int = 0, repeats: int = 0) -> str:
    """Return a node id without the cluster's id and the repeat's, so that it is the same on every cluster and each time."""
    if repeat:
        cluster = Turn(cluster, repeat, repeats).shown
    name, bracket, rest = nodeid.rpartition("[")
    if not bracket or not rest.endswith("]"):
        return nodeid
    words = rest[:-1]
    if words == cluster:
        return name
    return f"{name}[{words[len(cluster) + 1 :]}]" if words.startswith(f"{cluster}-") else nodeid


def _measured(run: Mapping[str, Any], one: Mapping[str, Any], anchor: Anchor, key: str) -> Measured:
    dual = one["dual"]
    return Measured(
        run=run["run"],
        rehearsal=one["id"],
        nodeid=one["nodeid"],
        scenario=scenario(one["nodeid"], one["cluster"], one.get("repeat", 0), one.get("repeats", 0)),
        cluster=one["cluster"],
        kind=one["kind"],
        at=_clocks(one, anchor).at(one["start"]),
        verdict=str(one["verdict"]),
        reason=one["reason"],
        duration=one["end"] - one["start"],
        services=tuple(_service(service) for service in one["services"]),
        phases=_phases(one["phases"]),
        patch_days=tuple(_patch_day(day) for day in one["patch_days"]),
        fenced=tuple(sorted(_fenced(one))),
        faults=tuple(fault["name"] for fault in one["faults"]),
        dual=None if dual is None or dual["problem"] is not None else dual["upper"],
        version=run["version"],
        host=run["host"],
        key=key,
    )


def _clocks(one: Mapping[str, Any], anchor: Anchor) -> Anchor:
    """Return the clocks of a rehearsal: of another machine than the run's, or the run's."""
    own = one.get("anchor")
    return anchor if own is None else Anchor(float(own["wall"]), float(own["mono"]))


def _service(one: Mapping[str, Any]) -> ServiceMeasured:
    writes = one["writes"]
    return ServiceMeasured(
        name=one["name"],
        probe=one["probe"],
        mode=one["mode"],
        session=one["session"],
        valid=one["valid"],
        lower=one["total_lower"],
        upper=one["total_upper"],
        outages=len(one["outages"]),
        lost=None if writes is None or writes["problem"] else len(writes["lost"]),
        every=one["every"],
        longest=_longest(one["outages"]),
    )


def _longest(outages: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the longest that was felt at one go, in seconds; None: its beginning or end was not seen."""
    longest, felt, before = 0.0, 0.0, None
    for outage in sorted(outages, key=lambda one: one["start"]):
        if outage["upper"] is None:
            return None
        felt = outage["upper"] + (felt if before is not None and outage["start"] - before < TOGETHER_S else 0.0)
        longest, before = max(longest, felt), outage["end"]
    return longest


def _phases(found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the phases after the thing that was done that interrupted users longest."""
    felt = [one for one in found if one["upper"] is not None]
    worst = max(felt, key=lambda one: one["upper"], default=None)
    lengths: dict[str, float] = {}
    for phase in worst["phases"] if worst else ():
        if phase["begin"] is not None and phase["end"] is not None:
            lengths[phase["name"]] = lengths.get(phase["name"], 0.0) + phase["end"]["at"] - phase["begin"]["at"]
    return lengths


def _fenced(one: Mapping[str, Any]) -> set[str]:
    """Return the nodes of which a record tells that they were fenced."""
    marks = [mark for found in one["phases"] for mark in found["marks"] if mark["what"] == "fenced"]
    return {match[1] for mark in marks if (match := _FENCED.search(mark["text"]))}


def _patch_day(day: Mapping[str, Any]) -> PatchMeasured:
    steps = day["steps"]
    through = bool(steps) and all(step["outcome"] in {"done", "skipped"} for step in steps)
    backs = [gate["way_back"] for gate in day["gates"] if gate["way_back"] is not None]
    return PatchMeasured(
        way=day["way"],
        patch=day["patch"],
        fingerprint=day["fingerprint"],
        # A run.json of an earlier version names no parts.
        parts=day.get("parts", {}),
        went_through=through,
        whole=day["end"] - day["start"] if through and not day["resumes"] else None,
        prepatch=any(step["name"] == "prove_switchover" and step["outcome"] == "done" for step in steps),
        way_back=max(backs, default=None),
    )
