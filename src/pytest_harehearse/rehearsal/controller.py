# SPDX-License-Identifier: MIT
"""What one pytest session knows of rehearsals: the selected clusters, and either the real session or a plan."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_harehearse.errors import ConfigError, HarehearseError
from pytest_harehearse.events import RehearsalFinished, RehearsalStarted
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.inventory.model import Inventory
from pytest_harehearse.managers.base import SWITCHOVER_WAYS
from pytest_harehearse.rehearsal import marks
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.plan import Plan, PlannedCluster, PlannedFaults, PlannedProbes
from pytest_harehearse.rehearsal.run import unwritable
from pytest_harehearse.rehearsal.session import Session

Marks = Sequence[tuple[tuple[Any, ...], Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Choice:
    """What the options say."""

    config: Path | None
    start: Path
    environments: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    store: Path | None = None
    plan: bool = False
    keep_lab: bool = False
    argv: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedRehearsal:
    """What the fixtures give in a plan."""

    cluster: Cluster
    probes: PlannedProbes
    faults: PlannedFaults
    note: Callable[[str], None]


def _unwritable(folder: Path) -> str | None:
    """Return why nothing can be written below a folder, which need not exist; None when it looks possible."""
    nearest = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if not nearest.is_dir():
        return os.strerror(errno.ENOTDIR)
    return None if os.access(nearest, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)


@dataclass
class Controller:
    """Made when the first rehearsal is collected; loads the inventory once."""

    choice: Choice
    say: Callable[[str], None]
    plans: list[tuple[str, str, Plan]] = field(default_factory=list)
    _inventory: Inventory | None = None
    _session: Session | None = None
    _planned: PlannedRehearsal | None = None
    #: Clusters that could not be opened.
    _refused: dict[str, HarehearseError] = field(default_factory=dict)
    #: One a cluster: the ``cluster`` fixture lives as long as the session.
    _models: dict[str, PlannedCluster] = field(default_factory=dict)

    @property
    def inventory(self) -> Inventory:
        """The inventory.

        Raises:
            ConfigError: there is none, or it is wrong.
        """
        if self._inventory is None:
            from pytest_harehearse.inventory.load import find, load

            path = self.choice.config or find(self.choice.start)
            if path is None:
                raise ConfigError(
                    f"No harehearse.toml in {self.choice.start} or above it, so there is no cluster to rehearse on. "
                    "Write one: harehearse init. Or name one: --harehearse-config FILE"
                )
            self._inventory = load(path)
        return self._inventory

    def selected(self) -> list[Described]:
        """Return the clusters to rehearse on.

        Raises:
            ConfigError: nothing, or something unknown, is selected; or production, which this version only reads.
        """
        from pytest_harehearse.inventory.select import select

        found = select(self.inventory, self.choice.environments, self.choice.clusters)
        if not found:
            raise ConfigError("The selected environment has no cluster; see --harehearse-env and --harehearse-cluster.")
        for described in found:
            if described.kind == "production" and not self.choice.plan:
                raise ConfigError(
                    f"{described.id} is production, so nothing was started: this version rehearses in labs only. To "
                    "see what would be done: --harehearse-plan"
                )
        return found

    @property
    def store(self) -> Path:
        """Where runs are kept."""
        return self.choice.store or self.inventory.store_path

    @property
    def session(self) -> Session:
        """The real session."""
        if self._session is None:
            self._session = Session(
                self.inventory, self.store, list(self.choice.argv), keep_lab=self.choice.keep_lab, say=self.say
            )
        return self._session

    @property
    def began(self) -> Session | None:
        """The real session, if anything was rehearsed."""
        return self._session

    def limitations(self, clusters: Sequence[str]) -> list[str]:
        """Return what would stop every rehearsal on these clusters, as far as it shows without touching anything."""
        from pytest_harehearse.labs.base import lab_of

        if self.choice.plan:
            return []
        found = []
        for name in dict.fromkeys(self.inventory.clusters[cluster].environment for cluster in clusters):
            try:
                lab_of(self.inventory, self.inventory.environments[name])
            except ConfigError as error:
                found.append(str(error))
        if (why := _unwritable(self.store)) is not None:
            found.append(str(unwritable(self.store, why)))
        return found

    def open(self, identity: str) -> Cluster:
        """Return a cluster, opened; what went wrong once is not tried again by the next test.

        Raises:
            HarehearseError: it cannot be rehearsed on.
        """
        if identity in self._refused:
            raise self._refused[identity].with_traceback(None)
        try:
            return self.session.open(identity)
        except HarehearseError as error:
            self._refused[identity] = error
            raise

    def not_begun(
        self, outcome: str, reason: str, *, nodeid: str, title: str, cluster: str, limits: Mapping[str, float],
        source: str,
    ) -> None:  # fmt: skip
        """Record a rehearsal whose cluster could not be opened: what was not rehearsed must not be missing."""
        try:
            run = self.session.run
        except ConfigError:
            # The store cannot be written, which is what is being raised.
            return
        identity = self.session.identify(nodeid)
        run.log.write(
            RehearsalStarted(
                rehearsal=identity, nodeid=nodeid, title=title, cluster=cluster, limits=dict(limits), source=source
            )
        )
        run.log.write(RehearsalFinished(rehearsal=identity, outcome=outcome, reason=reason))

    def cluster(self, identity: str) -> Cluster:
        """Return the cluster under rehearsal."""
        return self._planned.cluster if self._planned is not None else self.session.open(identity)

    @property
    def current(self) -> Any:
        """What the fixtures give."""
        return self._planned if self._planned is not None else self.session.current

    def unmet(self, identity: str, needs: Marks) -> str | None:
        """Return why the cluster lacks what a test needs, by the inventory alone."""
        described = self.inventory.clusters[identity]
        capabilities = ["switchover"] if described.manager in SWITCHOVER_WAYS else []
        if described.provider == "embedded":
            capabilities = [*capabilities, "stack_kill"]
        return marks.unmet(
            needs, cluster=identity, nodes=len(described.nodes), manager=described.manager, fencing=False,
            capabilities=capabilities,
        )  # fmt: skip

    def plan(self, identity: str, nodeid: str, title: str, limits: Mapping[str, float]) -> None:
        """Begin the plan of one rehearsal."""
        from pytest_harehearse.labs.base import planned_services

        if identity not in self._models:
            described = self.inventory.clusters[identity]
            self._models[identity] = PlannedCluster(
                dataclasses.replace(described, services=planned_services(described))
            )
        plan = Plan(self._models[identity], limits)
        self.plans.append((nodeid, title, plan))
        self._planned = PlannedRehearsal(plan.cluster, PlannedProbes(plan), PlannedFaults(plan), plan.note)

    def planned_up_to(self, reason: str) -> None:
        """Say in the plan that the model could not go on."""
        self.plans[-1][2].lines.append(f"the plan ends here: {reason}")
