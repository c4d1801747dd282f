# SPDX-License-Identifier: MIT
"""The gates that the cluster itself decides, as it is now. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pytest_harehearse.history.gate.decision import NOW, Answer, Gate
from pytest_harehearse.history.gate.now import Now
from pytest_harehearse.history.index.measured import Measured
from pytest_harehearse.inventory.model import Cluster
from pytest_harehearse.rehearsal.guarding import unfit
from pytest_harehearse.safety.guard import Wanted

#: What is kept back of the memory that another node has available.
SPARE: Final = 0.1
_GIB: Final = 1024**3


def gates(cluster: Cluster, found: Now, rehearsals: Sequence[Measured], now: datetime) -> list[Gate]:
    """Return every gate that the cluster's own word decides.

    Args:
        cluster: as the inventory has it.
        found: what was read of it.
        rehearsals: on the cluster itself, sound ones; they may have proved its fencing.
        now: aware.
    """
    judged = [_whole(cluster, found), _left(cluster, found)]
    if found.fencing is not None or "fencing" in found.problems:
        judged.append(_fencing(cluster, found, rehearsals, now))
    if found.rooms:
        judged += [_disk(cluster, found), _memory(cluster, found)]
    return judged


def not_read(cluster: Cluster, why: str, command: str) -> list[Gate]:
    """Return what is left of them when the cluster cannot be read at all."""
    return [
        Gate("the cluster is whole", Answer.UNKNOWN, "not read", "whole", why, NOW,
             remedy=f"let {cluster.id} be read from here", command=command)
    ]  # fmt: skip


def _status(cluster: Cluster) -> str:
    return f"harehearse status {cluster.id}"


def _whole(cluster: Cluster, found: Now) -> Gate:
    name, limit = "the cluster is whole", "whole"
    if found.state is None:
        return Gate(name, Answer.UNKNOWN, "not read", limit, found.problems.get("whole", "its manager did not answer"), NOW,
                    remedy="let its manager be reached", command=_status(cluster))  # fmt: skip
    against = unfit(found.state, Wanted("gate", "switchover", found.state.active or "", 0.0))
    if found.state.maintenance:
        against = "it is in maintenance, so nothing would fail over"
    if against is None and found.state.maintenance is None and found.state.pending:
        against = found.state.pending
    if against is not None:
        return Gate(name, Answer.NO_GO, "not whole", limit, against, NOW,
                    remedy="mend that", command=_status(cluster))  # fmt: skip
    return Gate(name, Answer.GO, "whole", limit, found.state.describe(), NOW)


def _left(cluster: Cluster, found: Now) -> Gate:
    name, limit, command = "nothing is left over", "nothing", f"harehearse recover {cluster.id}"
    left = found.left
    if left is None:
        return Gate(name, Answer.UNKNOWN, "not read", limit, found.problems.get("left", "it could not be looked for"), NOW,
                    remedy="let its nodes be reached", command=command)  # fmt: skip
    if left.held is not None:
        return Gate(name, Answer.NO_GO, "in use", limit, f"it is being rehearsed on by {left.held}", NOW,
                    remedy="wait until that is over", command=command)  # fmt: skip
    if left.findings:
        return Gate(name, Answer.NO_GO, f"{len(left.findings)} found", limit, "; ".join(one.what for one in left.findings), NOW,
                    remedy="undo it", command=command)  # fmt: skip
    if left.unknown:
        return Gate(name, Answer.UNKNOWN, "not known", limit, "; ".join(left.unknown), NOW,
                    remedy="let its nodes be reached", command=command)  # fmt: skip
    return Gate(name, Answer.GO, "nothing", limit, "no undo lies on a node, and this store's journal is closed", NOW)


def _fencing(cluster: Cluster, found: Now, rehearsals: Sequence[Measured], now: datetime) -> Gate:
    name, within = "fencing works, and was seen to", cluster.gates.fenced_within
    limit = f"every node, within {within / 86400:.3g} d"
    if found.fencing is None:
        return Gate(name, Answer.UNKNOWN, "not read", limit, found.problems["fencing"], NOW,
                    remedy="let its manager be reached", command=_status(cluster))  # fmt: skip
    cannot = {node: why for node, why in found.fencing.limitations.items() if why is not None}
    if cannot:
        return Gate(name, Answer.NO_GO, f"{len(cannot)} cannot be", limit,
                    "; ".join(f"{node}: {why}" for node, why in cannot.items()), NOW,
                    remedy="mend fencing", command=_status(cluster))  # fmt: skip
    last = dict(found.fencing.done)
    for one in rehearsals:
        for node in one.fenced:
            last[node] = max(one.at, last.get(node, one.at))
    ages = {node: (now - last[node]).total_seconds() if node in last else None for node in found.nodes}
    stale = [node for node, age in ages.items() if age is None or age > within]
    told = "; ".join(
        f"{node} {'never seen to be fenced' if age is None else f'fenced {age / 86400:.1f} d ago'}"
        for node, age in ages.items()
    )
    if stale:
        return Gate(name, Answer.NO_GO, f"not proved of {', '.join(stale)}", limit, told, NOW,
                    remedy="rehearse fencing of each node", command=f"pytest -k fence --harehearse-cluster {cluster.id}")  # fmt: skip
    oldest = max(age for age in ages.values() if age is not None)
    return Gate(name, Answer.GO, f"all {len(ages)}", limit, told, NOW, age=oldest)


def _disk(cluster: Cluster, found: Now) -> Gate:
    name, limit = "room on every disk", f"≥ {cluster.gates.disk:.0%} free"
    shares = {(node, where): share for node, room in found.rooms.items() for where, share in room.free.items()}
    full = {place: share for place, share in shares.items() if share < cluster.gates.disk}
    if full:
        told = "; ".join(f"{where} of {node} has {share:.1%} free" for (node, where), share in full.items())
        return Gate(name, Answer.NO_GO, f"{min(full.values()):.1%}", limit, told, NOW,
                    remedy="make room, or patches will not fit", command=f"harehearse gate {cluster.id}")  # fmt: skip
    unread = _unread(cluster, found, name, limit)
    if unread is not None:
        return unread
    (node, where), share = min(shares.items(), key=lambda pair: pair[1])
    return Gate(name, Answer.GO, f"{share:.0%} free", limit, f"the least: {where} of {node}", NOW)


def _memory(cluster: Cluster, found: Now) -> Gate:
    """Judge whether what each node uses fits into what the others have available."""
    name, limit = "memory for one node less", f"{1 - SPARE:.0%} of what is available"
    unread = _unread(cluster, found, name, limit)
    if unread is not None:
        return unread
    rooms = found.rooms
    worst: tuple[float, str] = (-1.0, "")
    for node, room in rooms.items():
        used = room.memory - room.available
        others = sum(each.available for other, each in rooms.items() if other != node)
        share = used / others if others else float("inf")
        text = f"{node} uses {used / _GIB:.1f} GiB, the others have {others / _GIB:.1f} GiB available"
        worst = max(worst, (share, text))
    share, text = worst
    answer = Answer.GO if share <= 1 - SPARE else Answer.NO_GO
    return Gate(name, answer, "none to take over" if share == float("inf") else f"{share:.0%}", limit, text, NOW,
                remedy="" if answer is Answer.GO else "move work away, or add memory",
                command="" if answer is Answer.GO else f"harehearse gate {cluster.id}")  # fmt: skip


def _unread(cluster: Cluster, found: Now, name: str, limit: str) -> Gate | None:
    unread = {node: room.problem for node, room in found.rooms.items() if room.problem is not None}
    unread |= {node: "no way leads to it" for node in found.nodes if node not in found.rooms}
    if not unread:
        return None
    told = "; ".join(f"{node} {why}" for node, why in unread.items())
    return Gate(name, Answer.UNKNOWN, "not read", limit, told, NOW,
                remedy="let every node be reached", command=f"harehearse doctor {cluster.id}")  # fmt: skip
