# SPDX-License-Identifier: MIT
"""What the inventory says, as plain frozen data. All durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["lab", "production"]


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
    gates: dict[str, float] = field(default_factory=dict)

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

    @property
    def store_path(self) -> Path:
        """Where runs are kept unless an option says otherwise: relative to the inventory's own folder."""
        return self.path.parent / (self.store or ".harehearse")

    @property
    def clusters(self) -> dict[str, Cluster]:
        """Every cluster by its id, sorted (xdist compares collections)."""
        found = {c.id: c for environment in self.environments.values() for c in environment.clusters.values()}
        return dict(sorted(found.items()))
