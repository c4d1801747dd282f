# SPDX-License-Identifier: MIT
"""What is looked at before and after a node is patched, and what of it makes a gate green."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pytest_harehearse.clock import now
from pytest_harehearse.errors import HarehearseError, Indeterminate
from pytest_harehearse.managers.capabilities import FencingLimits
from pytest_harehearse.managers.state import ClusterState
from pytest_harehearse.remote.base import Channel, Done, Script

if TYPE_CHECKING:
    from pytest_harehearse.rehearsal.cluster import Cluster
    from pytest_harehearse.rehearsal.patching.patches import Patch

ASK_S: Final = 30.0
#: A cluster that is not whole at a look is looked at again for so long.
SETTLE_S: Final = 10.0
POLL_S: Final = 0.25
#: What the validation of one node looks at, in order.
LOOK: Final = ("member", "boot id", "kernel", "failed units", "packages", "same versions", "fencing", "your checks")

#: Sections, each after a line of its own: boot id, kernel, failed units, packages with their versions.
_FACTS: Final = """echo '[boot]'; cat /proc/sys/kernel/random/boot_id
echo '[kernel]'; uname -r
echo '[units]'
command -v systemctl > /dev/null && systemctl list-units --failed --plain --no-legend --no-pager | cut -d' ' -f1
echo '[packages]'
if command -v dpkg-query > /dev/null; then dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n'
elif command -v rpm > /dev/null; then rpm -qa --qf '%{NAME} %{VERSION}-%{RELEASE} ii\\n'; fi
true
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """A node at one instant; ``problem``: why nothing is known."""

    boot: str = ""
    kernel: str = ""
    failed: frozenset[str] = frozenset()
    #: Package → version and state.
    packages: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a gate's evidence: True green, False red, None not known."""

    name: str
    node: str
    ok: bool | None
    detail: str


def facts(channel: Channel | None) -> Facts:
    """Return what a host says of itself; an empty one for a node that is no host."""
    if channel is None:
        return Facts()
    said = channel.run(Script(_FACTS), deadline=ASK_S)
    if not isinstance(said, Done) or said.rc != 0:
        return Facts(problem=said.err or f"status {said.rc}" if isinstance(said, Done) else said.reason)
    parts: dict[str, list[str]] = {}
    current: list[str] = []
    for line in said.out.splitlines():
        if line.startswith("[") and line.endswith("]"):
            current = parts.setdefault(line[1:-1], [])
        elif line.strip():
            current.append(line.strip())
    return Facts(
        boot="".join(parts.get("boot", [])),
        kernel="".join(parts.get("kernel", [])),
        failed=frozenset(parts.get("units", [])),
        packages=dict(line.partition(" ")[::2] for line in parts.get("packages", [])),
    )


UserCheck = Callable[..., object]


def validate(
    cluster: Cluster, node: str, patch: Patch, before: Facts, after: Facts, peers: Mapping[str, Facts],
    checks: Sequence[UserCheck] = (),
) -> tuple[Check, ...]:  # fmt: skip
    """Return everything that was looked at on a node that was just patched and is in the cluster again.

    Args:
        cluster: of the node.
        node: which one.
        patch: what was done to it.
        before: what it said of itself before.
        after: what it says of itself now.
        peers: what nodes said that were patched before it.
        checks: the user's own.
    """
    found = [_member(cluster, node)]
    if cluster.channels.get(node) is not None:
        found += _host(node, patch, before, after, peers)
    if isinstance(cluster.manager, FencingLimits):
        found.append(_fencing(cluster.manager, node))
    found += [own(check, cluster, node) for check in checks]
    return tuple(found)


def settled(cluster: Cluster) -> ClusterState:
    """Return the first state of a whole cluster, or the last that was seen before patience ran out."""
    until = now() + SETTLE_S
    # Writes are in flight at any instant, and one look may find them between two nodes.
    while (state := cluster.state()).redundancy_limitation() is not None and now() < until:
        time.sleep(POLL_S)
    return state


