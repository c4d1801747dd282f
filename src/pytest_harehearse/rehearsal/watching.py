# SPDX-License-Identifier: MIT
"""The ``probes`` of a test: watch the cluster's services while something is done to it."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

from pytest_harehearse.clock import now
from pytest_harehearse.errors import ConfigError, NotMeasured
from pytest_harehearse.events import MeterFinished, MeterStarted, WritesAudited
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.managers.base import Claims, ClaimsByCommand
from pytest_harehearse.probes.attempts import Attempt, Outcome, read_attempts, read_tail
from pytest_harehearse.probes.audit import Audit, audit
from pytest_harehearse.probes.kinds import layer_of, limitation, prepare
from pytest_harehearse.probes.kinds.urls import hide
from pytest_harehearse.probes.meters import Meters
from pytest_harehearse.probes.seen import Seen
from pytest_harehearse.rehearsal.claim_watch import ClaimWatch
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.limits import DualSeen, Measured
from pytest_harehearse.rehearsal.run import Run
from pytest_harehearse.units import seconds

AUDIT_DEADLINE_S = 30.0


#: How long a watch asks before the block begins, and how long it waits there for services that do not answer.
BASELINE_S, LEAD_S = 0.5, 5.0

#: So many successes in a row, and none failed since: the service is back.
BACK = 3


def served(attempts: Sequence[Attempt], since: float) -> bool:
    """Return whether the last attempts with evidence, in the order sent, are successes sent after ``since``."""
    evidence = [a for a in attempts if a.sent >= since and (a.outcome.up or a.outcome.down)][-BACK:]
    return len(evidence) == BACK and all(a.outcome.up for a in evidence)


class Probes:
    """Starts the meter, in a process of its own, on the services of the cluster under rehearsal."""

    def __init__(self, cluster: Cluster, run: Run) -> None:
        self._cluster = cluster
        self._run = run
        self._numbers = itertools.count(1)
        #: What every watch of this rehearsal has seen, in order.
        self.seen: list[Seen] = []
        #: Lets a watch come to its end before a stop condition interrupts the test.
        self.calm: Callable[[], AbstractContextManager[None]] = nullcontext
        self._open: list[tuple[str, Path]] = []

    @contextmanager
    def watch(self, *names: str, settle: str | timedelta = "30s") -> Iterator[Seen]:
        """Ask every service (or those named) on a fixed schedule while the block runs.

        What was seen can be read after the block. Numbered writes are looked up at its end.

        Args:
            names: services of the cluster; none: all.
            settle: how long to go on after the block until every service is served again, so that the end of an
                interruption is seen. What is not served by then has no end, and passes no limit.

        Raises:
            ConfigError: a name is not a service of the cluster, or it has none.
        """
        recorder = self._cluster.recorder
        seen = Seen(writes=self._cluster.writes)
        services = tuple(s for s in self._choose(names) if self._askable(s, seen))
        for service in services:
            prepare(service)
        manager = self._cluster.manager
        claims = manager.claims() if isinstance(manager, Claims) else ()
        identity = f"{recorder.rehearsal}.{next(self._numbers)}"
        claiming = {claim.name: f"{claim.name}.claim" for claim in claims}
        here = [service for service in services if not service.via]
        asked = [*here, *(dataclasses.replace(claim, name=claiming[claim.name]) for claim in claims)]
        commands = manager.claim_commands() if isinstance(manager, ClaimsByCommand) else {}
        asking = ClaimWatch(commands, self._cluster.channels, self._run.attempts, f"{identity}.")
        meter = Meters.start(asked, services, self._run.attempts, f"{identity}.")
        claim_files = {node: meter.files[name] for node, name in claiming.items()} | asking.files
        recorder.write(
            MeterStarted(
                rehearsal=recorder.rehearsal, meter=identity,
                services=[self._describe(s, meter.files[s.name]) for s in services],
                claims={node: self._relative(path) for node, path in claim_files.items()},
                skipped=seen.skipped,
            )
        )  # fmt: skip
        files = {s.name: meter.files[s.name] for s in services}
        self._open += files.items()
        try:
            asking.start()
            # A baseline first: an interruption whose beginning was not seen has no upper bound.
            self._until_served(meter, files, LEAD_S, at_least=BASELINE_S)
            self._refuse_misconfigured(files)
            yield seen
            self._until_served(meter, files, seconds(settle))
        finally:
            # What went wrong while nodes were asked is raised, but only once what was measured is kept.
            with self.calm(), ExitStack() as ending:
                self._open = [one for one in self._open if one not in files.items()]
                ending.callback(asking.stop)
                meter.stop()
                recorder.write(MeterFinished(rehearsal=recorder.rehearsal, meter=identity, problem=meter.problem))
                audits = {s.name: self._audit(s, meter) for s in services if s.mode == "write"}
                asking.end()
                seen.settle(files, audits, claim_files)
                self.seen.append(seen)
                for name in files:
                    recorder.tell(seen[name].interruption.explain()[0])

    def open_now(self) -> list[tuple[str, Path]]:
        """Return the services that are watched now, each with its attempts file."""
        return list(self._open)

    @property
    def asked_nodes(self) -> bool:
        """Whether the nodes were asked in any watch whether they are active."""
        return any(seen.asked_nodes for seen in self.seen)

    def _askable(self, service: Service, seen: Seen) -> bool:
        # Elsewhere, the meter there finds out.
        reason = None if service.via else limitation(service)
        if reason is not None:
            seen.skipped[service.name] = reason
            self._cluster.recorder.tell(f"{service.name} is not watched: {reason}")
        return reason is None

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self._run.directory))

    def _describe(self, service: Service, path: Path) -> dict[str, Any]:
        return {
            "name": service.name, "probe": service.probe, "mode": service.mode, "session": service.session,
            "layer": layer_of(service), "vantage": service.vantage, "target": hide(service.url), "every": service.every,
            "timeout": service.timeout, "interruption": service.interruption, "file": self._relative(path),
        }  # fmt: skip

    @staticmethod
    def _until_served(meter: Meters, files: Mapping[str, Path], within: float, at_least: float = 0.0) -> None:
        began = now()
        while meter.alive() and now() < began + within:
            if now() >= began + at_least and all(served(read_tail(path), began) for path in files.values()):
                return
            time.sleep(0.1)

    def _refuse_misconfigured(self, files: Mapping[str, Path]) -> None:
        """Say before anything is done to the cluster that a probe cannot work as it is set up."""
        for name, path in files.items():
            first = read_tail(path)
            wrong = next((a for a in first if a.outcome is Outcome.MISCONFIGURED), None)
            if wrong is not None and not any(a.outcome.up for a in first):
                raise ConfigError(
                    f"The service {name!r} of {self._cluster.id} cannot be asked as it is described, which is no "
                    f"interruption: {wrong.error}. Nothing was done to the cluster; correct it in harehearse.toml."
                )

    def measured(self) -> list[Measured]:
        """Return what was measured in every watch, to be judged."""
        budgets = {service.name: service.interruption for service in self._cluster.services}
        return [
            Measured(
                one.name, one.measurement, budgets.get(one.name),
                lost=len(one.audit.lost) if one.audit else None,
                audit_problem=one.audit.problem if one.audit else None,
            )
            for seen in self.seen
            for one in seen.services.values()
        ]  # fmt: skip

    def dual(self) -> DualSeen | None:
        """Return how long two nodes were active at once in all watches together; None when nothing was watched."""
        if not self.seen:
            return None
        try:
            found = [seen.dual_active for seen in self.seen]
        except NotMeasured as error:
            return DualSeen(problem=str(error).rpartition("unknown: ")[2].rstrip("."))
        return DualSeen(max(one.lower for one in found), sum(one.upper for one in found))

    def _choose(self, names: Sequence[str]) -> tuple[Service, ...]:
        known = {service.name: service for service in self._cluster.services}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ConfigError(
                f"{self._cluster.id} has no service {unknown[0]!r}; its services are {', '.join(known) or 'none'}."
            )
        if not known:
            raise ConfigError(
                f"{self._cluster.id} has no service to watch. Add one to harehearse.toml: "
                f"[[environments.{self._cluster.id.replace('/', '.clusters.')}.services]]"
            )
        return tuple(known[name] for name in names) or tuple(known.values())

    def _audit(self, service: Service, meter: Meters) -> Audit:
        recorder = self._cluster.recorder
        file = read_attempts(meter.files[service.name])
        found = audit(service, str(file.header["writer"]), file.attempts, deadline=AUDIT_DEADLINE_S)
        recorder.write(
            WritesAudited(
                rehearsal=recorder.rehearsal, service=service.name, acked=found.acked, failed=found.failed,
                unknown=found.unknown, lost=list(found.lost), unknown_present=found.unknown_present,
                duplicates=found.duplicates, largest_hole_s=found.largest_hole_s, problem=found.problem,
                file=self._relative(meter.files[service.name]),
            )
        )  # fmt: skip
        return found
