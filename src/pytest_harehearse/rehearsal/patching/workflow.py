# SPDX-License-Identifier: MIT
"""Carries out the steps of a patch day: each recorded, each gate decided from evidence, and the way back taken when it is red."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Final

from pytest_harehearse.clock import now
from pytest_harehearse.errors import HarehearseError, Indeterminate, Refused
from pytest_harehearse.events import FactsRead, GateReached, StepFinished, StepStarted
from pytest_harehearse.managers.capabilities import StartsInMaintenance
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.patching.errors import GateRed, GateUnknown, Stopped
from pytest_harehearse.rehearsal.patching.patches import Patch
from pytest_harehearse.rehearsal.patching.preflight import refuse_what_would_fail_later
from pytest_harehearse.rehearsal.patching.progress import Progress, skipped
from pytest_harehearse.rehearsal.patching.soak import Hurt, Watch, answered, nothing_hurts, nothing_watched
from pytest_harehearse.rehearsal.patching.stepping import DECIDES, Ask
from pytest_harehearse.rehearsal.patching.steps import Step
from pytest_harehearse.rehearsal.patching.validation import Check, Facts, UserCheck, facts, own, settled, validate
from pytest_harehearse.safety.guard import Wanted
from pytest_harehearse.units import show

GO: Final = "GO"
NO_GO: Final = "NO-GO"
UNKNOWN: Final = "UNKNOWN"
#: A soak ends early once a service is proved to have been interrupted for so long (seconds).
HURT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each part may take (seconds), and how long the patched node is watched."""

    patch: float = 1800.0
    reboot: float = 300.0
    switchover: float = 60.0
    drain: float = 120.0
    back: float = 300.0
    soak: float = 5.0


@dataclass
class PatchDay:
    """What became of a workflow: read it after the call."""

    patch: str
    steps: list[Step]
    #: Step id → seconds it took.
    took: dict[str, float] = field(default_factory=dict)
    gates: dict[str, str] = field(default_factory=dict)
    #: Seconds for which patched and unpatched nodes were side by side; None: they never were.
    mixed: float | None = None
    #: The last step from which switching back to an unpatched node was possible.
    cheap_way_back_until: str = ""
    #: Nodes that were left out of the cluster on purpose.
    aside: list[str] = field(default_factory=list)
    #: The node that served at the beginning, also when this run goes on with another.
    original: str = ""


