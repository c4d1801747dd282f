# SPDX-License-Identifier: MIT
"""The gates that rehearsals decide: often and lately enough, within the budget, nothing lost, the way back tried. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from pytest_harehearse.history.gate.decision import IN_LAB, IN_PRODUCTION, Answer, Gate
from pytest_harehearse.history.index.measured import Measured
from pytest_harehearse.inventory.model import Cluster
from pytest_harehearse.rehearsal.patching.playbook import PARTS
from pytest_harehearse.units import show

_PASSED: Final = "passed"
#: The share of doubt that the one-sided bound leaves.
DOUBT: Final = 0.05


@dataclass(frozen=True, slots=True)
class Rehearsals:
    """What is known of a cluster's rehearsals.

    Args:
        cluster: the one that the decision is about.
        source: where it is rehearsed: its twin, or itself.
        now: aware.
        found: all rehearsals on ``source`` and, where that is another one, on the cluster itself; the oldest first.
        damaged: run → why it proves nothing.
        again: what rehearses it, as a command.
    """

    cluster: Cluster
    source: Cluster
    now: datetime
    found: tuple[Measured, ...]
    damaged: Mapping[str, str]
    again: str

    def within(self, seconds: float) -> list[Measured]:
        """Return the sound ones that are not older."""
        begin = self.now - timedelta(seconds=seconds)
        return [one for one in self.found if begin <= one.at <= self.now and one.run not in self.damaged]

    @property
    def fresh(self) -> list[Measured]:
        """Those that count."""
        return self.within(self.cluster.gates.rehearsed_within)

    @property
    def lacking(self) -> Answer:
        """What it means that evidence is missing: a plain no, unless it may have been there, or nothing ever was."""
        return Answer.NO_GO if self.found and not self.damaged else Answer.UNKNOWN

    @property
    def planned(self) -> list[Measured]:
        """Of those, the ones of planned work: nothing was broken on purpose."""
        return [one for one in self.fresh if not one.faults]


def gates(known: Rehearsals) -> list[Gate]:
    """Return every gate that rehearsals decide."""
    found = [_sound(known), _often(known), _each_passed(known), _interruption(known), _lost(known), _dual(known)]
    return [*found, _prepatch(known), _way_back(known)]


def bound(clean: int, doubt: float = DOUBT) -> float:
    """Return the share of moves over the budget that so many clean ones leave possible, with that share of doubt.

    One-sided exact (Clopper–Pearson) bound for no event in n trials, 1 − doubt^(1/n); for large n the "rule of three"
    (J. A. Hanley, A. Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249, 1983).
    """
    return 1.0 if clean == 0 else 1.0 - doubt ** (1.0 / clean)


def provenance(found: Sequence[Measured]) -> str:
    """Return where these were measured."""
    kinds = {one.kind for one in found}
    return (
        " and ".join(words for kind, words in (("lab", IN_LAB), ("production", IN_PRODUCTION)) if kind in kinds)
        or IN_LAB
    )


def runs(found: Sequence[Measured], most: int = 3) -> str:
    """Return which runs these are, the latest first."""
    names = list(dict.fromkeys(f"{one.run} on {one.cluster}" for one in reversed(found)))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _age(known: Rehearsals, found: Sequence[Measured]) -> float | None:
    return max(0.0, (known.now - found[-1].at).total_seconds()) if found else None


def _days(seconds: float) -> str:
    return f"{seconds / 86400:.3g} d" if seconds >= 86400 else show(seconds)


def _of(known: Rehearsals, gate: Gate, found: Sequence[Measured]) -> Gate:
    """Return a gate with what is the same for all of them: where from, how old, and how to turn it to GO."""
    where = provenance(found) if found else (IN_LAB if known.source.kind == "lab" else IN_PRODUCTION)
    command = "" if gate.answer is Answer.GO else gate.command or known.again
    return replace(gate, provenance=where, age=_age(known, found), command=command)


def _sound(known: Rehearsals) -> Gate:
    if not known.damaged:
        return _of(known, Gate("evidence is sound", Answer.GO, f"{len(known.found)} rehearsals", "as they were written",
                               "every row, run.json and what its events come to agree", ""), known.found)  # fmt: skip
    told = "; ".join(f"{run}: {why}" for run, why in list(known.damaged.items())[:3])
    return _of(known, Gate("evidence is sound", Answer.UNKNOWN, f"{len(known.damaged)} damaged", "as they were written",
                           told, "", remedy="find out who changed it, then rehearse anew; damaged runs prove nothing"),
               ())  # fmt: skip


def _often(known: Rehearsals) -> Gate:
    limits = known.cluster.gates
    passed = [one for one in known.planned if one.verdict == _PASSED]
    enough = len(passed) >= limits.rehearsals
    answer = Answer.GO if enough else known.lacking
    last = known.found[-1] if known.found else None
    evidence = runs(passed) if passed else (
        f"the last one was {last.at:%Y-%m-%d %H:%M} UTC, {last.verdict}" if last else f"none on {known.source.id} was ever kept"
    )  # fmt: skip
    missing = limits.rehearsals - len(passed)
    return _of(known, Gate(
        "rehearsed lately and often enough", answer, f"{len(passed)} passed",
        f"{limits.rehearsals} within {_days(limits.rehearsed_within)}", evidence, "",
        remedy="" if enough else f"rehearse planned work {missing} more {'time' if missing == 1 else 'times'}",
    ), passed or known.found)  # fmt: skip


def _each_passed(known: Rehearsals) -> Gate:
    last: dict[tuple[str, str], Measured] = {}
    for one in known.fresh:
        last[one.cluster, one.scenario] = one
    bad = [one for one in last.values() if one.verdict != _PASSED]
    failed = [one for one in bad if one.verdict == "failed"]
    name, limit = "every scenario passed last time", "all passed"
    if not last:
        return _of(known, Gate(name, Answer.UNKNOWN, "none rehearsed", limit, "no rehearsal counts", "",
                               remedy="rehearse"), ())  # fmt: skip
    if not bad:
        found = sorted(last.values(), key=lambda one: one.at)
        return _of(known, Gate(name, Answer.GO, f"{len(last)} of {len(last)}", limit, runs(found), ""), found)
    told = "; ".join(f"{one.scenario.rpartition('::')[2]} {one.verdict} in {one.run}: {one.reason or 'no reason'}"
                     for one in bad[:3])  # fmt: skip
    return _of(known, Gate(
        name, Answer.NO_GO if failed else Answer.UNKNOWN, f"{len(last) - len(bad)} of {len(last)}", limit, told, "",
        remedy="mend what failed, and rehearse it again",
    ), sorted(bad, key=lambda one: one.at))  # fmt: skip


def budget(known: Rehearsals) -> float | None:
    """Return how long an interruption may be, in seconds: the gate's, else the tightest of a service; None: unset."""
    if known.cluster.gates.interruption is not None:
        return known.cluster.gates.interruption
    return min((one.interruption for one in known.cluster.services if one.interruption is not None), default=None)


