# SPDX-License-Identifier: MIT
"""What a watch has seen: every service's interruption, and the writes that were lost."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pytest_harehearse.errors import HarehearseError, NotMeasured
from pytest_harehearse.probes.attempts import Attempt, AttemptsFile, read_attempts
from pytest_harehearse.probes.audit import Audit
from pytest_harehearse.probes.dual import DualActive, dual_limitation, found_dual
from pytest_harehearse.probes.felt import Interruption
from pytest_harehearse.probes.measurement import Measurement, measure_file


class UnknownService(HarehearseError, KeyError):
    """The watch has no service of this name."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class ServiceSeen:
    """One service of a finished watch."""

    name: str
    file: AttemptsFile
    audit: Audit | None = None

    @property
    def mode(self) -> str:
        """``read`` or ``write``."""
        return str(self.file.header.get("mode", "read"))

    @cached_property
    def measurement(self) -> Measurement:
        """What the attempts prove."""
        return measure_file(self.file)

    @property
    def interruption(self) -> Interruption:
        """How long it was interrupted."""
        return Interruption(self.name, self.measurement)

    @property
    def attempts(self) -> int:
        """How often it was asked, with what could not be sent."""
        return self.measurement.attempts

    @property
    def errors(self) -> dict[str, int]:
        """Failed attempts by kind of error."""
        return self.measurement.errors

    @property
    def slow(self) -> int:
        """Attempts that were served, but later than the service's ``slow``; how long: ``measurement.slow``."""
        return self.measurement.slow.attempts

    @property
    def layer(self) -> str:
        """Where in the stack it was asked: network, transport, name, application or database."""
        return str(self.file.header.get("layer", ""))

    @property
    def session(self) -> str:
        """``new`` or ``held``."""
        return str(self.file.header.get("session", "new"))

    @property
    def vantage(self) -> str:
        """The machine that asked."""
        return str(self.file.header.get("vantage", ""))

    @property
    def valid(self) -> bool:
        """True when the measurement is sound."""
        return self.measurement.valid

    @property
    def reason(self) -> str | None:
        """Why it is not sound; None when it is."""
        return self.measurement.reason

    def samples(self) -> tuple[Attempt, ...]:
        """Return the single attempts in the order sent."""
        return self.file.attempts

    @property
    def lost_writes(self) -> list[int]:
        """Numbers of the acknowledged writes that are gone.

        Raises:
            NotMeasured: when the writes could not be looked up, or none were made.
        """
        if self.mode != "write":
            raise NotMeasured(f'Lost writes of {self.name} are unknown: it is only read (mode = "read").')
        if self.audit is None:
            raise NotMeasured(f"Lost writes of {self.name} are unknown: its writes were not looked up afterwards.")
        if self.audit.problem is not None:
            raise NotMeasured(f"Lost writes of {self.name} are unknown: {self.audit.problem}.")
        if not self.file.complete:
            raise NotMeasured(
                f"Lost writes of {self.name} are unknown: the meter did not end by itself, so what it last wrote is "
                "not known."
            )
        return list(self.audit.lost)


class Seen:
    """What a watch saw; its values are there once the watch has ended.

    ``seen.interruption`` is the worst service's; ``seen["page"]`` one service; ``seen.lost_writes`` those of all;
    ``seen.dual_active`` how long two nodes were active at once.
    """

    def __init__(self, *, writes: bool = True) -> None:
        #: False: nothing of the cluster is written to, so that nothing that was written can be lost.
        self._writes = writes
        self._services: dict[str, ServiceSeen] | None = None
        self._claims: dict[str, AttemptsFile] = {}
        #: Services that could not be asked from here at all, and why.
        self.skipped: dict[str, str] = {}

    @classmethod
    def from_files(cls, files: Mapping[str, Path], audits: Mapping[str, Audit] | None = None) -> Self:
        """Return what the attempts files of a finished watch say."""
        seen = cls()
        seen.settle(files, audits)
        return seen

    def settle(
        self,
        files: Mapping[str, Path],
        audits: Mapping[str, Audit] | None = None,
        claims: Mapping[str, Path] | None = None,
    ) -> None:
        """Fill in the results, once the meter has ended.

        Args:
            files: service → its attempts.
            audits: service → what became of its numbered writes.
            claims: node → what it answered when asked whether it is active.

        Raises:
            NotMeasured: when an attempts file cannot be read.
        """
        services = {}
        for name, path in files.items():
            services[name] = ServiceSeen(name, _read(name, path), (audits or {}).get(name))
        self._claims = {node: _read(node, path) for node, path in (claims or {}).items()}
        self._services = services

    @property
    def services(self) -> Mapping[str, ServiceSeen]:
        """Every service by name.

        Raises:
            HarehearseError: while the watch is still open.
        """
        if self._services is None:
            raise HarehearseError(
                "The watch is still open, so nothing is known yet; read its results after the "
                "`with probes.watch() as seen:` block."
            )
        return self._services

    def __getitem__(self, name: str) -> ServiceSeen:
        services = self.services
        if name not in services:
            near = difflib.get_close_matches(str(name), services, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownService(
                f"This watch has no service {name!r}; it has {', '.join(services) or 'none at all'}.{hint}"
            )
        return services[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.services)

    def __contains__(self, name: object) -> bool:
        return name in self.services

    def __len__(self) -> int:
        return len(self.services)

    @property
    def interruption(self) -> Interruption:
        """The worst service's: one not soundly measured first, then one without end, then the longest.

        Raises:
            NotMeasured: when no service was watched.
        """
        found = [service.interruption for service in self.services.values()]
        if not found:
            raise NotMeasured("No service was watched, so no interruption is known.")
        return max(found, key=_rank)

    @property
    def lost_writes(self) -> list[int]:
        """Numbers of the acknowledged writes that are gone, of all services that were written to.

        Raises:
            NotMeasured: when that could not be established for one of them, or none was watched though the cluster has some.
        """
        writing = [service for service in self.services.values() if service.mode == "write"]
        if not writing and not self._writes:
            return []
        if not writing:
            raise NotMeasured("Lost writes are unknown: no service of this watch writes.")
        return sorted(n for service in writing for n in service.lost_writes)

    @property
    def asked_nodes(self) -> bool:
        """Whether the nodes were asked if they are active."""
        return bool(self._claims)

    @property
    def dual_active(self) -> DualActive:
        """How long two nodes were active at once: a ``timedelta`` (its upper bound) with ``.lower`` and ``.spans``.

        Raises:
            NotMeasured: when that could not be established: no node can be asked, or the runner was not sound.
        """
        services = self.services
        reason = dual_limitation(self._claims)
        if reason is not None:
            raise NotMeasured(f"Whether two nodes were active at once is unknown: {reason}.")
        return found_dual(self._claims, {name: one.file for name, one in services.items()})

    def __repr__(self) -> str:
        if self._services is None:
            return "<Seen: the watch is still open>"
        return f"<Seen: {'; '.join(repr(s.interruption)[1:-1] for s in self._services.values())}>"


def _read(name: str, path: Path) -> AttemptsFile:
    try:
        return read_attempts(path)
    except (OSError, ValueError) as error:
        raise NotMeasured(f"What was measured of {name} cannot be read: {error}") from error


def _rank(interruption: Interruption) -> tuple[Any, ...]:
    upper = interruption.upper
    return (not interruption.valid, upper is None, interruption.lower if upper is None else upper)
