# SPDX-License-Identifier: MIT
"""The kinds of probe by name, loaded when first used."""

from __future__ import annotations

import difflib
import importlib
from typing import Final, cast

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.kinds.base import Kind
from pytest_harehearse.probes.kinds.urls import hide

__all__ = ["KINDS", "hide", "kind_class", "make", "names", "prepare"]

#: Name or URL scheme → module:class.
KINDS: Final[dict[str, str]] = {
    "http": "pytest_harehearse.probes.kinds.http:Http",
    "https": "pytest_harehearse.probes.kinds.http:Http",
    "postgres": "pytest_harehearse.probes.kinds.postgresql:Postgresql",
    "postgresql": "pytest_harehearse.probes.kinds.postgresql:Postgresql",
    "tcp": "pytest_harehearse.probes.kinds.tcp:Tcp",
}


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
        ConfigError: for an unknown kind or a URL it cannot use.
    """
    return kind_class(service.probe)(service, writer)


def prepare(service: Service) -> None:
    """Make ready what a probe needs on the service (for numbered writes: their table); waits for it.

    Raises:
        HarehearseError: when that could not be done; says why.
    """
    make(service)
    if service.mode == "write" and service.probe in {"postgres", "postgresql"}:
        from pytest_harehearse.probes.kinds.postgresql_table import create_table

        create_table(service)
