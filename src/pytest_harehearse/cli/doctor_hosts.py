# SPDX-License-Identifier: MIT
"""The doctor's look at clusters on hosts: is each node reached, with what rights, and how far is its clock off?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_harehearse.cli.doctor import Check, Patient

if TYPE_CHECKING:
    from pytest_harehearse.inventory.model import Cluster
    from pytest_harehearse.remote.base import Channel

ASK_S: Final = 10.0
#: More than that, and times that nodes record cannot be brought together by eye.
FAR_OFF_S: Final = 1.0


def hosts(patient: Patient, cluster: Cluster) -> list[Check]:
    """Look at every node of a cluster, and at what its manager says."""
    from pytest_harehearse.cli.status import judge, sentence
    from pytest_harehearse.labs.hosts import reach_hosts

    if patient.inventory is None:
        return []
    with reach_hosts(patient.inventory, cluster) as reached:
        checks = [_node(cluster, name, channel) for name, channel in reached.channels.items()]
        if not all(check.ok for check in checks):
            return checks
        answer = judge(cluster, reached.manager.state())
    ok = answer.redundant is True
    return [*checks, Check(cluster.id, ok, sentence(answer), None if ok else "heal it before anything is rehearsed")]


def _node(cluster: Cluster, name: str, channel: Channel) -> Check:
    from pytest_harehearse.remote.base import Done
    from pytest_harehearse.remote.clock_offset import measure
    from pytest_harehearse.remote.sudo import problem

    where = f"{cluster.id} {name}"
    asked = channel.run(["id", "-u"], deadline=ASK_S)
    if not isinstance(asked, Done):
        return Check(
            where, ok=False, said=_once(channel.url, asked.reason), fix=f"make sure that this works: ssh {name}"
        )
    if asked.rc != 0 or asked.out.strip() != "0":
        why = problem(asked) or f"id -u said {asked.out.strip() or asked.err!r}"
        return Check(where, ok=False, said=_once(channel.url, why), fix="let this user run commands by sudo -n")
    clock = measure(channel, deadline=ASK_S)
    if isinstance(clock, str):
        return Check(where, ok=False, said=_once(channel.url, clock), fix="look at the node")
    said = f"{channel.url}: reached as root, clock {clock.offset * 1000:+.0f} ms ± {clock.error * 1000:.0f} ms off this machine's"
    ok = abs(clock.offset) <= FAR_OFF_S
    return Check(where, ok, said, None if ok else "let it keep time: chrony or systemd-timesyncd")


def _once(url: str, text: str) -> str:
    """Return the text with the URL before it, unless it begins with that already."""
    return text if text.startswith(url) else f"{url}: {text}"
