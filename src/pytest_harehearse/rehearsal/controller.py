# SPDX-License-Identifier: MIT
"""What one pytest session knows of rehearsals: the selected clusters, and either the real session or a plan."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from pytest_harehearse.errors import ConfigError, HarehearseError
from pytest_harehearse.events import RehearsalFinished, RehearsalStarted
from pytest_harehearse.faults.dead_man import owner
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.inventory.model import Inventory
from pytest_harehearse.rehearsal import marks
from pytest_harehearse.rehearsal.abilities import FENCING, capabilities
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.drifting import PlannedDrifting
from pytest_harehearse.rehearsal.faults import Faults
from pytest_harehearse.rehearsal.patching.facade import Conduct, Patching
from pytest_harehearse.rehearsal.patching.stepping import GATES, Stepper
from pytest_harehearse.rehearsal.phase import Turn, times, turns, week
from pytest_harehearse.rehearsal.plan import Plan, PlannedCluster, PlannedProbes
from pytest_harehearse.rehearsal.run import unwritable
from pytest_harehearse.rehearsal.scene import scene_of
from pytest_harehearse.rehearsal.session import Part, Session
from pytest_harehearse.safety.arming import PRODUCTION, Arming, arm, planned_only
from pytest_harehearse.safety.guard import unready

#: Further runs that a plan may be made smaller by.
MOST_SHRINKS: Final = 100
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
    #: A production that is acted on, and for which change.
    arm: str | None = None
    change: str | None = None
    #: Whether a person decides at every gate, up to which gate yes is said, and which run is gone on with.
    step: bool = False
    yes_until: str | None = None
    resume: str | None = None
    #: How often each rehearsal is done, as it was typed, and what chance is drawn from; None: once, the week.
    repeat: str | None = None
    seed: str | None = None
    #: A run whose seed and repeats are taken.
    replay: str | None = None
    #: By how many further runs a failing fault plan is made smaller, as it was typed; None: it is not.
    shrink: str | None = None
    #: In a worker of xdist.
    part: Part | None = None


class Terminal(Protocol):
    """Whoever sits before the run."""

    def is_there(self) -> bool:
        """Return whether anybody can be asked."""
        ...

    def say(self, text: str) -> None:
        """Show something."""
        ...

    def ask(self, question: str) -> str:
        """Show a question and return a line; raises EOFError when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class PlannedRehearsal:
    """What the fixtures give in a plan."""

    cluster: Cluster
    probes: PlannedProbes
    faults: Faults
    note: Callable[[str], None]
    patching: Patching
    drift: PlannedDrifting


