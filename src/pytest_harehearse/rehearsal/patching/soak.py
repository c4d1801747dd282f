# SPDX-License-Identifier: MIT
"""Whether users were served while a patched node was watched: what a gate makes of a watch of the services."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from pytest_harehearse.probes.attempts import read_tail
from pytest_harehearse.rehearsal.patching.validation import Check
from pytest_harehearse.rehearsal.stop_watch import Down
from pytest_harehearse.units import show


class Watched(Protocol):
    """What a watch has seen of one service."""

    @property
    def name(self) -> str:
        """Of the service."""
        ...

    @property
    def attempts(self) -> int:
        """How often it was asked."""
        ...

    @property
    def errors(self) -> dict[str, int]:
        """Failed asks by kind of error."""
        ...

    @property
    def valid(self) -> bool:
        """Whether that was measured soundly."""
        ...

    @property
    def reason(self) -> str | None:
        """Why not."""
        ...

    @property
    def interruption(self) -> Any:
        """Its interruption, with ``lower`` in seconds."""
        ...


class SeenServices(Protocol):
    """What a watch gives; it can be read once its block has ended."""

    @property
    def services(self) -> Mapping[str, Watched]:
        """Service → what was seen of it."""
        ...


Watch = Callable[[], AbstractContextManager[SeenServices]]
#: Service → seconds for which it is proved to have been interrupted in the watch that is open; read again and again.
Hurt = Callable[[], Mapping[str, float]]


def nothing_hurts() -> Mapping[str, float]:
    """Know of no service."""
    return {}


def hurting(files: Callable[[], Sequence[tuple[str, Path]]]) -> Hurt:
    """Return what tells of each service that is watched how long it has been interrupted so far.

    Args:
        files: the services that are watched now, each with its attempts file. Of two watches of a service the last counts.
    """
    down: dict[Path, Down] = {}

    def look() -> dict[str, float]:
        found = {}
        for service, path in dict(files()).items():
            try:
                found[service] = down.setdefault(path, Down()).take(read_tail(path))
            except FileNotFoundError:
                # The meter is only about to make it.
                continue
        return found

    return look


class _Nothing:
    services: Mapping[str, Watched] = MappingProxyType({})


@contextmanager
def nothing_watched() -> Iterator[SeenServices]:
    """Watch nothing: for a cluster without services."""
    yield _Nothing()


def answered(service: Watched, node: str) -> Check:
    """Return whether a service was served while the patched node was watched."""
    name = f"{service.name} served"
    if not service.valid:
        return Check(name, node, ok=None, detail=service.reason or "not soundly measured")
    down = service.interruption
    failed = sum(service.errors.values())
    told = f"{failed} of {service.attempts} asks failed"
    # One ask that failed between two that did not proves no interruption; more than one in a hundred is no accident.
    red = down.lower > 0 or failed > service.attempts / 100
    return Check(name, node, ok=not red, detail=f"{told}, down for at least {show(down.lower)}" if red else told)
