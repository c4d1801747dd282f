# SPDX-License-Identifier: MIT
"""The kinds of probe by name, loaded when first used."""

from __future__ import annotations

import difflib
import importlib
from collections import Counter
from typing import Final, Protocol, cast

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.kinds.base import Kind, SessionKind
from pytest_harehearse.probes.kinds.held import Held
from pytest_harehearse.probes.kinds.urls import hide

__all__ = ["KINDS", "hide", "kind_class", "layer_of", "limitation", "make", "names", "prepare", "take_writes"]

#: Name or URL scheme → module:class.
KINDS: Final[dict[str, str]] = {
    "command": "pytest_harehearse.probes.kinds.command:Command",
    "dns": "pytest_harehearse.probes.kinds.dns:Dns",
    "http": "pytest_harehearse.probes.kinds.http:Http",
    "https": "pytest_harehearse.probes.kinds.http:Http",
    "icmp": "pytest_harehearse.probes.kinds.icmp:Icmp",
    "mariadb": "pytest_harehearse.probes.kinds.mysql:Mysql",
    "mysql": "pytest_harehearse.probes.kinds.mysql:Mysql",
    "postgres": "pytest_harehearse.probes.kinds.postgresql:Postgresql",
    "postgresql": "pytest_harehearse.probes.kinds.postgresql:Postgresql",
    "redis": "pytest_harehearse.probes.kinds.redis:Redis",
    "rediss": "pytest_harehearse.probes.kinds.redis:Redis",
    "tcp": "pytest_harehearse.probes.kinds.tcp:Tcp",
}

#: The same → module that prepares and reads numbered writes.
WRITES: Final[dict[str, str]] = {
    "http": "pytest_harehearse.probes.kinds.http_writes",
    "https": "pytest_harehearse.probes.kinds.http_writes",
    "mariadb": "pytest_harehearse.probes.kinds.mysql_table",
    "mysql": "pytest_harehearse.probes.kinds.mysql_table",
    "postgres": "pytest_harehearse.probes.kinds.postgresql_table",
    "postgresql": "pytest_harehearse.probes.kinds.postgresql_table",
    "redis": "pytest_harehearse.probes.kinds.redis_list",
    "rediss": "pytest_harehearse.probes.kinds.redis_list",
}


class Writes(Protocol):
    """What a module of :data:`WRITES` has. Both block."""

    def prepare(self, service: Service, within: float = 15.0) -> None:
        """Make ready what numbered writes need; raises HarehearseError."""
        ...

    def take(self, service: Service, writer: str, within: float) -> Counter[int]:
        """See :func:`take_writes`."""
        ...


def names() -> tuple[str, ...]:
    """Return the known kinds, sorted."""
    return tuple(sorted(KINDS))


def kind_class(name: str) -> type[Kind]:
    """Return the class of a kind.

    Raises:
        ConfigError: for an unknown kind; names the valid ones and the nearest.
    """
    if name not in KINDS:
        near = difflib.get_close_matches(name.lower(), KINDS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"{name!r} is not a kind of probe; valid are {', '.join(names())}.{hint}")
    module, _, attribute = KINDS[name].partition(":")
    return cast("type[Kind]", getattr(importlib.import_module(module), attribute))


def make(service: Service, writer: str = "") -> Kind:
    """Return the probe of a service, its URL checked.

    Raises:
        ConfigError: for an unknown kind, a URL it cannot use, or a mode or session it does not have.
    """
    kind = kind_class(service.probe)
    for setting, value, valid in (("mode", service.mode, kind.modes), ("session", service.session, kind.sessions)):
        if value not in valid:
            raise ConfigError(
                f"the service {service.name!r} has {setting} = {value!r}, which {service.probe} does not have; "
                f"valid here: {', '.join(valid)}."
            )
    made = kind(service, writer)
    if service.session == "held" and isinstance(made, SessionKind):
        return Held(made)
    return made


def limitation(service: Service) -> str | None:
    """Return why this machine cannot ask a service at all; None when it can."""
    return make(service).limitation()


def layer_of(service: Service) -> str:
    """Return where in the stack a service is asked."""
    return service.layer or kind_class(service.probe).layer


def _writes_of(service: Service) -> Writes:
    return cast("Writes", importlib.import_module(WRITES[service.probe]))


def prepare(service: Service) -> None:
    """Make ready what numbered writes need on the service; waits for it.

    Raises:
        ConfigError: see :func:`make`.
        HarehearseError: when that could not be done; says why.
    """
    make(service)
    if service.mode == "write":
        _writes_of(service).prepare(service)


def take_writes(service: Service, writer: str, within: float) -> Counter[int]:
    """Return how often each number of this writer is present on the service, and remove what it wrote.

    Raises:
        Indeterminate: when the numbers cannot be read, or it is not certain who tells the truth.
    """
    return _writes_of(service).take(service, writer, within)
