# SPDX-License-Identifier: MIT
"""The format of harehearse.toml. The only module of the inventory that needs pydantic: import it only to read a file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from pytest_harehearse.inventory.model import (
    DEAD_MAN_S,
    LEASE_S,
    Cluster,
    DriftRule,
    Environment,
    Gates,
    Inventory,
    Kind,
    Node,
    Service,
)
from pytest_harehearse.units import seconds

Manager = Literal["pacemaker", "patroni", "sentinel", "keepalived", "galera", "lifekeeper", "wsfc"]
Probe = Literal["http", "tcp", "icmp", "postgresql", "redis", "mysql", "dns", "command"]
Provider = Literal["embedded", "lxd", "vagrant", "hosts"]
Action = Literal["switchover", "patch", "fault"]
Layer = Literal["network", "transport", "name", "application", "database"]

#: (every, timeout) of probes that log in and ask, or start a program; they cannot be as quick as the others.
_PACE: Final = {"postgresql": (0.05, 0.5), "mysql": (0.05, 0.5), "command": (0.5, 2.0)}
_QUICK: Final = (0.02, 0.06)
_SHORTEST_TIMER_S: Final = 2.0
#: The vantage that needs no name: the machine that pytest runs on.
HERE: Final = "here"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CALLABLE: Final = re.compile(r".+\.py:[A-Za-z_]\w*")
_SHARE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK: Final = r"((?:[01]\d|2[0-3]):[0-5]\d)"
_WINDOW: Final = re.compile(rf"\s*([A-Za-z]+)\s+{_CLOCK}-{_CLOCK}\s+(\S+)\s*")


class InvalidError(ValueError):
    """A value breaks a rule; the message goes on after the value, as in "it must be more than 0 s"."""


class ZoneError(InvalidError):
    """The time zone of a window is not known."""


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise InvalidError("it must be a name: a letter or digit, then letters, digits, '_', '.' or '-'")
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise InvalidError("it must not be empty")
    return value


def _duration(value: object) -> float:
    length = seconds(value)  # type: ignore[arg-type]  # refuses whatever is not a text
    if not math.isfinite(length):
        raise InvalidError("it is too long")
    return length


def _above_zero(value: float) -> float:
    if value <= 0:
        raise InvalidError("it must be more than 0 s")
    return value


def _at_least_1_ms(value: float) -> float:
    if value < 0.001:
        raise InvalidError("it must be at least 1ms")
    return value


def _a_timer(value: float) -> float:
    if value < _SHORTEST_TIMER_S:
        raise InvalidError(
            "it must be at least 2s: it counts in whole seconds, and is put off while the rehearsal lives"
        )
    return value


def _at_least_1(value: int) -> int:
    if value < 1:
        raise InvalidError("it must be at least 1")
    return value


def _share(value: object) -> object:
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) > 100:
        raise InvalidError("it must be a share, as in '10%'")
    return float(match[1]) / 100


def _path(value: str) -> str:
    if not value.startswith("/") or "\n" in value:
        raise InvalidError("it must be the path of a file, as in '/etc/myapp.conf'")
    return value


def _http_status(value: int) -> int:
    if not 100 <= value <= 599:
        raise InvalidError("it must be an HTTP status, 100 to 599")
    return value


def _window(value: str) -> str:
    match = _WINDOW.fullmatch(value)
    if match is None or match[1].lower()[:3] not in _DAYS:
        raise InvalidError("it must be a day, two times and a time zone, as in 'Tue 01:00-03:00 Europe/Berlin'")
    if match[2] == match[3]:
        raise InvalidError("it must not end at the time it begins")
    try:
        ZoneInfo(match[4])
    except (KeyError, ValueError, OSError):
        raise ZoneError("it must end with a time zone of the IANA database, as in 'Europe/Berlin'") from None
    return value


def _callable(value: str) -> str:
    if not _CALLABLE.fullmatch(value):
        raise InvalidError("it must name a function in a file, as in 'probes/shop.py:write'")
    return value


def _node(value: object) -> object:
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        raise InvalidError("it must be a name, or a table of name and url")
    return value


Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, AfterValidator(_filled)]
Duration = Annotated[float, BeforeValidator(_duration)]
Length = Annotated[Duration, AfterValidator(_above_zero)]
Period = Annotated[Duration, AfterValidator(_at_least_1_ms)]
Timer = Annotated[Duration, AfterValidator(_a_timer)]
Count = Annotated[int, AfterValidator(_at_least_1)]
Path_ = Annotated[str, AfterValidator(_path)]
Share = Annotated[float, BeforeValidator(_share)]
Status = Annotated[int, AfterValidator(_http_status)]
Callable = Annotated[str, AfterValidator(_callable)]
Window = Annotated[str, AfterValidator(_window)]


class Table(BaseModel):
    """A table of the file: nothing is coerced, and a key that is not listed is a fault."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    #: What the table is called in a message.
    noun: ClassVar[str]

    @classmethod
    def settings(cls) -> list[str]:
        """Return every key, in the order of the reference."""
        return list(cls.model_fields)

    @classmethod
    def required(cls) -> list[str]:
        """Return the keys that must be there."""
        return [name for name, field in cls.model_fields.items() if field.is_required()]


