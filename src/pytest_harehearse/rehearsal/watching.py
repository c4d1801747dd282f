# SPDX-License-Identifier: MIT
"""The ``probes`` of a test: watch the cluster's services while something is done to it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from pytest_harehearse.clock import now
from pytest_harehearse.errors import ConfigError
from pytest_harehearse.events import MeterFinished, MeterStarted, WritesAudited
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Attempt, read_attempts
from pytest_harehearse.probes.audit import Audit, audit
from pytest_harehearse.probes.kinds import prepare
from pytest_harehearse.probes.kinds.urls import hide
from pytest_harehearse.probes.meter import Meter
from pytest_harehearse.probes.seen import Seen
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.limits import Measured
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
        services = self._choose(names)
        recorder = self._cluster.recorder
        for service in services:
            prepare(service)
        identity = f"{recorder.rehearsal}.{next(self._numbers)}"
        seen = Seen()
        meter = Meter.start(services, self._run.attempts, f"{identity}.")
        described = [
            {
                "name": s.name, "probe": s.probe, "mode": s.mode, "target": hide(s.url), "every": s.every,
                "timeout": s.timeout, "interruption": s.interruption,
                "file": str(meter.files[s.name].relative_to(self._run.directory)),
            }
            for s in services
        ]  # fmt: skip
        recorder.write(MeterStarted(rehearsal=recorder.rehearsal, meter=identity, services=described))
        try:
            # A baseline first: an interruption whose beginning was not seen has no upper bound.
            self._until_served(meter, LEAD_S, at_least=BASELINE_S)
            yield seen
            self._until_served(meter, seconds(settle))
        finally:
            meter.stop()
            recorder.write(MeterFinished(rehearsal=recorder.rehearsal, meter=identity, problem=meter.problem))
            audits = {s.name: self._audit(s, meter) for s in services if s.mode == "write"}
            seen.settle(meter.files, audits)
            self.seen.append(seen)
            for name in meter.files:
                recorder.tell(seen[name].interruption.explain()[0])

    @staticmethod
    def _until_served(meter: Meter, within: float, at_least: float = 0.0) -> None:
        began = now()
        while meter.alive() and now() < began + within:
            if now() >= began + at_least and all(
                served(read_attempts(path).attempts, began) for path in meter.files.values()
            ):
                return
            time.sleep(0.1)

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

    def _audit(self, service: Service, meter: Meter) -> Audit:
        recorder = self._cluster.recorder
        file = read_attempts(meter.files[service.name])
        found = audit(service, str(file.header["writer"]), file.attempts, deadline=AUDIT_DEADLINE_S)
        recorder.write(
            WritesAudited(
                rehearsal=recorder.rehearsal, service=service.name, acked=found.acked, failed=found.failed,
                unknown=found.unknown, lost=list(found.lost), unknown_present=found.unknown_present,
                duplicates=found.duplicates, largest_hole_s=found.largest_hole_s, problem=found.problem,
            )
        )  # fmt: skip
        return found
