# SPDX-License-Identifier: MIT
"""What ``crm_mon -1 -r --output-as=xml`` says, as plain data; both layouts, ``<pacemaker-result>`` and ``<crm_mon>``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_harehearse.managers.pacemaker.fence_event import FenceEvent, fence_events
from pytest_harehearse.managers.pacemaker.xml import flag, infinite, number, parse

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ROOTS: Final = frozenset({"pacemaker-result", "crm_mon"})
#: Elements that hold resources together.
_COLLECTIVES: Final = frozenset({"group", "clone", "bundle"})
_RUNNING: Final = frozenset({"Started", "Promoted", "Master", "Unpromoted", "Slave"})
PROMOTED: Final = frozenset({"Promoted", "Master"})


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A node as the cluster holds it to be."""

    name: str
    online: bool = False
    standby: bool = False
    maintenance: bool = False
    pending: bool = False
    unclean: bool = False
    shutdown: bool = False


@dataclass(frozen=True, slots=True)
class ResourceSeen:
    """A primitive, or one instance of a cloned one."""

    name: str
    agent: str
    role: str
    nodes: tuple[str, ...]
    #: The groups, clones and bundles that it is in, the outermost first.
    within: tuple[str, ...] = ()
    managed: bool = True
    failed: bool = False
    blocked: bool = False
    #: What is going on with it, as "Starting".
    pending: str | None = None
    #: What it was told to be, where it was told: Stopped keeps it from running anywhere.
    wanted: str | None = None

    @property
    def running(self) -> bool:
        """It is active and not known to have failed."""
        return self.role in _RUNNING and bool(self.nodes) and not self.failed

    @property
    def fences(self) -> bool:
        """It is a fencing device."""
        return self.agent.startswith("stonith:")


@dataclass(frozen=True, slots=True)
class Failure:
    """An action that failed and was not cleaned up since."""

    node: str
    resource: str
    action: str
    result: str
    reason: str = ""
    when: str = ""

    def __str__(self) -> str:
        """One clause for messages."""
        why = f" ({self.reason})" if self.reason else ""
        when = f" at {self.when}" if self.when else ""
        return f"{self.action} of {self.resource} on {self.node} failed: {self.result}{why}{when}"


@dataclass(frozen=True, slots=True)
class FailCount:
    """How often a resource failed on a node, and how often it may before it is kept off that node."""

    node: str
    resource: str
    count: int
    threshold: int

    @property
    def keeps_off(self) -> bool:
        """The resource may not run there until it is cleaned up."""
        return infinite(self.count) or 0 < self.threshold <= self.count


@dataclass(frozen=True, slots=True)
class Ban:
    """A location constraint that keeps a resource off a node."""

    name: str
    resource: str
    node: str
    weight: int
    promoted_only: bool = False


