# SPDX-License-Identifier: MIT
"""What the inventory says, as plain frozen data. All durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

Kind = Literal["lab", "production"]

#: Unless the inventory says otherwise, in seconds.
LEASE_S: Final = 60.0
DEAD_MAN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Node:
    """A member of a cluster; ``url`` says how it is reached (None: the lab knows)."""

    name: str
    url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Service:
    """What users reach, and how it is asked."""

    name: str
    #: http, tcp, postgresql … : a kind of probe.
    probe: str
    #: URL with any secret in it; never shown as it stands, see ``probes.kinds``.
    url: str = field(repr=False)
    #: ``claim`` asks one node whether it is the active one: served means "yes", read-only means "no".
    mode: Literal["read", "write", "claim"] = "read"
    #: ``held``: one established session for all attempts, as an application's pool has it.
    session: Literal["new", "held"] = "new"
    every: float = 0.02
    timeout: float = 0.06
    #: A success that took longer (seconds) was slow: served, but not as it should be. None: half the timeout.
    slow: float | None = None
    #: TCP_USER_TIMEOUT of the session (seconds); None: the system's.
    user_timeout: float | None = None
    #: network, transport, name, application or database; empty: that of its kind of probe.
    layer: str = ""
    #: Budget for the interruption's upper bound; None: only the test's own limits count.
    interruption: float | None = None
    #: http: statuses that count as served; empty: 200 to 399.
    status: tuple[int, ...] = ()
    #: http: text that the body must contain.
    contains: str | None = None
    #: http: response header that names who answered; None: those usually set for it.
    responder: str | None = None
    #: http, mode write: ``FILE.py:FUNCTION`` that makes the request of a numbered write, and that looks numbers up.
    write: str | None = None
    lookup: str | None = None
    #: several hosts in the URL: node names in the order of the hosts, to name the responder.
    responders: tuple[str, ...] = ()
    #: Where it is asked from, and how execnet reaches an interpreter there; empty: here.
    vantage: str = ""
    via: str = ""


@dataclass(frozen=True, slots=True)
class DriftRule:
    """How facts of nodes must compare, as the site has it; see ``drift.rules``."""

    path: str
    policy: Literal["must_match", "same_minor", "may_differ", "ignore"]
    severity: Literal["forbidden", "watch", "note"]
    reason: str


@dataclass(frozen=True, slots=True)
class Gates:
    """What must hold before a window; all lengths are seconds. Evidence that is older than its limit proves nothing."""

    #: Rehearsals count for so long.
    rehearsed_within: float = 7 * 86400.0
    #: So many of planned work must have passed in that time.
    rehearsals: int = 3
    #: The longest interruption at one go; None: the tightest budget of a service.
    interruption: float | None = None
    #: The way back was rehearsed, and a node was fenced, within this time.
    way_back_within: float = 30 * 86400.0
    fenced_within: float = 90 * 86400.0
    #: The test whose playbook is carried out in the window; None: that of the latest patch day.
    playbook: str | None = None
    #: Certificates must last for longer.
    certificates: float = 30 * 86400.0
    #: Free of each filesystem, as a share of it (0 to 1).
    disk: float = 0.1
    #: A program that prints when the last good backup was made (ISO 8601, or seconds ago), and how old it may be.
    backup: tuple[str, ...] = ()
    backup_within: float = 86400.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of an environment; ``id`` is ENVIRONMENT/CLUSTER."""

    environment: str
    name: str
    kind: Kind
    manager: str
    nodes: tuple[Node, ...]
    provider: str | None = None
    group: str | None = None
    services: tuple[Service, ...] = ()
    twin: str | None = None
    allow: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    gates: Gates = field(default_factory=Gates)
    #: Rules of the site for what must be alike, before the built-in ones; and files to look at, too.
    drift: tuple[DriftRule, ...] = ()
    drift_files: tuple[str, ...] = ()
    #: Seconds that a lease on it lasts by itself, once its holder died.
    lease: float = LEASE_S
    #: Seconds after which a fault undoes itself, once its runner died.
    dead_man: float = DEAD_MAN_S
    #: An interruption longer than this (seconds) stops a rehearsal; None: none does.
    abort_after: float | None = None
    #: For the playbook: whom to call, and what the one on call should know.
    contacts: tuple[str, ...] = ()
    notes: str = ""
    #: Where it is, as its runner says of itself; empty: any runner reaches it.
    site: str = ""

    @property
    def id(self) -> str:
        """ENVIRONMENT/CLUSTER."""
        return f"{self.environment}/{self.name}"


@dataclass(frozen=True, slots=True)
class Environment:
    """A lab or a production."""

    name: str
    kind: Kind
    provider: str | None
    clusters: dict[str, Cluster]


@dataclass(frozen=True, slots=True)
class Inventory:
    """A whole harehearse.toml."""

    path: Path
    environments: dict[str, Environment]
    default_environment: str | None = None
    #: Directory of the runs as written, relative to the file; None: the default.
    store: str | None = None
    #: Database URL of the history with any secret in it; None: SQLite in the store.
    history: str | None = field(default=None, repr=False)
    #: What nobody may read in a report: passwords of its URLs, and variables of the environment that are named as secrets.
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def store_path(self) -> Path:
        """Where runs are kept unless an option says otherwise: relative to the inventory's own folder."""
        return self.path.parent / (self.store or ".harehearse")

    @property
    def clusters(self) -> dict[str, Cluster]:
        """Every cluster by its id, sorted (xdist compares collections)."""
        found = {c.id: c for environment in self.environments.values() for c in environment.clusters.values()}
        return dict(sorted(found.items()))