class ServiceTable(Table):
    """``[[environments.E.clusters.C.services]]``."""

    noun = "a service"
    name: Name
    probe: Probe
    url: Text
    mode: Literal["read", "write"] = "read"
    session: Literal["new", "held"] = "new"
    every: Period | None = None
    timeout: Length | None = None
    slow: Length | None = None
    user_timeout: Length | None = None
    layer: Layer | None = None
    interruption: Duration | None = None
    status: list[Status] = []
    contains: Text | None = None
    responder: Text | None = None
    write: Callable | None = None
    lookup: Callable | None = None
    vantages: list[Text] = []

    def plain(self, base: Path, vantages: dict[str, str]) -> Iterator[Service]:
        """Yield the service as plain data, once for each place that it is asked from.

        Args:
            base: the folder that its files are found from.
            vantages: places and how they are reached.
        """
        for vantage in self.vantages or [HERE]:
            yield self._asked(base, vantage, vantages.get(vantage, ""))

    def _asked(self, base: Path, vantage: str, via: str) -> Service:
        every, timeout = _PACE.get(self.probe, _QUICK)
        return Service(
            name=f"{self.name}@{vantage}" if via else self.name,
            vantage=vantage if via else "",
            via=via,
            probe=self.probe,
            url=self.url,
            mode=self.mode,
            session=self.session,
            every=every if self.every is None else self.every,
            timeout=timeout if self.timeout is None else self.timeout,
            slow=self.slow,
            user_timeout=self.user_timeout,
            layer=self.layer or "",
            interruption=self.interruption,
            status=tuple(self.status),
            contains=self.contains,
            responder=self.responder,
            write=None if self.write is None else str(base / self.write),
            lookup=None if self.lookup is None else str(base / self.lookup),
        )


class NodeTable(Table):
    """An entry of ``nodes``; a bare text is its name."""

    noun = "a node"
    name: Name
    url: Text | None = None


class GatesTable(Table):
    """``[environments.E.clusters.C.gates]``."""

    noun = "the gates"
    rehearsed_within: Length | None = None
    rehearsals: Count | None = None
    interruption: Duration | None = None
    way_back_within: Length | None = None
    fenced_within: Length | None = None
    playbook: Text | None = None
    certificates: Length | None = None
    disk: Share | None = None
    backup: list[Text] | None = None
    backup_within: Length | None = None

    def plain(self) -> Gates:
        """Return the limits as plain data; what is not given is as the model has it."""
        given = self.model_dump(exclude_none=True)
        return Gates(**{**given, "backup": tuple(given.get("backup", ()))})


