# SPDX-License-Identifier: MIT
"""``harehearse status``: what the managers and the nodes themselves say now, in one table a cluster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pytest_harehearse.cli import common, exits
from pytest_harehearse.cli.common import config_option, json_option, say
from pytest_harehearse.errors import HarehearseError

if TYPE_CHECKING:
    from pytest_harehearse.inventory.model import Cluster, Inventory
    from pytest_harehearse.managers.state import ClusterState, Member


@dataclass(frozen=True, slots=True)
class Answer:
    """What was learned of one cluster; ``redundant`` None: not known, for the reason."""

    cluster: Cluster
    state: ClusterState | None
    redundant: bool | None
    reason: str | None


def judge(cluster: Cluster, state: ClusterState) -> Answer:
    """Return what a state means: unknown when no node's manager answered."""
    from pytest_harehearse.managers.state import UNREACHABLE

    if all(member.role == UNREACHABLE for member in state.members):
        return Answer(cluster, state, None, "no node's manager answers")
    reason = state.redundancy_limitation()
    return Answer(cluster, state, reason is None, reason)


def ask(found: Inventory, cluster: Cluster, *, config: Path | None = None) -> Answer:
    """Ask a cluster; whatever keeps it from answering is the reason for not knowing."""
    from pytest_harehearse.labs.base import lab_of
    from pytest_harehearse.labs.hosts import reach_hosts

    try:
        if cluster.provider is None:
            with reach_hosts(found, cluster) as reached:
                return judge(cluster, reached.manager.state())
        lab = lab_of(found, found.environments[cluster.environment])
        report = lab.report()
        if not report.exists:
            hint = common.again("lab", "up", cluster.environment, config=config)
            return Answer(cluster, None, None, f"its lab is not up; create it: {hint}")
        return judge(cluster, lab.reach(cluster.name).manager.state())
    except HarehearseError as error:
        return Answer(cluster, None, None, str(error))
    except KeyError:
        hint = common.again("lab", "down", cluster.environment, config=config)
        return Answer(
            cluster, None, None, f"its lab was made for other clusters or nodes than the inventory's; remove it: {hint}"
        )


def status(answers: Sequence[Answer]) -> int:
    """Return the exit status; what is known to be wrong weighs more than what is not known."""
    if any(answer.redundant is False for answer in answers):
        return exits.NO
    return exits.OK if all(answer.redundant for answer in answers) else exits.UNKNOWN


def document(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return the result as the JSON object that other programs rely on."""
    return {
        "schema": 1,
        "clusters": [
            {
                "cluster": answer.cluster.id,
                "kind": answer.cluster.kind,
                "manager": answer.cluster.manager,
                "redundant": answer.redundant,
                "reason": answer.reason,
                "active": answer.state.active if answer.state else None,
                "notes": list(answer.state.notes) if answer.state else [],
                "nodes": [_node(member) for member in answer.state.members] if answer.state else [],
            }
            for answer in answers
        ],
    }


def _node(member: Member) -> dict[str, Any]:
    return {
        "node": member.name,
        "role": member.role,
        "state": member.state,
        "timeline": member.timeline,
        "lag_bytes": member.lag,
        "streaming": member.streaming,
        "sync": member.sync,
        "witness": _witness(member),
        "problem": member.problem,
    }


def _witness(member: Member) -> str | None:
    """Return what the node says of itself: primary or active, replica or standby; None when it did not answer."""
    from pytest_harehearse.managers.state import ACTIVE, PRIMARY, REPLICA, STANDBY

    if member.witness_primary is None:
        return None
    if member.role in {ACTIVE, STANDBY}:
        return ACTIVE if member.witness_primary else STANDBY
    return PRIMARY if member.witness_primary else REPLICA


def lines(answer: Answer) -> list[str]:
    """Return one cluster for people: the table, then a sentence."""
    from pytest_harehearse.managers.state import PRIMARY, REPLICA

    cluster = answer.cluster
    text = [f"{cluster.id}  ({cluster.manager}, {common.place(cluster)})"]
    if answer.state is not None:
        if any(member.role in {PRIMARY, REPLICA} for member in answer.state.members):
            head = ("node", "role", "state", "timeline", "lag", "sync", "node itself says")
            text += common.table([head, *(_row(member) for member in answer.state.members)])
        else:
            # Nothing is replicated by this manager, so nothing lags.
            own = [("node", "role", "state", "node itself says")]
            text += common.table(own + [(*_row(member)[:3], _row(member)[-1]) for member in answer.state.members])
        text += [f"  {member.name}: {member.problem}" for member in answer.state.members if member.problem]
        text += [f"  {note}" for note in answer.state.notes]
    return [*text, f"{common.sign(answer.redundant)} {sentence(answer)}"]


def _row(member: Member) -> tuple[str, ...]:
    from pytest_harehearse.managers.state import REPLICA

    own = _witness(member)
    replica = member.role == REPLICA
    return (
        member.name,
        member.role,
        member.state or "–",
        "–" if member.timeline is None else str(member.timeline),
        ("unknown" if member.lag is None else f"{member.lag} B") if replica else "–",
        ("yes" if member.sync else "no") if replica else "–",
        "no answer" if own is None else own if own == member.role else f"{own} (!)",
    )


def sentence(answer: Answer) -> str:
    """Return whether a cluster is redundant, and if not, why."""
    name = answer.cluster.name
    if answer.redundant is None:
        return f"{name}: unknown: {answer.reason}"
    if not answer.redundant:
        return f"{name} is not redundant: {answer.reason}"
    return f"{name} is redundant: {brief(answer.state)}" if answer.state else name


def brief(state: ClusterState) -> str:
    """Return who is active and who would take over: ``primary n1, replicas n2 (sync) and n3``."""
    from pytest_harehearse.managers.state import ACTIVE, PRIMARY, REPLICA, STANDBY

    databases = not any(m.role in {ACTIVE, STANDBY} for m in state.members)
    names = [f"{m.name} (sync)" if m.sync else m.name for m in map(state.member, state.standbys)]
    text = f"{PRIMARY if databases else ACTIVE} {state.active or 'unknown'}"
    if not names:
        return text
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"{text}, {REPLICA if databases else STANDBY}{'' if len(names) == 1 else 's'} {listed}"


@click.command()
@click.argument("words", metavar="[CLUSTER]…", nargs=-1)
@config_option
@json_option
def command(words: tuple[str, ...], config: Path | None, as_json: bool) -> int:
    """Show what the clusters' managers say now, and what each node says of itself.

    CLUSTER is ENV/NAME, or ENV for all of its clusters. Default: the default environment. Only reads.

    Redundant: one active node (primary) that calls itself so, and every other node could take over without loss.

    \b
    Exit status: 0 all are redundant · 1 one is not · 2 unknown (its lab is not up, or nothing answers)
    """  # noqa: D301 - \b is click's
    found = common.inventory(config)
    chosen = common.clusters(found, words)
    with common.no_trace():
        answers = [ask(found, cluster, config=config) for cluster in chosen]
    if as_json:
        click.echo(json.dumps(document(answers)))
    else:
        say("\n\n".join("\n".join(lines(answer)) for answer in answers))
    return status(answers)