class Workflow:
    """One patch day on one cluster."""

    def __init__(
        self, cluster: Cluster, patch: Patch, steps: list[Step], *, active: str, limits: Limits,
        checks: Sequence[UserCheck] = (), restart: Callable[[str, float], str] | None = None, ask: Ask | None = None,
        red_at: str = "", watch: Watch | None = None, hurt: Hurt = nothing_hurts, progress: Progress | None = None, run: str = "",
    ) -> None:  # fmt: skip
        self._run = run
        self._cluster = cluster
        self._patch = patch
        self._original = active
        self._limits = limits
        self._checks = tuple(checks)
        self._restart = restart
        self._ask = ask
        #: A gate that is red on purpose, to rehearse the way back.
        self._red_at = red_at
        self._watch = watch or nothing_watched
        self._hurt = hurt
        self._only_on_purpose = False
        #: Why the steps since the last gate were broken off.
        self._trouble: HarehearseError | None = None
        self._maintenance = ExitStack()
        self._maintained = False
        self._numbers = itertools.count(1)
        self._before: dict[str, Facts] = {}
        #: Of nodes that were patched and looked at.
        self._after: dict[str, Facts] = {}
        self._evidence: list[Check] = []
        self._patched: list[str] = []
        self._mixed_since: float | None = None
        #: Of steps that were done in the run that this one goes on with.
        self._skipped: frozenset[str] = frozenset()
        self._resumes = ""
        if progress is not None:
            self._go_on(progress)
        self.day = PatchDay(patch.name, steps, original=active)

    def _go_on(self, progress: Progress) -> None:
        self._resumes = progress.run
        self._skipped = skipped(progress.steps, progress.done)
        self._before = dict(progress.before)
        self._patched = [step.node for step in progress.steps if step.name == "patch" and step.id in progress.done]
        if progress.mixed and len(self._patched) < sum(step.name == "patch" for step in progress.steps):
            self._mixed_since = now() - max(0.0, time.time() - progress.mixed)

    @property
    def red_on_purpose(self) -> bool:
        """Whether the gate that ended it was red for no other reason than that it should be."""
        return self._only_on_purpose

    def run(self) -> PatchDay:
        """Carry out every step.

        Raises:
            GateRed: a gate was not green; the way back was taken as far as there is one.
            GateUnknown: what a gate asks is not known; nothing further was done.
            HarehearseError: the cluster could not be patched at all; nothing was.
        """
        try:
            with self._maintenance:
                for step in self.day.steps:
                    self._step(step)
        except BaseException:
            if self._mixed_since is not None:
                self.day.mixed = now() - self._mixed_since
            raise
        return self.day

    def _step(self, step: Step) -> None:
        if self._trouble is not None and step.name != "gate":
            # On to its gate, which decides what becomes of it.
            return
        identity = f"{self._cluster.recorder.rehearsal}/{next(self._numbers)}"
        recorder = self._cluster.recorder
        recorder.write(
            StepStarted(
                rehearsal=recorder.rehearsal, step=identity, name=step.name, title=step.title, node=step.node,
                command=step.command, way_back=step.way_back,
            )
        )  # fmt: skip
        if step.id in self._skipped:
            self._finished(identity, "skipped", f"done in {self._resumes}")
            recorder.tell(f"step {step.id}: done in {self._resumes}")
            if step.gate:
                self.day.gates[step.gate] = GO
            return
        recorder.tell(f"step {step.id}: {step.title}")
        began = now()
        try:
            detail = getattr(self, f"_do_{step.name}")(step)
        except BaseException as error:
            unknown = isinstance(error, Indeterminate)
            self._finished(identity, "unknown" if unknown else "failed", str(error) or type(error).__name__)
            self.day.took[step.id] = now() - began
            if not isinstance(error, HarehearseError) or not self._gate_ahead(step):
                raise
            self._trouble = error
            self._evidence.append(
                # A switchover that was refused changed nothing, and says nothing against its target.
                Check(
                    step.name, "" if step.name == "switchover" and isinstance(error, Refused) else step.node,
                    ok=None if unknown else False, detail=str(error).rstrip("."),
                )
            )  # fmt: skip
            recorder.tell(f"step {step.id} {'is unknown' if unknown else 'failed'}: {error}")
            return
        self.day.took[step.id] = now() - began
        self._finished(identity, "done", detail)

    def _gate_ahead(self, step: Step) -> bool:
        """Return whether a gate decides on this step: not before anything was patched, nor after the last gate."""
        if step.name in {"preflight", "prove_switchover", "gate"}:
            return False
        return any(one.name == "gate" for one in self.day.steps[self.day.steps.index(step) :])

    def _finished(self, identity: str, outcome: str, detail: str) -> None:
        recorder = self._cluster.recorder
        recorder.write(StepFinished(rehearsal=recorder.rehearsal, step=identity, outcome=outcome, detail=detail))

    # -- steps -----------------------------------------------------------------------------------------------------

    def _do_preflight(self, step: Step) -> str:
        reason = settled(self._cluster).redundancy_limitation()
        if reason is not None:
            raise Refused(f"{self._cluster.id} is not whole, so nothing was patched: {reason}.")
        for node in [step.node] if step.node else self._cluster.nodes:
            self._cluster.permit(self._wanted(node), beforehand=True)
            if node in self._patched:
                continue
            why = self._patch.limitation(node, self._cluster.channels.get(node))
            if why is not None:
                raise Refused(f"{self._patch.name} cannot be done, so nothing was patched: {why}.")
            if self._patch.reboots and node not in self._cluster.channels and self._restart is None:
                raise Refused(f"{node} cannot be rebooted, so nothing was patched: it is no host of its own.")
        refuse_what_would_fail_later(self._cluster, self._patch, self.day.steps, self._patched)
        recorder = self._cluster.recorder
        for node in self._cluster.nodes:
            if node not in self._patched:
                self._before[node] = facts(self._cluster.channels.get(node))
            known = self._before.get(node, Facts())
            if known.boot:
                recorder.write(
                    FactsRead(
                        rehearsal=recorder.rehearsal, node=node, boot=known.boot, kernel=known.kernel,
                        failed=sorted(known.failed), packages=known.packages,
                    )
                )  # fmt: skip
        return f"{len(self._cluster.nodes)} nodes"

    def _wanted(self, node: str) -> Wanted:
        return Wanted("patch", "patch", node, self._limits.patch)

    def _do_prove_switchover(self, step: Step) -> str:
        if self._cluster.active == step.node:
            # The run that this one goes on with ended between there and back.
            self._cluster.switchover(self._original, within=f"{self._limits.switchover}s")
            self._whole()
        self._cluster.switchover(step.node, within=f"{self._limits.switchover}s")
        self._whole()
        self._cluster.switchover(self._original, within=f"{self._limits.switchover}s")
        self._whole()
        return "there and back"

    def _do_drain(self, step: Step) -> str:
        self._cluster.drain(step.node, within=f"{self._limits.drain}s")
        return "empty"

    def _do_patch(self, step: Step) -> str:
        node, channel = step.node, self._cluster.channels.get(step.node)
        self._cluster.permit(self._wanted(node))
        if self._mixed_since is None:
            self._mixed_since = now()
        with self._cluster.recorder.action("patch", node, self._patch.describe()) as outcome:
            outcome.detail = self._patch.apply(node, channel)
        self._patched.append(node)
        if node == self._original:
            self.day.cheap_way_back_until = self._latest("gate B")
        return outcome.detail

    def _do_reboot(self, step: Step) -> str:
        node = step.node
        if node in self._cluster.channels:
            took = self._cluster.nodes[node].reboot(within=f"{self._limits.reboot}s")
            return f"up again after {show(took)}{self._start(node)}"
        if self._restart is None:
            raise Refused(f"{node} cannot be rebooted: it is no host of its own.")
        return self._restart(node, self._limits.reboot) + self._start(node)

    def _start(self, node: str) -> str:
        """Start what a maintenance leaves stopped on a node that was rebooted; return what is to be said of it."""
        manager = self._cluster.manager
        if not self._maintained or not isinstance(manager, StartsInMaintenance):
            return ""
        text = f"start what the maintenance leaves stopped on {node}"
        with self._cluster.recorder.action("start", node, text) as outcome:
            outcome.detail = manager.start_in_maintenance(node, self._limits.reboot)
        return f"; started by hand, for the cluster is in maintenance: {outcome.detail}"

    def _do_undrain(self, step: Step) -> str:
        self._cluster.undrain(step.node)
        return "in again"

    def _do_validate(self, step: Step) -> str:
        self._whole()
        before = self._before.get(step.node, Facts())
        after = facts(self._cluster.channels.get(step.node))
        found = validate(self._cluster, step.node, self._patch, before, after, self._after, self._checks)
        if after.problem is None and step.node in self._cluster.channels:
            self._after[step.node] = after
        self._evidence += found
        meant = {one.node for one in self.day.steps if one.name == "patch"}
        if meant == set(self._patched) and self._mixed_since is not None:
            self.day.mixed, self._mixed_since = now() - self._mixed_since, None
        bad = [check for check in found if check.ok is not True]
        return "; ".join(f"{check.name}: {check.detail}" for check in bad) or _green(found)

    def _do_switchover(self, step: Step) -> str:
        if self._resumes and self._cluster.active == step.node:
            return f"{step.node} is active already"
        self._cluster.switchover(step.node, within=f"{self._limits.switchover}s")
        self._whole()
        return f"{step.node} is active"

    def _do_soak(self, step: Step) -> str:
        began = now()
        until = began + self._limits.soak
        moved = ""
        with self._watch() as seen:
            while not moved and (left := until - now()) > 0:
                state = self._cluster.state()
                if state.active != step.node:
                    moved = f"after {show(now() - began)}: {state.describe()}"
                elif hurt := {name: down for name, down in self._hurt().items() if down > HURT_S}:
                    # Users must not wait for the end of a long soak.
                    told = ", ".join(f"{name} for {show(down)}" for name, down in hurt.items())
                    moved = f"after {show(now() - began)}: not served: {told}"
                time.sleep(min(0.5, left))
        detail = moved or f"active for {show(self._limits.soak)} without a break"
        self._evidence.append(Check("soak", step.node, ok=not moved, detail=detail))
        self._evidence += [answered(service, step.node) for service in seen.services.values()]
        self._evidence += [own(check, self._cluster, step.node) for check in self._checks]
        return detail

    def _do_switchback(self, step: Step) -> str:
        return self._do_switchover(step)

    def _do_maintenance_on(self, step: Step) -> str:  # noqa: ARG002 - all steps have one signature
        self._maintenance.enter_context(self._cluster.maintenance())
        self._maintained = True
        return "on"

    def _do_maintenance_off(self, step: Step) -> str:  # noqa: ARG002 - all steps have one signature
        self._maintenance.close()
        self._maintained = False
        self._whole()
        return f"{self._cluster.active} is active"

    def _do_audit(self, step: Step) -> str:  # noqa: ARG002 - all steps have one signature
        self._whole()
        return self._cluster.state().describe()

    # -- gates -----------------------------------------------------------------------------------------------------

    def _do_gate(self, step: Step) -> str:
        evidence, self._evidence = self._evidence, []
        if step.gate == self._red_at:
            self._only_on_purpose = verdict_of(evidence) == GO
            evidence.append(Check("the way back is rehearsed", "", ok=False, detail="red on purpose"))
        verdict = verdict_of(evidence)
        if verdict == GO and self._ask is not None and (answer := self._ask(step, evidence)) != "go":
            back = answer == "back"
            evidence.append(Check(DECIDES, "", ok=False if back else None, detail="back" if back else "stop here"))
            verdict = verdict_of(evidence)
        recorder = self._cluster.recorder
        recorder.write(
            GateReached(
                rehearsal=recorder.rehearsal,
                gate=step.gate,
                verdict=verdict,
                evidence=[asdict(one) for one in evidence],
            )
        )
        self.day.gates[step.gate] = verdict
        if verdict == GO:
            return _green(evidence)
        bad = "; ".join(
            f"{one.name} of {one.node or self._cluster.name}: {one.detail}" for one in evidence if one.ok is not True
        )
        if evidence and evidence[-1].detail == "stop here":
            raise Stopped(
                f"{self._cluster.id}: stopped at gate {step.gate}, which is green; {self._cluster.active or 'no node'} serves. "
                "Nothing was undone. Go on with it: the same command, with --harehearse-resume "
                f"{self._run or 'RUN'}"
            )
        kind = GateRed if verdict == NO_GO else GateUnknown
        raise kind(
            f"{self._cluster.id}: gate {step.gate} is {verdict}: {bad or 'nothing was looked at'}. "
            f"{self._take_way_back(step, evidence)}"
        ) from self._trouble

    def _take_way_back(self, step: Step, evidence: Sequence[Check]) -> str:
        # A window that has closed meanwhile must not stand between the users and their service.
        with self._cluster.way_back():
            told = self._way_back(step, evidence)
        missing = settled(self._cluster).redundancy_limitation()
        return f"{told} " + ("Every node is in and in sync." if missing is None else f"What is missing: {missing}.")

    def _way_back(self, step: Step, evidence: Sequence[Check]) -> str:
        """Take the way back from a gate, and say what became of it."""
        bad = [name for name in self._cluster.nodes if any(one.node == name and one.ok is not True for one in evidence)]
        if step.gate == "A":
            for node in bad:
                self._leave(node)
            if self._only_on_purpose and "drain" in {one.name for one in self.day.steps}:
                self._cluster.drain(self._patched[-1], within=f"{self._limits.drain}s")
                self.day.aside.append(self._patched[-1])
            aside = ", ".join(self.day.aside)
            kept = (
                f"{aside} {'is' if len(self.day.aside) == 1 else 'are'} left aside" if aside else "No node is set aside"
            )
            return f"{kept}; {self._original} serves, and is not patched."
        if step.gate == "B":
            return self._back_to_the_original(bad)
        for node in bad:
            if node != self._cluster.active:
                self._leave(node)
        return f"There is no cheap way back any more; {self._cluster.active or 'no node'} serves."

    def _back_to_the_original(self, bad: Sequence[str]) -> str:
        began = now()
        try:
            if self._cluster.active is None:
                # The cluster itself may be about to start it where it was.
                self._cluster.until(
                    "some node is active", lambda c: c.active is not None, within=f"{self._limits.switchover}s"
                )
            if self._cluster.active != self._original:
                self._cluster.switchover(self._original, within=f"{self._limits.switchover}s")
        except HarehearseError as error:
            return (
                f"The service could NOT be brought back to {self._original}, which is not patched: {error} "
                f"Now: {self._cluster.state().describe()}."
            )
        self.day.took["way back"] = now() - began
        for node in bad:
            if self._trouble is not None and node != self._original:
                self._leave(node)
        return f"The service is back on {self._original}, which is not patched, after {show(now() - began)}."

    def _leave(self, node: str) -> None:
        """Keep a node out of the cluster beyond the end of the rehearsal, where its manager can."""
        try:
            if self._cluster.set_aside(node):
                self.day.aside.append(node)
        except HarehearseError as error:
            self._cluster.recorder.note(f"{node} could not be set aside: {error}")

    # -- inside ----------------------------------------------------------------------------------------------------

    def _whole(self) -> None:
        self._cluster.until_redundant(within=f"{self._limits.back}s")

    def _latest(self, step_id: str) -> str:
        return step_id if any(step.id == step_id for step in self.day.steps) else ""


def _green(evidence: Sequence[Check]) -> str:
    return "1 check green" if len(evidence) == 1 else f"{len(evidence)} checks green"


def verdict_of(evidence: Sequence[Check]) -> str:
    """Return GO when everything was looked at and is green; a red one outweighs what is not known."""
    if any(check.ok is False for check in evidence):
        return NO_GO
    if not evidence or any(check.ok is None for check in evidence):
        return UNKNOWN
    return GO