class DriftTable(Table):
    """``[[environments.E.clusters.C.drift]]``."""

    noun = "a rule of drift"
    path: Text
    policy: Literal["must_match", "same_minor", "may_differ", "ignore"]
    severity: Literal["forbidden", "watch", "note"] = "watch"
    reason: Text

    def plain(self) -> DriftRule:
        """Return the rule as plain data."""
        return DriftRule(self.path, self.policy, self.severity, self.reason)


class ClusterTable(Table):
    """``[environments.E.clusters.C]``."""

    noun = "a cluster"
    manager: Manager
    nodes: list[Annotated[NodeTable, BeforeValidator(_node)]]
    group: Text | None = None
    services: list[ServiceTable] = []
    twin: Text | None = None
    allow: list[Action] = []
    windows: list[Window] = []
    abort_after: Length | None = None
    dead_man: Timer | None = None
    lease: Timer | None = None
    contacts: list[Text] = []
    notes: Text | None = None
    site: Name | None = None
    gates: GatesTable = GatesTable()
    drift: list[DriftTable] = []
    drift_files: list[Path_] = []

    def plain(
        self, environment: str, name: str, kind: Kind, provider: str | None, base: Path, site: str | None = None,
        vantages: dict[str, str] | None = None,
    ) -> Cluster:  # fmt: skip
        """Return the cluster as plain data."""
        return Cluster(
            environment=environment,
            name=name,
            kind=kind,
            manager=self.manager,
            nodes=tuple(Node(node.name, node.url) for node in self.nodes),
            provider=provider,
            group=self.group,
            services=tuple(one for service in self.services for one in service.plain(base, vantages or {})),
            twin=self.twin,
            allow=tuple(self.allow),
            windows=tuple(self.windows),
            abort_after=self.abort_after,
            dead_man=DEAD_MAN_S if self.dead_man is None else self.dead_man,
            lease=LEASE_S if self.lease is None else self.lease,
            contacts=tuple(self.contacts),
            notes=self.notes or "",
            site=self.site or site or "",
            gates=self.gates.plain(),
            drift=tuple(rule.plain() for rule in self.drift),
            drift_files=tuple(self.drift_files),
        )


class EnvironmentTable(Table):
    """``[environments.E]``."""

    noun = "an environment"
    kind: Kind
    provider: Provider | None = None
    site: Name | None = None
    vantages: dict[Name, Text] = {}
    clusters: dict[Name, ClusterTable] = {}

    def plain(self, name: str, base: Path) -> Environment:
        """Return the environment as plain data."""
        clusters = {
            key: cluster.plain(name, key, self.kind, self.provider, base, self.site, self.vantages)
            for key, cluster in self.clusters.items()
        }
        return Environment(name, self.kind, self.provider, clusters)


class InventoryTable(Table):
    """The whole file."""

    noun = "the inventory"
    default_environment: Text | None = None
    store: Text | None = None
    history: Text | None = None
    environments: dict[Name, EnvironmentTable]

    def plain(self, path: Path) -> Inventory:
        """Return the inventory as plain data."""
        return Inventory(
            path=path,
            environments={
                name: environment.plain(name, path.parent.resolve()) for name, environment in self.environments.items()
            },
            default_environment=self.default_environment,
            store=self.store,
            history=self.history,
        )


def table_at(loc: tuple[str | int, ...]) -> type[Table]:
    """Return which table of the format stands at a place of the file."""
    match loc:
        case (_, _):
            return EnvironmentTable
        case (_, _, _, _):
            return ClusterTable
        case (_, _, _, _, "drift", _):
            return DriftTable
        case (_, _, _, _, _):
            return GatesTable
        case (_, _, _, _, "nodes", _):
            return NodeTable
        case (_, _, _, _, "services", _):
            return ServiceTable
        case _:
            return InventoryTable
