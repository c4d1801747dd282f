# SPDX-License-Identifier: MIT
"""What must hold after every rehearsal, asserted without being asked for; a limit on the mark decides in its place.

What can be told from attempts is judged by :func:`judge`, which is pure, so that a report made later says the same; what only
the cluster can tell is looked at by :func:`look` and put on the stream.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from pytest_harehearse import events as e
from pytest_harehearse.clock import now
from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.faults.dead_man import Place, words
from pytest_harehearse.managers.base import Manager
from pytest_harehearse.managers.state import ACTIVE, PRIMARY, REPLICA, STANDBY, ClusterState
from pytest_harehearse.rehearsal.limits import DualSeen, Measured, Redundancy
from pytest_harehearse.rehearsal.verdict import InvariantSummary, Verdict
from pytest_harehearse.remote.base import Done, Outcome, Script
from pytest_harehearse.units import show

#: Until every node is back, where the mark says nothing else.
REDUNDANCY_S: Final = 300.0
#: What is on its way still when the test ends is given so long.
PATIENCE_S: Final = 10.0
POLL_S: Final = 0.5

LEFTOVERS: Final = "nothing is left behind"
NODES: Final = "every node is in again"
REDUNDANT: Final = "redundancy is back"
ONE_ACTIVE: Final = "never two nodes active at once"
WRITES: Final = "acknowledged writes are kept"

_IN: Final = frozenset({PRIMARY, ACTIVE, REPLICA, STANDBY})

#: $1 a root. Tells what lies beside each undo there, a line each: its folder's name, a tab, and about.json.
_LIST: Final = """for folder in "$1"/*/; do
  [ -e "${folder}undo.sh" ] || [ -e "${folder}about.json" ] || continue
  printf '%s\\t' "$(basename "$folder")"
  tr -d '\\n' < "${folder}about.json" 2> /dev/null
  echo
done
"""


# -- from what was measured, pure --------------------------------------------------------------------------------------


def judge(
    limits: Mapping[str, float], measured: Sequence[Measured], dual: DualSeen | None, looked: Iterable[e.InvariantLooked] = (),
) -> tuple[InvariantSummary, ...]:  # fmt: skip
    """Return every invariant that no limit of the mark decides.

    Args:
        limits: of the mark.
        measured: every service of every watch.
        dual: how long two nodes were active at once; None when no node was asked.
        looked: what was seen on the cluster itself.
    """
    found = [InvariantSummary(one.name, Verdict(one.verdict), one.evidence) for one in looked]
    if dual is not None and "dual_active" not in limits:
        found.append(_one_active(dual))
    audited = [one for one in measured if one.lost is not None or one.audit_problem is not None]
    if audited and "lost_writes" not in limits:
        found.append(_kept(audited))
    return tuple(found)


def _one_active(dual: DualSeen) -> InvariantSummary:
    if dual.problem is not None:
        return InvariantSummary(ONE_ACTIVE, Verdict.UNKNOWN, dual.problem)
    if dual.upper:
        why = f"two were, for {show(dual.lower)} to {show(dual.upper)}, by the nodes' own word"
        return InvariantSummary(ONE_ACTIVE, Verdict.FAILED, why)
    return InvariantSummary(ONE_ACTIVE, Verdict.PASSED, "each node was asked directly, and never did two say yes")


def _kept(audited: Sequence[Measured]) -> InvariantSummary:
    lost = sum(one.lost or 0 for one in audited)
    problem = next((one.audit_problem for one in audited if one.audit_problem is not None), None)
    if lost:
        names = ", ".join(dict.fromkeys(one.service for one in audited if one.lost))
        return InvariantSummary(WRITES, Verdict.FAILED, f"{lost} of {names} are lost")
    if problem is not None:
        return InvariantSummary(WRITES, Verdict.UNKNOWN, f"the writes could not be looked up: {problem}")
    return InvariantSummary(WRITES, Verdict.PASSED, "every numbered write was looked up afterwards")


# -- from what the cluster says ----------------------------------------------------------------------------------------


def look(
    manager: Manager, places: Sequence[Place], *, rehearsal: str, before: Iterable[str], aside: Iterable[str] = (),
    redundancy: Redundancy | None, limited: bool, patience: float = PATIENCE_S,
) -> Iterator[e.InvariantLooked]:  # fmt: skip
    """Look at the cluster after a rehearsal that did something to it; yield what was seen of each invariant.

    Args:
        manager: says the state.
        places: where undos of faults may lie.
        rehearsal: its id.
        before: the nodes that were in at its beginning.
        aside: those left out on purpose.
        redundancy: when it was back.
        limited: the mark has a limit on redundancy, which decides in its place.
        patience: seconds for what is on its way still.
    """

    def seen(name: str, found: tuple[Verdict, str]) -> e.InvariantLooked:
        return e.InvariantLooked(rehearsal=rehearsal, name=name, verdict=found[0].value, evidence=found[1])

    left_out = sorted(set(aside))
    yield seen(LEFTOVERS, _leftovers(manager, places, patience))
    yield seen(NODES, _nodes(manager, set(before) - set(left_out), left_out, patience))
    if not limited:
        yield seen(REDUNDANT, _redundant(redundancy, left_out))


def members_in(state: ClusterState) -> tuple[str, ...]:
    """Return the nodes that are in the cluster now, whether they could take over or not."""
    return tuple(member.name for member in state.members if member.role in _IN)


def _until(lacks: Callable[[], tuple[Verdict, str] | None], patience: float) -> tuple[Verdict, str] | None:
    """Ask until nothing is lacking; return what was lacking last."""
    until = now() + patience
    while (found := lacks()) is not None and now() < until:
        time.sleep(POLL_S)
    return found


def _asked(manager: Manager, lacks: Callable[[ClusterState], str | None]) -> tuple[Verdict, str] | None:
    try:
        reason = lacks(manager.state())
    except HarehearseError as error:
        return Verdict.UNKNOWN, f"the state of the cluster could not be learned: {error}"
    return None if reason is None else (Verdict.FAILED, reason)


def _leftovers(manager: Manager, places: Sequence[Place], patience: float) -> tuple[Verdict, str]:
    def lacks(state: ClusterState) -> str | None:
        if state.maintenance:
            return "the cluster is in maintenance still"
        return None if state.pending is None else f"the manager has something pending: {state.pending}"

    def look_once() -> tuple[Verdict, str] | None:
        found = [x for x in (_asked(manager, lacks), *_folders(places)) if x is not None]
        failed = [text for verdict, text in found if verdict is Verdict.FAILED]
        if failed:
            return Verdict.FAILED, "; ".join(failed)
        return (Verdict.UNKNOWN, "; ".join(text for _, text in found)) if found else None

    nodes = "no undo of a fault lies on a node, and " if places else ""
    return _until(look_once, patience) or (Verdict.PASSED, f"{nodes}the manager has nothing pending")


def _folders(places: Sequence[Place]) -> list[tuple[Verdict, str]]:
    """Return what lies at the places, and which of them could not be looked at."""
    if not places:
        return []
    with ThreadPoolExecutor(max_workers=min(16, len(places))) as pool:
        return [
            one for found in pool.map(lambda p: _lying(p, p.run(Script(_LIST, (p.root,)))), places) for one in found
        ]


def _lying(place: Place, outcome: Outcome) -> list[tuple[Verdict, str]]:
    if not isinstance(outcome, Done) or outcome.rc != 0:
        why = f"whether something of ours lies in {place.root} on {place.name} is not known: {words(outcome)}"
        return [(Verdict.UNKNOWN, why)]
    found = []
    for line in outcome.out.splitlines():
        name, _, text = line.partition("\t")
        if name.strip():
            found.append((Verdict.FAILED, f"{place.root}/{name} lies on {place.name}{_about(text)}"))
    return found


def _about(text: str) -> str:
    try:
        about = json.loads(text)
        return f" ({about['fault']} of {about['target']}, run {about['run']}; by hand: {about['undo']})"
    except (ValueError, TypeError, KeyError):
        return ""


def _nodes(manager: Manager, wanted: set[str], aside: Sequence[str], patience: float) -> tuple[Verdict, str]:
    def lacks(state: ClusterState) -> str | None:
        out = sorted(wanted - set(members_in(state)))
        if not out:
            return None
        each = "; ".join(state.member(name).describe() if name in state.names else f"{name} is gone" for name in out)
        return f"{', '.join(out)} {'is' if len(out) == 1 else 'are'} not: {each}"

    lacking = _until(lambda: _asked(manager, lacks), patience)
    beside = f"; {', '.join(aside)} was left out on purpose" if aside else ""
    return lacking or (Verdict.PASSED, f"all that were in before: {', '.join(sorted(wanted)) or 'none'}{beside}")


def _redundant(seen: Redundancy | None, aside: Sequence[str]) -> tuple[Verdict, str]:
    if aside:
        return Verdict.PASSED, f"not to be, for {', '.join(aside)} was left out on purpose"
    if seen is None:
        return Verdict.UNKNOWN, "nobody looked"
    if seen.took is None:
        return Verdict.FAILED, f"not yet after {show(seen.waited)}, limit {show(REDUNDANCY_S)}"
    verdict = Verdict.PASSED if seen.took <= REDUNDANCY_S else Verdict.FAILED
    return verdict, f"{show(seen.took)} after the first action, limit {show(REDUNDANCY_S)}"


def describe(one: InvariantSummary) -> str:
    """Return an invariant that did not hold as a sentence."""
    if one.verdict is Verdict.UNKNOWN:
        return f'invariant "{one.name}": unknown, because {one.evidence}'
    return f'invariant "{one.name}" broken: {one.evidence}'