def _member(cluster: Cluster, node: str) -> Check:
    state = settled(cluster)
    reason = state.redundancy_limitation()
    detail = state.member(node).describe() if node in state.names else f"its manager does not tell of {node}"
    if reason is None:
        return Check("member", node, ok=True, detail=detail)
    return Check("member", node, ok=False, detail=f"{detail}; {reason}")


def _host(node: str, patch: Patch, before: Facts, after: Facts, peers: Mapping[str, Facts]) -> list[Check]:
    trouble = after.problem or before.problem
    if trouble is not None:
        return [Check("facts", node, ok=None, detail=f"it could not be asked: {trouble}")]
    rebooted = before.boot != after.boot
    found = [
        Check(
            "boot id", node, ok=rebooted is patch.reboots,
            detail=f"{'another' if rebooted else 'the same'} boot id, {'a' if patch.reboots else 'no'} reboot was meant",
        ),
        _kernel(node, patch, before.kernel, after.kernel),
    ]  # fmt: skip
    new = sorted(after.failed - before.failed)
    also = f"; failed before already: {', '.join(sorted(before.failed))}" if before.failed else ""
    said = f"failed since: {', '.join(new)}" if new else "none failed since"
    found.append(Check("failed units", node, ok=not new, detail=said + also))
    found.append(_packages(node, patch, before.packages, after.packages))
    found += [_alike(node, patch, after.packages, peer, seen.packages) for peer, seen in peers.items() if patch.changes]
    return found


def _alike(node: str, patch: Patch, mine: dict[str, str], peer: str, theirs: dict[str, str]) -> Check:
    """Return whether what was meant to change is the same on two patched nodes: a patch that did nothing shows here."""
    other = [
        f"{name} is {mine.get(name, 'absent')} and {theirs.get(name, 'absent')} on {peer}"
        for name in sorted(patch.changes or ())
        if mine.get(name) != theirs.get(name)
    ]
    return Check("same versions", node, ok=not other, detail="; ".join(other) or f"as on {peer}")


def _kernel(node: str, patch: Patch, before: str, after: str) -> Check:
    if patch.kernel:
        return Check("kernel", node, ok=before != after, detail=f"{before} → {after}, another one was meant")
    return Check("kernel", node, ok=before == after or patch.changes is None, detail=after)


def _packages(node: str, patch: Patch, before: dict[str, str], after: dict[str, str]) -> Check:
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    half = sorted(
        name for name, value in after.items() if value and not value.split()[-1].startswith(("ii", "hi", "rc"))
    )
    texts = [f"{name} {before.get(name, 'absent')} → {after.get(name, 'removed')}" for name in changed]
    if half:
        return Check("packages", node, ok=False, detail=f"half installed: {', '.join(half)}")
    unmeant = [] if patch.changes is None else [name for name in changed if name not in patch.changes]
    if unmeant:
        return Check(
            "packages", node, ok=False, detail=f"not meant to change: {', '.join(unmeant)}; {'; '.join(texts)}"
        )
    return Check("packages", node, ok=True, detail="; ".join(texts) or "none changed")


def _fencing(manager: FencingLimits, node: str) -> Check:
    try:
        why = manager.fencing_limitation(node)
    except HarehearseError as error:
        return Check("fencing", node, ok=None, detail=str(error))
    return Check("fencing", node, ok=why is None, detail=why or "it could be fenced")


def own(check: UserCheck, cluster: Cluster, node: str) -> Check:
    """Run a check of the user's: a function of (cluster, node), or a testinfra test, which takes the host alone."""
    name = getattr(check, "__name__", "check").removeprefix("test_").replace("_", " ")
    arguments: tuple[Any, ...] = (cluster.nodes[node].host,) if _takes_host(check) else (cluster, cluster.nodes[node])
    try:
        check(*arguments)
    except Indeterminate as error:
        return Check(name, node, ok=None, detail=str(error))
    except Exception as error:  # noqa: BLE001 - a check of the user's that raises is red, whatever it raised
        return Check(
            name, node, ok=False, detail=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        )
    return Check(name, node, ok=True, detail="")


def _takes_host(check: UserCheck) -> bool:
    import inspect

    return list(inspect.signature(check).parameters) == ["host"]
