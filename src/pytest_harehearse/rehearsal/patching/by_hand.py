# SPDX-License-Identifier: MIT
"""Each step of a patch day as a person would do it by hand: the commands, and on which node they are typed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from pytest_harehearse.rehearsal.patching.steps import Step

#: Manager → step → lines; {node} is the step's node, {serves} the one that serves then, {group} what moves.
_LINES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "pacemaker": {
        "preflight": (
            "any node: crm_mon -1rfA        # all Online, nothing failed, the group on {serves}",
            "any node: crm_resource --constraints --resource {group}        # no cli-prefer, no cli-ban of an earlier move",
            "any node: stonith_admin --history '*' --verbose        # fencing works, and nothing is pending",
        ),
        "drain": (
            "any node: crm_attribute --node {node} --name standby --update on --lifetime forever",
            "any node: crm_mon -1r        # until nothing but fencing runs on {node}",
        ),
        "undrain": (
            "any node but {node}: crm_mon -1r        # until {node} is in again, shown as standby",
            "any node but {node}: crm_attribute --node {node} --name standby --delete --lifetime forever",
            "any node but {node}: crm_mon -1r        # until {node} is Online",
        ),
        "switchover": (
            "any node: crm_resource --resource {group} --move --node {node}",
            "any node: crm_mon -1r        # until the group runs on {node}",
            "any node: crm_resource --resource {group} --clear        # else it can never move back",
        ),
        "maintenance_on": ("any node: crm_attribute --name maintenance-mode --update true",),
        "maintenance_off": ("any node: crm_attribute --name maintenance-mode --update false",),
        "look": ("any node: crm_mon -1rfA", "any node: corosync-quorumtool -s"),
    },
    "patroni": {
        "preflight": (
            "any node: patronictl list        # one Leader, all others streaming, lag 0, no pending restart",
            "any node: patronictl show-config | grep pause        # nothing",
        ),
        "switchover": (
            "any node: patronictl switchover --leader {serves} --candidate {node} --force",
            "any node: patronictl list        # until {node} is Leader and every other one streams again",
        ),
        "maintenance_on": ("any node: patronictl pause --wait",),
        "maintenance_off": ("any node: patronictl resume --wait",),
        "look": ("any node: patronictl list",),
    },
    "sentinel": {
        "preflight": ("any node: valkey-cli -p 26379 SENTINEL CKQUORUM {group}",),
        "switchover": (
            "any node: valkey-cli -p 26379 SENTINEL FAILOVER {group}",
            "any node: valkey-cli -p 26379 SENTINEL GET-MASTER-ADDR-BY-NAME {group}        # until it is {node}",
        ),
        "look": ("any node: valkey-cli -p 26379 SENTINEL REPLICAS {group}",),
    },
}
_REBOOT: Final = (
    "{node}: cat /proc/sys/kernel/random/boot_id        # note it",
    "{node}: systemctl reboot",
    "{node}: cat /proc/sys/kernel/random/boot_id        # another one, within the deadline",
)
_VALIDATE: Final = (
    "{node}: systemctl --failed        # nothing that did not fail before",
    "{node}: uname -r ; dpkg -l | grep -v '^ii'        # the kernel that was meant; nothing half installed (rpm -V elsewhere)",
)


def by_hand(step: Step, manager: str, *, serves: str, group: str = "", hosts: bool = True) -> tuple[str, ...]:
    """Return the lines of a step; the step's own text where nothing is known of the manager.

    Args:
        step: which.
        manager: of the cluster.
        serves: the node that serves when the step begins.
        group: what moves in a switchover, as the manager calls it.
        hosts: False: nodes are processes of a lab, and nobody can log in to them.
    """
    words = {"node": shlex.quote(step.node), "serves": shlex.quote(serves), "group": shlex.quote(group or "GROUP")}
    known = _LINES.get(manager, {})
    back = Step("switchover", "", serves)
    lines: Sequence[str]
    match step.name:
        case "patch":
            return (f"{step.node}: {step.command}",)
        case "reboot" if hosts:
            lines = _REBOOT
        case "prove_switchover":
            there = by_hand(Step("switchover", "", step.node), manager, serves=serves, group=group)
            again = by_hand(back, manager, serves=step.node, group=group)
            return (*there, *again)
        case "switchback":
            lines = known.get("switchover", ())
        case "validate":
            lines = (*known.get("look", ()), *(_VALIDATE if hosts else ()))
        case "soak" | "audit" | "gate":
            lines = known.get("look", ())
        case _:
            lines = known.get(step.name, ())
    return tuple(line.format(**words) for line in lines) or ((step.command,) if step.command else ())


def back_by_hand(step: Step, steps: Sequence[Step], manager: str, *, original: str, group: str = "") -> tuple[str, ...]:
    """Return the way back from a gate by hand; nothing where there is none that is cheap, or for another step.

    Args:
        step: a gate.
        steps: all of the playbook.
        manager: of the cluster.
        original: the node that serves at the beginning, and is patched last.
        group: as for :func:`by_hand`.
    """
    before = steps[: steps.index(step)]
    if step.gate == "A":
        patched = dict.fromkeys(one.node for one in before if one.name == "patch")
        asides = [by_hand(Step("drain", "", node), manager, serves=original, group=group)[:1] for node in patched]
        return tuple(line for lines in asides for line in lines)
    if step.gate == "B":
        active = next((one.node for one in reversed(before) if one.name == "switchover"), "")
        return by_hand(Step("switchover", "", original), manager, serves=active, group=group)
    return ()