def _interruption(known: Rehearsals) -> Gate:
    name, limit = "interruption within the budget", budget(known)
    found = known.planned
    if limit is None:
        return _of(known, Gate(name, Answer.UNKNOWN, "–", "not set", "the inventory sets no budget", "",
                               remedy=f"set interruption in [environments.{known.cluster.environment}.clusters."
                               f"{known.cluster.name}.gates]", command="harehearse gate " + known.cluster.id), ())  # fmt: skip
    felt = [(one, one.at_one_go) for one in found]
    sound = [(one, value) for one, value in felt if value is not None]
    open_end = [one for one, value in felt if value is None]
    worst = max(sound, key=lambda pair: pair[1], default=None)
    if worst is None:
        return _of(known, Gate(name, Answer.UNKNOWN, "not measured", f"≤ {show(limit)}",
                               f"{len(open_end)} rehearsals, none soundly measured", "", remedy="rehearse"), ())  # fmt: skip
    one, value = worst
    over = value > limit
    answer = Answer.NO_GO if over else Answer.UNKNOWN if open_end else Answer.GO
    clean = sum(1 for _, each in sound if each <= limit)
    evidence = f"worst of {len(sound)}: {one.run} on {one.cluster}, {one.scenario.rpartition('::')[2]}"
    if not over:
        evidence += f"; {clean} clean ones leave up to {bound(clean):.0%} over it possible (95 % sure)"
    if open_end:
        evidence += f"; not known of {len(open_end)}: {runs(open_end)}"
    return _of(known, Gate(
        name, answer, show(value), f"≤ {show(limit)}", evidence, "",
        remedy="" if answer is Answer.GO else
        f"find what takes the {show(value - limit)} over it: harehearse compare and drift name it" if over else
        "rehearse again: an interruption without an end is no evidence",
    ), [each for each, _ in sound])  # fmt: skip


def _lost(known: Rehearsals) -> Gate:
    name = "no acknowledged write lost"
    counted = [one for one in known.planned if any(each.lost is not None for each in one.services)]
    lost = {one.run: sum(each.lost or 0 for each in one.services) for one in counted}
    bad = {run: count for run, count in lost.items() if count}
    if bad:
        told = "; ".join(f"{count} in {run}" for run, count in bad.items())
        return _of(known, Gate(name, Answer.NO_GO, f"{sum(bad.values())} lost", "0", told, "",
                               remedy="make the switchover wait for the standby, and rehearse again"), counted)  # fmt: skip
    unaudited = [
        one for one in known.planned if any(each.mode == "write" and each.lost is None for each in one.services)
    ]
    if unaudited:
        return _of(known, Gate(name, Answer.UNKNOWN, "not audited", "0",
                               f"the writes could not be looked up in {runs(unaudited)}", "",
                               remedy="rehearse again"), unaudited)  # fmt: skip
    if counted:
        return _of(known, Gate(name, Answer.GO, "0 lost", "0", f"audited in {runs(counted)}", ""), counted)
    if known.planned:
        return _of(known, Gate(name, Answer.GO, "nothing is written", "0",
                               "no service of it is written to, so none can be lost", ""), known.planned)  # fmt: skip
    return _of(known, Gate(name, Answer.UNKNOWN, "not audited", "0", "no rehearsal counts", "", remedy="rehearse"), ())


