# SPDX-License-Identifier: MIT
"""The gates that drift decides: between the nodes, against the twin, and how long certificates last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pytest_harehearse.drift import kept
from pytest_harehearse.drift.compare import Drift, Verdict, between_clusters, between_nodes
from pytest_harehearse.drift.of_cluster import snapshots
from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.faults.base import Scene
from pytest_harehearse.history.gate.decision import NOW, Answer, Gate
from pytest_harehearse.inventory.model import Cluster

#: As ``openssl x509 -enddate`` writes it.
_ENDS: Final = "%b %d %H:%M:%S %Y %Z"
#: So many differences are named.
_NAMED: Final = 4
#: So long the reading of two clusters may take; a snapshot dated later than that was dated by a wrong clock.
_READING_S: Final = 600.0


def read(scene: Scene) -> list[Snapshot]:
    """Read the nodes of a cluster; nothing is changed there."""
    return snapshots(scene.cluster, scene.manager, scene.channels)


def gates(
    cluster: Cluster, nodes: Sequence[Snapshot], twin: Sequence[Snapshot] | str | None, now: datetime
) -> list[Gate]:
    """Return every gate that what was read of the nodes decides. Pure.

    Args:
        cluster: as the inventory has it.
        nodes: as they are now.
        twin: the nodes of its twin, or why they are not known; None: it has none.
        now: aware.
    """
    command = f"harehearse drift {cluster.id}"
    found = [_judged("no drift between the nodes", between_nodes(nodes, cluster.drift), NOW, command, None)]
    if isinstance(twin, str):
        found.append(Gate("no drift against the twin", Answer.UNKNOWN, "not read", "nothing that forbids", twin, NOW,
                          remedy=f"read {cluster.twin}, so that a snapshot of it is kept", command=f"harehearse drift {cluster.twin}"))  # fmt: skip
    elif twin is not None:
        found.append(_against_twin(cluster, nodes, twin, now))
    if any(path.startswith("certificate/") for node in nodes for path in node.facts):
        found.append(_certificates(cluster, nodes, now))
    return found


def _against_twin(cluster: Cluster, nodes: Sequence[Snapshot], twin: Sequence[Snapshot], now: datetime) -> Gate:
    name, command = "no drift against the twin", f"harehearse drift {cluster.id} --against {cluster.twin}"
    age = (now - datetime.fromisoformat(twin[0].at)).total_seconds()
    if age < -_READING_S:
        return Gate(name, Answer.UNKNOWN, "not read", "nothing that forbids",
                    f"the snapshot of {cluster.twin} is dated {-age / 3600:.1f} h in the future: a clock is wrong", NOW,
                    remedy=f"set the clock, and read {cluster.twin} anew", command=f"harehearse drift {cluster.twin}")  # fmt: skip
    against = between_clusters(twin, nodes, cluster.drift)
    # Its lab is up, so it was read after the decision began.
    live = age <= 0
    return _judged(
        name, against, NOW if live else "read now, against the twin's snapshot", command, None if live else age
    )


def twin_of(cluster: Cluster, store: Path) -> list[Snapshot] | str | None:
    """Return the last snapshot kept of a cluster's twin, or why there is none; None: it has no twin."""
    if cluster.twin is None:
        return None
    try:
        taken = kept.latest(store, cluster.twin)
    except kept.Damaged as error:
        return str(error)
    if taken is None or not taken.nodes:
        return f"no snapshot of {cluster.twin} was ever kept"
    return list(taken.nodes)


def _judged(name: str, drift: Drift, provenance: str, command: str, age: float | None) -> Gate:
    limit = "nothing that forbids"
    if drift.forbidden:
        told = "; ".join(f"{one.path}: {one.reason}" for one in drift.forbidden[:_NAMED])
        more = f"; and {len(drift.forbidden) - _NAMED} more" if len(drift.forbidden) > _NAMED else ""
        return Gate(name, Answer.NO_GO, f"{len(drift.forbidden)} forbidden", limit, told + more, provenance, age,
                    remedy=f"make them alike: {', '.join(one.path for one in drift.forbidden[:_NAMED])}", command=command)  # fmt: skip
    if drift.unknown or drift.verdict is Verdict.UNKNOWN:
        told = "; ".join(f"{area} of {where}: {why}" for (where, area), why in list(drift.unknown.items())[:_NAMED])
        return Gate(name, Answer.UNKNOWN, "not read", limit, told or "there is nothing to hold it against", provenance, age,
                    remedy="let every node be read", command=command)  # fmt: skip
    told = f"{drift.equal} alike, {len(drift.findings)} differ and forbid nothing"
    return Gate(name, Answer.GO, f"{len(drift.findings)} differ", limit, told, provenance, age)


def _certificates(cluster: Cluster, nodes: Sequence[Snapshot], now: datetime) -> Gate:
    name, days = "certificates last", cluster.gates.certificates / 86400
    limit = f"≥ {days:.3g} d"
    left: list[tuple[float, str]] = []
    unread: list[str] = []
    for node in nodes:
        for path, value in node.facts.items():
            if path.startswith("certificate/"):
                try:
                    ends = datetime.strptime(value, _ENDS).replace(tzinfo=UTC)
                except ValueError:
                    unread.append(f"{path.partition('/')[2]} of {node.node}: {value!r} is no end")
                    continue
                left.append(
                    (
                        (ends - now).total_seconds() / 86400,
                        f"{path.partition('/')[2]} of {node.node} ends {ends:%Y-%m-%d}",
                    )
                )
    short = sorted(one for one in left if one[0] < days)
    if short:
        return Gate(name, Answer.NO_GO, f"{short[0][0]:.0f} d", limit, "; ".join(told for _, told in short[:_NAMED]), NOW,
                    remedy="renew them", command=f"harehearse gate {cluster.id}")  # fmt: skip
    if unread or not left:
        return Gate(name, Answer.UNKNOWN, "not read", limit, "; ".join(unread[:_NAMED]), NOW,
                    remedy="look at them", command=f"harehearse drift {cluster.id} --json")  # fmt: skip
    soonest = min(left)
    return Gate(name, Answer.GO, f"{soonest[0]:.0f} d", limit, f"the soonest: {soonest[1]}", NOW)