def person() -> str:
    """Return who runs this: user@host."""
    return owner().partition(",")[0]


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
    terminal: Terminal | None = None
    #: The folder of the run that is gone on with.
    resume: Path | None = None
    #: Seed and repeats of the run that is replayed.
    replayed: tuple[str, int] | None = None
    #: The node that serves in a plan; empty: the first.
    first: str = ""
    plans: list[tuple[str, str, Plan]] = field(default_factory=list)
    _inventory: Inventory | None = None
    _session: Session | None = None
    _arming: Arming | None = None
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
            ConfigError: nothing, or something unknown, is selected; or what is armed cannot be.
        """
        from pytest_harehearse.inventory.select import select

        found = select(self.inventory, self.choice.environments, self.choice.clusters)
        if not found:
            raise ConfigError("The selected environment has no cluster; see --harehearse-env and --harehearse-cluster.")
        self._arming = arm(
            self.choice.arm, self.choice.change, inventory=self.inventory,
            selected={described.environment for described in found}, by=person(),
        )  # fmt: skip
        return found

    def turns(self) -> list[Turn]:
        """Return the clusters to rehearse on, each as often as it is to be done.

        Raises:
            ConfigError: as :meth:`selected`; or the number of repeats is none.
        """
        repeats = times(self.choice.repeat)
        if self.replayed is not None and self.choice.repeat is None:
            repeats = self.replayed[1]
        return turns([described.id for described in self.selected()], repeats)

    @property
    def seed(self) -> str:
        """What chance is drawn from."""
        return self.choice.seed or (self.replayed[0] if self.replayed is not None else week())

    def planned_only(self, identity: str) -> str | None:
        """Return why rehearsals on a cluster are only planned in this run; None when they are real."""
        if self.choice.plan:
            return "--harehearse-plan was given"
        return planned_only(self.inventory.clusters[identity], self._arming)

    def unasked(self, identity: str) -> str | None:
        """Return why a cluster was only planned for though no plan was asked for; None when one was, or it was real."""
        return None if self.choice.plan else self.planned_only(identity)

    def told(self, identity: str) -> str:
        """Return what a cluster is and what this run may do there, for headers: "PRODUCTION, not armed: planned only"."""
        kind = self.inventory.clusters[identity].kind
        if kind != PRODUCTION:
            return kind
        if self.choice.plan:
            return kind.upper()
        armed = self._arming is not None and self.planned_only(identity) is None
        return f"{kind.upper()}, {self._arming.told() if self._arming and armed else 'not armed: planned only'}"

    @property
    def store(self) -> Path:
        """Where runs are kept."""
        return self.choice.store or self.inventory.store_path

    @property
    def session(self) -> Session:
        """The real session."""
        if self._session is None:
            self._session = Session(
                self.inventory, self.store, list(self.choice.argv), keep_lab=self.choice.keep_lab, say=self.say,
                arming=self._arming, ask=self._stepper(), resume=self.resume, part=self.choice.part,
            )  # fmt: skip
        return self._session

    def _stepper(self) -> Stepper | None:
        if not self.choice.step or self.terminal is None:
            return None
        prompt = self.terminal.ask if self.terminal.is_there() else None
        return Stepper(prompt, self.terminal.say, self.choice.yes_until or "")

    def unaskable(self) -> str | None:
        """Return why the gates cannot be decided as the options say; None when they can."""
        step, until = self.choice.step, self.choice.yes_until
        if until is not None and until not in GATES:
            return f"--yes-until {until}: there is no such gate; there are {', '.join(GATES)}."
        if until is not None and not step:
            return "--yes-until goes with --harehearse-step: without it every gate that is green is passed."
        if step and until is None and not self.choice.plan and (self.terminal is None or not self.terminal.is_there()):
            return (
                "--harehearse-step needs a terminal to ask at. Without one, name the last gate that may be passed: "
                "--yes-until A; the run stops at the next, and --harehearse-resume goes on."
            )
        return None

    @property
    def shrinks(self) -> int:
        """By how many further runs a failing fault plan is made smaller; 0: it is not."""
        return int(self.choice.shrink or 0)

    def unshrinkable(self, clusters: Sequence[str]) -> str | None:
        """Return why failing fault plans cannot be made smaller on these clusters; None: they can, or need not be."""
        text = self.choice.shrink
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_SHRINKS):
            return f"--harehearse-shrink {text}: write a whole number from 1 to {MOST_SHRINKS}"
        for cluster in clusters:
            described = self.inventory.clusters[cluster]
            if described.kind == PRODUCTION:
                twin = f"Do it on its twin, {described.twin}" if described.twin else "Do it on a lab"
                return (
                    f"--harehearse-shrink: {cluster} is PRODUCTION, armed or not. To make a failing plan smaller is to strike "
                    f"what failed again and again, which is never done there. {twin}, or leave the option out."
                )
        return None

    @property
    def began(self) -> Session | None:
        """The real session, if anything was rehearsed."""
        return self._session

    def limitations(self, clusters: Sequence[str]) -> list[str]:
        """Return what would stop every rehearsal on these clusters, as far as it shows without touching anything."""
        from pytest_harehearse.labs.base import lab_of

        if (why := self.unaskable()) is not None:
            return [why]
        real = [cluster for cluster in clusters if self.planned_only(cluster) is None]
        if not real:
            return []
        found = [text for cluster in real if (text := unready(self.inventory.clusters[cluster])) is not None]
        for name in dict.fromkeys(self.inventory.clusters[cluster].environment for cluster in real):
            try:
                # A production is among the real ones only when it is armed.
                lab_of(self.inventory, self.inventory.environments[name], armed=True)
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
        self._planned = None
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
                rehearsal=identity, nodeid=nodeid, title=title, cluster=cluster, limits=dict(limits), source=source,
                kind=self.inventory.clusters[cluster].kind, change=self._arming.change if self._arming else "",
                armed_by=self._arming.by if self._arming else "",
            )
        )  # fmt: skip
        run.log.write(RehearsalFinished(rehearsal=identity, outcome=outcome, reason=reason))

    def cluster(self, identity: str) -> Cluster:
        """Return the cluster under rehearsal."""
        return self.session.open(identity) if self.planned_only(identity) is None else self._models[identity]

    @property
    def current(self) -> Any:
        """What the fixtures give."""
        return self._planned if self._planned is not None else self.session.current

    def unmet(self, identity: str, needs: Marks) -> str | None:
        """Return why the cluster lacks what a test needs, by the inventory alone."""
        described = self.inventory.clusters[identity]
        return marks.unmet(
            needs, cluster=identity, nodes=len(described.nodes), manager=described.manager,
            fencing=described.manager in FENCING, capabilities=capabilities(described),
        )  # fmt: skip

    def plan(self, identity: str, nodeid: str, title: str, limits: Mapping[str, float], scenario: str = "") -> None:
        """Begin the plan of one rehearsal."""
        from pytest_harehearse.labs.base import planned_services

        if identity not in self._models:
            described = self.inventory.clusters[identity]
            nodes = tuple(sorted(described.nodes, key=lambda node: node.name != self.first))
            described = dataclasses.replace(described, nodes=nodes)
            self._models[identity] = PlannedCluster(
                dataclasses.replace(described, services=planned_services(described))
            )
        plan = Plan(self._models[identity], limits)
        self.plans.append((nodeid, title, plan))
        self._planned = PlannedRehearsal(
            plan.cluster,
            PlannedProbes(plan),
            Faults(scene_of(plan.cluster, None, planned=True), plan.cluster.striker),
            plan.note,
            Patching(
                plan.cluster, tell=plan.tell_steps, conduct=Conduct("", scenario, self.inventory.clusters[identity])
            ),
            PlannedDrifting(plan.lines.append),
        )

    def planned_up_to(self, reason: str) -> None:
        """Say in the plan that the model could not go on."""
        self.plans[-1][2].lines.append(f"the plan ends here: {reason}")
