# SPDX-License-Identifier: MIT
"""The steps of a patch day as data: what each does, what it should come to, and the way back from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_harehearse.rehearsal.patching.patches import Patch

Name = Literal[
    "preflight", "prove_switchover", "drain", "patch", "reboot", "undrain", "validate", "gate", "switchover", "soak",
    "switchback", "maintenance_on", "maintenance_off", "audit",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One step; ``gate`` is set for a gate, which is decided from the evidence gathered since the one before."""

    name: Name
    title: str
    node: str = ""
    #: What is done, so that a person could do it by hand.
    command: str = ""
    #: What it should come to.
    expected: str = ""
    #: What is done when it went wrong.
    way_back: str = ""
    gate: str = ""

    @property
    def id(self) -> str:
        """Its name within the workflow: "patch web2", "gate A"."""
        return " ".join(word for word in (self.name, self.gate or self.node) if word)


def standby_first(
    patch: Patch,
    active: str,
    standbys: Sequence[str],
    *,
    drains: bool,
    prove: bool,
    switchback: bool,
    hosts: bool = True,
) -> list[Step]:
    """Return the steps: standbys first, then the switchover, the original last.

    Args:
        patch: what is done to each node.
        active: the node that serves at the beginning.
        standbys: the others; the first is the one that takes over.
        drains: whether the cluster's manager can drain a node.
        prove: move the service there and back first, before anything is patched.
        switchback: move the service back to the original at the end.
        hosts: False: nodes are processes, and a reboot is a restart of them.
    """
    target = standbys[0]
    aside = "leave {0} aside, out of the cluster; {1} goes on serving, and users felt nothing"
    steps = [
        Step("preflight", "the cluster is whole and every node can be patched",
             command="state, quorum, fencing, leftovers; the patch's own dry run on every node",
             expected="every node in, in sync, nothing left over", way_back="nothing was done yet"),
    ]  # fmt: skip
    if prove:
        steps.append(
            Step("prove_switchover", f"the service moves to {target} and back, before anything is patched", target,
                 f"switchover {active} → {target}, then {target} → {active}",
                 "two short interruptions, within the budget each", f"switchover back to {active}")
        )  # fmt: skip
    for node in standbys:
        steps += _one(patch, node, aside.format(node, active), drains=drains, hosts=hosts)
    steps.append(
        Step("gate", "gate A: every standby is patched, whole and in sync", gate="A", expected="GO",
             way_back=aside.format(", ".join(standbys), active))
    )  # fmt: skip
    back = f"switchover back to {active}, which is not patched yet"
    steps += [
        Step("switchover", f"the service moves to {target}, which is patched", target, f"switchover {active} → {target}",
             "one short interruption, within the budget", back),
        Step("soak", f"{target} serves for a while, patched", target, "the services are watched, your checks are run",
             "no failed answer, every check green", back),
        Step("gate", "gate B: the patched node serves well; the last cheap way back", gate="B", expected="GO", way_back=back),
        *_one(patch, active, f"{target} goes on serving; leave {active} aside, or undo the patch on it by hand",
              drains=drains, hosts=hosts),
        Step("gate", "gate C: every node is patched, whole and in sync", gate="C", expected="GO",
             way_back="none that is cheap: undo the patch itself, standby first"),
    ]  # fmt: skip
    if switchback:
        steps.append(
            Step("switchback", f"the service moves back to {active}", active, f"switchover {target} → {active}",
                 "one short interruption, within the budget", f"stay on {target}, which is patched too")
        )  # fmt: skip
    steps.append(
        Step("audit", "the cluster is as it was, patched", expected="every node in, in sync, nothing left over")
    )
    return steps


def back(active: str, gate: str) -> Step:
    """Return the way back from a gate that is red on purpose, for a plan."""
    if gate == "A":
        return Step("drain", "the way back: what was patched is set aside", expected=f"{active} serves on, not patched")
    return Step("switchback", f"the way back: the service returns to {active}, which is not patched", active,
                f"switchover back to {active}", "one short interruption, within the budget", "none is needed")  # fmt: skip


def in_place(patch: Patch, active: str, *, hosts: bool = True) -> list[Step]:
    """Return the steps of the other way: the active node is patched where it is, and its workload goes down with it."""
    back = "none but to wait: the service is down until the node is back"
    steps = [
        Step("preflight", "the cluster is whole and the node can be patched", active, expected="every node in, in sync",
             way_back="nothing was done yet"),
        Step("maintenance_on", "the cluster manager starts, stops and moves nothing", expected="nothing changes",
             command="maintenance on", way_back="maintenance off"),
    ]  # fmt: skip
    for step in _one(patch, active, back, drains=False, hosts=hosts):
        if step.name == "validate":
            steps.append(Step("maintenance_off", "the cluster manager manages again", command="maintenance off",
                              expected=f"the service is started, on {active} or elsewhere", way_back=back))  # fmt: skip
        steps.append(step)
    return [*steps, Step("audit", "the cluster is as it was, with one node patched", expected="every node in, in sync")]


def in_order(patch: Patch, order: Sequence[str], active: str, *, drains: bool, hosts: bool = True) -> list[Step]:
    """Return the steps for an order of the user's own: before the active node's turn the service moves away from it."""
    steps = [Step("preflight", "the cluster is whole and every node can be patched", expected="every node in, in sync",
                  way_back="nothing was done yet")]  # fmt: skip
    serves, patched = active, list[str]()
    for node in order:
        if node == serves:
            candidates = [*patched, *(name for name in order if name not in {node, *patched})]
            target = candidates[0]
            steps.append(
                Step("switchover", f"the service moves to {target}", target, f"switchover {node} → {target}",
                     "one short interruption, within the budget", f"switchover back to {node}")
            )  # fmt: skip
            serves = target
        steps += _one(patch, node, f"leave {node} aside; {serves} goes on serving", drains=drains, hosts=hosts)
        patched.append(node)
    steps.append(Step("gate", "gate C: every node is patched, whole and in sync", gate="C", expected="GO",
                      way_back="none that is cheap: undo the patch itself"))  # fmt: skip
    return [
        *steps,
        Step("audit", "the cluster is whole, patched", expected="every node in, in sync, nothing left over"),
    ]


def _one(patch: Patch, node: str, way_back: str, *, drains: bool, hosts: bool) -> list[Step]:
    found = []
    if drains:
        found.append(Step("drain", f"take everything off {node}", node, f"standby {node}",
                          f"nothing of the cluster runs on {node}", f"unstandby {node}"))  # fmt: skip
    found.append(Step("patch", f"{patch.name} on {node}", node, patch.describe(), "it ends well", way_back))
    if patch.reboots:
        how = f"systemctl reboot on {node}" if hosts else f"restart every process of {node} (it is no host of its own)"
        found.append(
            Step("reboot", f"reboot {node}", node, how, "another boot id" if hosts else "it runs again", way_back)
        )
    if drains:
        found.append(Step("undrain", f"let {node} run resources again", node, f"unstandby {node}",
                          f"{node} could take over", way_back))  # fmt: skip
    found.append(Step("validate", f"look at {node}", node, "state, boot id, kernel, failed units, packages, fencing, your checks",
                      "every check green", way_back))  # fmt: skip
    return found