def _dual(known: Rehearsals) -> Gate:
    name = "never two nodes active at once"
    looked = [one for one in known.fresh if one.dual is not None]
    bad = [one for one in looked if one.dual]
    if bad:
        longest = max(bad, key=lambda one: one.dual or 0.0)
        return _of(known, Gate(name, Answer.NO_GO, show(longest.dual), "0 s", f"in {runs(bad)}", "",
                               remedy="mend fencing or the switchover, and rehearse again"), bad)  # fmt: skip
    if not looked:
        return _of(known, Gate(name, Answer.UNKNOWN, "not looked at", "0 s", "no rehearsal that counts asked the nodes", "",
                               remedy="rehearse"), ())  # fmt: skip
    return _of(known, Gate(name, Answer.GO, "0 s", "0 s", f"asked in {runs(looked)}", ""), looked)


def _prepatch(known: Rehearsals) -> Gate:
    name, limit = (
        "the service moved before anything was patched",
        f"within {_days(known.cluster.gates.rehearsed_within)}",
    )
    done = [
        one for one in known.planned
        if one.verdict == _PASSED
        and (any(day.prepatch for day in one.patch_days) or (not one.patch_days and "switchover" in one.scenario))
    ]  # fmt: skip
    if done:
        return _of(known, Gate(name, Answer.GO, f"{len(done)} times", limit, runs(done), ""), done)
    answer = known.lacking
    return _of(known, Gate(name, answer, "not done", limit, "no rehearsal that counts moved it there and back", "",
                           remedy="rehearse a switchover"), ())  # fmt: skip


def _way_back(known: Rehearsals) -> Gate:
    name, limit = "the way back was rehearsed", f"within {_days(known.cluster.gates.way_back_within)}"
    taken = [
        (one, day.way_back)
        for one in known.within(known.cluster.gates.way_back_within)
        for day in one.patch_days
        if day.way_back is not None and one.verdict == _PASSED
    ]
    if taken:
        longest = max(seconds for _, seconds in taken)
        found = [one for one, _ in taken]
        return _of(known, Gate(name, Answer.GO, f"{show(longest)} at most", limit, runs(found), ""), found)
    answer = known.lacking
    return _of(known, Gate(name, answer, "not taken", limit, "no rehearsal that counts took it", "",
                           remedy="rehearse it: patching.rehearse_rollback()"), ())  # fmt: skip


def playbook(known: Rehearsals, wanted: Mapping[str, str] | None, problem: str | None) -> Gate:
    """Return whether what was rehearsed is what will run.

    Args:
        known: the rehearsals.
        wanted: the parts of the playbook as it is now; the cluster's own part differs between a lab and its production.
        problem: why the parts are not known.
    """
    name, limit = "what was rehearsed is what will run", "the same playbook"
    days = [(one, day) for one in known.fresh for day in one.patch_days if one.verdict == _PASSED and day.went_through]
    if wanted is None:
        return _of(known, Gate(name, Answer.UNKNOWN, "not known", limit, problem or "the playbook could not be planned", "",
                               remedy="name it: playbook = \"FILE.py::TEST\" in the cluster's gates"), ())  # fmt: skip
    if not days:
        return _of(known, Gate(name, known.lacking, "not rehearsed", limit,
                               "no rehearsal that counts went through a patch day", "", remedy="rehearse the patch day"),
                   ())  # fmt: skip
    for one, day in reversed(days):
        if not _other(day.parts, wanted, same_cluster=one.cluster == known.cluster.id):
            return _of(known, Gate(name, Answer.GO, day.fingerprint, limit, f"{one.run} on {one.cluster}", ""), [one])
    one, day = days[-1]
    differs = ", ".join(_other(day.parts, wanted, same_cluster=one.cluster == known.cluster.id))
    return _of(known, Gate(name, Answer.NO_GO, day.fingerprint, limit, f"{one.run} on {one.cluster} had another one: {differs}",
                           "", remedy="rehearse it as it is now"), [one])  # fmt: skip


def _other(parts: Mapping[str, str], wanted: Mapping[str, str], *, same_cluster: bool) -> list[str]:
    compared = [part for part in PARTS if same_cluster or part != "inventory"]
    return [PARTS[part] for part in compared if parts.get(part) != wanted.get(part)]