@dataclass(frozen=True, slots=True)
class Mon:
    """All of it."""

    code: int = 0
    message: str = ""
    dc: str | None = None
    #: None: not said.
    quorum: bool | None = None
    version: str = ""
    stonith: bool | None = None
    maintenance: bool = False
    stopped: bool = False
    nodes: dict[str, NodeSeen] = field(default_factory=dict)
    resources: tuple[ResourceSeen, ...] = ()
    #: Group, clone or bundle → which of the three.
    collectives: dict[str, str] = field(default_factory=dict)
    promotable: frozenset[str] = frozenset()
    failures: tuple[Failure, ...] = ()
    fail_counts: tuple[FailCount, ...] = ()
    bans: tuple[Ban, ...] = ()
    fencing: tuple[FenceEvent, ...] = ()

    def parts(self, name: str) -> tuple[ResourceSeen, ...]:
        """Return the primitives of a resource: itself, or those in it."""
        return tuple(one for one in self.resources if one.name == name or name in one.within)

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group that is no part of a clone."""
        return tuple(name for name, kind in self.collectives.items() if kind == "group" and not self._cloned(name))

    def _cloned(self, group: str) -> bool:
        return any(group in one.within[1:] for one in self.resources)


def read(data: bytes) -> Mon | str:
    """Return what was said, or why it cannot be understood."""
    root = parse(data)
    if isinstance(root, str):
        return root
    if root.tag not in ROOTS:
        return f"what it printed is no state of a cluster, but <{root.tag[:40]}>"
    status = root.find("status")
    resources, collectives, promotable = list_resources(root.find("resources"))
    summary = root.find("summary")
    dc = None if summary is None else summary.find("current_dc")
    options = None if summary is None else summary.find("cluster_options")
    return Mon(
        code=0 if status is None else number(status, "code", 1),
        message="" if status is None else _message(status),
        dc=None if dc is None or not flag(dc, "present") else dc.get("name"),
        quorum=None if dc is None else flag(dc, "with_quorum"),
        version="" if dc is None else dc.get("version", ""),
        stonith=None if options is None else flag(options, "stonith-enabled"),
        maintenance=options is not None and bool(flag(options, "maintenance-mode")),
        stopped=options is not None and bool(flag(options, "stop-all-resources")),
        nodes={node.name: node for node in _nodes(root.find("nodes"))},
        resources=resources,
        collectives=collectives,
        promotable=promotable,
        failures=tuple(_failure(one) for one in root.iterfind("failures/failure")),
        fail_counts=tuple(_fail_counts(root)),
        bans=tuple(_ban(one) for one in root.iterfind("bans/ban")),
        fencing=fence_events(root),
    )


def _message(status: Element) -> str:
    errors = [" ".join(text.split()) for one in status.iter("error") if (text := one.text)]
    return ": ".join(part for part in (status.get("message", ""), "; ".join(errors)) if part)


def _nodes(nodes: Element | None) -> list[NodeSeen]:
    return [] if nodes is None else [
        NodeSeen(
            node.get("name", ""),
            online=bool(flag(node, "online")),
            standby=bool(flag(node, "standby")) or bool(flag(node, "standby_onfail")),
            maintenance=bool(flag(node, "maintenance")),
            pending=bool(flag(node, "pending")),
            unclean=bool(flag(node, "unclean")),
            shutdown=bool(flag(node, "shutdown")),
        )
        for node in nodes.iterfind("node")
    ]  # fmt: skip


def list_resources(
    resources: Element | None,
) -> tuple[tuple[ResourceSeen, ...], dict[str, str], frozenset[str]]:
    """Return the primitives, the collectives by their kind, and which of these promote an instance."""
    found: list[ResourceSeen] = []
    collectives: dict[str, str] = {}
    promotable: set[str] = set()
    # A stack and no recursion: how deep it is nested is up to whoever printed it.
    waiting: list[tuple[Element, tuple[str, ...]]] = [] if resources is None else [(resources, ())]
    while waiting:
        parent, within = waiting.pop()
        for one in parent:
            name = one.get("id", "")
            if one.tag == "resource":
                found.append(_resource(one, name, within))
            elif one.tag in _COLLECTIVES:
                collectives[name] = str(one.tag)
                if flag(one, "multi_state"):
                    promotable.add(name)
                waiting.append((one, (*within, name)[:8]))
            elif one.tag == "replica":
                waiting.append((one, within))
    return tuple(found), collectives, frozenset(promotable)


def _resource(one: Element, name: str, within: tuple[str, ...]) -> ResourceSeen:
    return ResourceSeen(
        # An instance of a unique clone is called like nginx:0.
        name=name.partition(":")[0] if within else name,
        agent=one.get("resource_agent", ""),
        role=one.get("role", ""),
        nodes=tuple(node.get("name", "") for node in one.iterfind("node")),
        within=within,
        managed=flag(one, "managed") is not False,
        failed=bool(flag(one, "failed")),
        blocked=bool(flag(one, "blocked")),
        pending=one.get("pending"),
        wanted=one.get("target_role"),
    )


def _failure(one: Element) -> Failure:
    resource, _, _ = (one.get("op_key") or one.get("id") or "").rpartition("_")
    resource, _, task = resource.rpartition("_")
    return Failure(
        node=one.get("node", ""),
        resource=resource,
        action=one.get("task") or task,
        result=" ".join(part for part in (one.get("exitstatus"), _unusual(one.get("status"))) if part),
        reason=one.get("exitreason", ""),
        when=one.get("last-rc-change", ""),
    )


def _unusual(status: str | None) -> str | None:
    return None if status in {None, "complete"} else f"({status})"


def _fail_counts(root: Element) -> list[FailCount]:
    return [
        FailCount(
            node.get("name", ""), history.get("id", "").partition(":")[0],
            number(history, "fail-count"), number(history, "migration-threshold"),
        )
        for node in root.iterfind("node_history/node")
        for history in node.iterfind("resource_history")
        if number(history, "fail-count")
    ]  # fmt: skip


def _ban(one: Element) -> Ban:
    return Ban(
        one.get("id", ""), one.get("resource", ""), one.get("node", ""), number(one, "weight"),
        bool(flag(one, "promoted-only") or flag(one, "master_only")),
    )  # fmt: skip
