# SPDX-License-Identifier: MIT
"""The ``patching`` of a test: the workflows of a patch day, and the patches they carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Literal

from pytest_harehearse.clock import now
from pytest_harehearse.errors import Refused, Unsupported
from pytest_harehearse.events import PlaybookFixed
from pytest_harehearse.faults.base import Scene
from pytest_harehearse.faults.restart import Restart
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.labs.base import RestartControl
from pytest_harehearse.rehearsal.abilities import capabilities
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.patching import patches, steps
from pytest_harehearse.rehearsal.patching.errors import GateRed
from pytest_harehearse.rehearsal.patching.patches import Patch
from pytest_harehearse.rehearsal.patching.playbook import Playbook, differing, playbook
from pytest_harehearse.rehearsal.patching.progress import Progress
from pytest_harehearse.rehearsal.patching.soak import Hurt, Watch, nothing_hurts
from pytest_harehearse.rehearsal.patching.stepping import Ask
from pytest_harehearse.rehearsal.patching.steps import Step
from pytest_harehearse.rehearsal.patching.validation import UserCheck
from pytest_harehearse.rehearsal.patching.workflow import GO, NO_GO, Limits, PatchDay, Workflow
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.units import seconds, show


@dataclass(frozen=True, slots=True)
class Conduct:
    """How this run carries a patch day out."""

    #: The run's id, a digest of the test's own text, and the cluster as the inventory has it.
    run: str = ""
    scenario: str = ""
    described: Described | None = None
    #: Asked at every gate that is green; None: nobody is.
    ask: Ask | None = None
    #: Workflows of the run that this one goes on with, in their order.
    resume: Sequence[Progress] = ()


class Patching:
    """Patch day on the cluster under rehearsal: the standby first, gates, and the way back kept until the end."""

    reboot = staticmethod(patches.reboot)
    command = staticmethod(patches.command)
    packages = staticmethod(patches.packages)
    kernel = staticmethod(patches.kernel)
    broken = staticmethod(patches.broken)

    def __init__(
        self, cluster: Cluster, *, restart: Callable[[str, float], str] | None = None, conduct: Conduct | None = None,
        tell: Callable[[Playbook], None] | None = None, watch: Watch | None = None, hurt: Hurt = nothing_hurts,
    ) -> None:  # fmt: skip
        self._cluster = cluster
        #: How the processes of a node that is no host are stopped and started again.
        self._restart = restart
        self._conduct = conduct or Conduct()
        self._begun = 0
        #: Told the playbook instead of carrying them out: a plan touches nothing.
        self._tell = tell
        #: Watches the services while a patched node serves, before gate B.
        self._watch = watch
        self._hurt = hurt

    def standby_first(
        self, patch: Patch, *, prove_switchover: bool | None = None, switchback: bool = False,
        checks: Sequence[UserCheck] = (), **limits: str | timedelta,
    ) -> PatchDay:  # fmt: skip
        """Patch the standbys, validate, switch over, patch the original, validate; keep the way back.

        Args:
            patch: what is done to each node: :meth:`reboot`, :meth:`packages`, :meth:`command`, :meth:`kernel`.
            prove_switchover: move the service there and back before anything is patched; default: in a lab.
            switchback: move the service back to the original at the end.
            checks: functions of (cluster, node), or testinfra tests (of ``host``): run on each patched node, and at gate B.
            limits: ``patch="30min"``, ``reboot="5min"``, ``switchover="60s"``, ``drain="2min"`` and ``back="5min"`` are the
                deadlines of each such step; ``soak="5s"`` is how long the patched node serves before gate B.

        Raises:
            Refused: something forbids it; nothing was patched.
            GateRed: a gate was not green; the way back was taken as far as there is one.
            GateUnknown: what a gate asks is not known; nothing further was done.
        """
        active, found = self._standby_first(patch, prove=prove_switchover, switchback=switchback)
        return self._carry_out(patch, found, active, checks, limits)

    def rehearse_rollback(
        self,
        patch: Patch,
        *,
        gate: Literal["A", "B"] = "B",
        checks: Sequence[UserCheck] = (),
        **limits: str | timedelta,
    ) -> PatchDay:
        """Let a gate be red on purpose and prove that the way back works: the original serves again, measured.

        Args:
            patch: as for :meth:`standby_first`.
            gate: B: after the switchover; A: before it, where users must feel nothing.
            checks: as for :meth:`standby_first`.
            limits: as for :meth:`standby_first`.

        Raises:
            DeadlineExceeded: the original did not serve again.
            HarehearseError: the workflow ended before the gate.
        """
        if gate not in {"A", "B"}:
            raise TypeError(
                f"rehearse_rollback(gate=…) takes 'A' or 'B', not {gate!r}; after gate B no way back is cheap"
            )
        active, found = self._standby_first(patch, prove=False, switchback=False)
        if self._tell is not None:
            at = next(number for number, step in enumerate(found) if step.gate == gate)
            found = [*found[: at + 1], steps.back(active, gate)]
            self._tell(self._playbook(patch, found, active))
            return PatchDay(
                patch.name, found, gates={**({"A": GO} if gate == "B" else {}), gate: NO_GO}, original=active
            )
        workflow = self._workflow(patch, found, active, checks, limits, red_at=gate)
        try:
            workflow.run()
        except GateRed as error:
            if workflow.day.gates.get(gate) != NO_GO or not workflow.red_on_purpose:
                raise
            self._cluster.recorder.note(str(error))
        back = f"{_limits(limits).back}s"
        self._cluster.until(
            f"{active} serves again, not patched", lambda cluster: cluster.active == active, within=back
        )
        return workflow.day

    def nodes(
        self, order: Sequence[object], patch: Patch, *, checks: Sequence[UserCheck] = (), **limits: str | timedelta
    ) -> PatchDay:
        """Patch the nodes in an order of your own; before the active node's turn the service moves away from it.

        Args:
            order: nodes, each once.
            patch: as for :meth:`standby_first`.
            checks: as for :meth:`standby_first`.
            limits: as for :meth:`standby_first`.

        Raises:
            Refused: something forbids it; nothing was patched.
            GateRed: the gate at the end was not green.
        """
        names = [str(node) for node in order]
        unknown = [name for name in names if name not in self._cluster.nodes]
        if unknown or len(set(names)) != len(names) or len(names) < 2:
            raise Refused(
                f"{self._cluster.id}: the order {', '.join(names) or 'of no node'} cannot be followed, so nothing was patched; "
                f"name two or more of {', '.join(self._cluster.nodes)}, each once."
            )
        state = self._cluster.state()
        if state.active is None:
            raise Refused(f"{self._cluster.id} has no active node, so nothing was patched: {state.describe()}.")
        found = steps.in_order(patch, names, state.active, drains=self._drains, hosts=self._hosts)
        return self._carry_out(patch, found, state.active, checks, limits)

    def in_place(self, patch: Patch, *, checks: Sequence[UserCheck] = (), **limits: str | timedelta) -> PatchDay:
        """Patch the active node where it is, its workload going down with it, to compare with :meth:`standby_first`.

        This is what clustering of virtual machines alone leaves you with when the guest itself is patched.

        Args:
            patch: as for :meth:`standby_first`.
            checks: as for :meth:`standby_first`.
            limits: as for :meth:`standby_first`.

        Raises:
            Unsupported: the manager has no maintenance mode, so the service would move away instead.
            Refused: something forbids it; nothing was patched.
        """
        if "maintenance" not in capabilities(self._cluster.described):
            raise Unsupported(
                f"{self._cluster.id}: {self._cluster.manager.name} has no maintenance mode, so that the service would move "
                "away instead of going down; nothing was patched."
            )
        state = self._cluster.state()
        if state.active is None:
            raise Refused(f"{self._cluster.id} has no active node, so nothing was patched: {state.describe()}.")
        found = steps.in_place(patch, state.active, hosts=self._hosts)
        return self._carry_out(patch, found, state.active, checks, limits)

    # -- inside ----------------------------------------------------------------------------------------------------

    @property
    def _drains(self) -> bool:
        return "drain" in capabilities(self._cluster.described)

    @property
    def _hosts(self) -> bool:
        return self._cluster.described.provider != "embedded"

    def _standby_first(self, patch: Patch, *, prove: bool | None, switchback: bool) -> tuple[str, list[Step]]:
        state = self._cluster.state()
        if len(self._cluster.nodes) < 2:
            raise Unsupported(f"{self._cluster.id} has one node, so there is no standby to patch first.")
        if state.active is None or not state.standbys:
            raise Refused(
                f"{self._cluster.id} has no active node with a standby, so nothing was patched: {state.describe()}."
            )
        rest = [name for name in self._cluster.nodes if name != state.active and name not in state.standbys]
        if rest:
            raise Refused(f"{', '.join(rest)} could not take over, so nothing was patched: {state.describe()}.")
        return state.active, steps.standby_first(
            patch, state.active, state.standbys, drains=self._drains,
            prove=self._cluster.kind == "lab" if prove is None else prove, switchback=switchback, hosts=self._hosts,
        )  # fmt: skip

    def _workflow(
        self, patch: Patch, found: list[Step], active: str, checks: Sequence[UserCheck],
        limits: Mapping[str, str | timedelta], red_at: str = "",
    ) -> Workflow:  # fmt: skip
        book, progress = self._playbook(patch, found, active), None
        if self._begun < len(self._conduct.resume):
            progress = self._conduct.resume[self._begun]
            if other := differing(book.parts, progress.parts):
                raise Refused(
                    f"{self._cluster.id}: {progress.run} cannot be gone on with, for it is another playbook now: "
                    f"{' and '.join(other)} changed. Nothing was done; begin anew, without --harehearse-resume."
                )
            found, active = list(progress.steps), progress.original
            book = self._playbook(patch, found, active)
        self._begun += 1
        recorder = self._cluster.recorder
        recorder.write(
            PlaybookFixed(
                rehearsal=recorder.rehearsal, fingerprint=book.fingerprint, patch=book.patch, original=book.original,
                steps=[asdict(step) for step in book.steps], parts=dict(book.parts),
                resumes=progress.run if progress else "", done=sorted(progress.done) if progress else [],
                mixed=progress.mixed if progress else 0.0,
            )
        )  # fmt: skip
        return Workflow(
            self._cluster, patch, found, active=active, limits=_limits(limits), checks=checks, restart=self._restart,
            ask=self._conduct.ask, red_at=red_at, watch=self._watch, hurt=self._hurt, progress=progress, run=self._conduct.run,
        )  # fmt: skip

    def _playbook(self, patch: Patch, found: Sequence[Step], active: str) -> Playbook:
        conduct = self._conduct
        return playbook(
            patch, found, active, scenario=conduct.scenario, described=conduct.described or self._cluster.described
        )

    def _carry_out(
        self, patch: Patch, found: list[Step], active: str, checks: Sequence[UserCheck],
        limits: Mapping[str, str | timedelta],
    ) -> PatchDay:  # fmt: skip
        if self._tell is None:
            return self._workflow(patch, found, active, checks, limits).run()
        _limits(limits)
        self._tell(self._playbook(patch, found, active))
        # A plan tells of the way on which nothing goes wrong.
        return PatchDay(patch.name, found, original=active, gates={step.gate: GO for step in found if step.gate})


def _limits(given: Mapping[str, str | timedelta]) -> Limits:
    known = [field.name for field in fields(Limits)]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise TypeError(f"unknown limit {', '.join(unknown)}; there are {', '.join(known)}")
    return Limits(**{name: seconds(value) for name, value in given.items()})


def restarter(scene: Scene, striker: Striker) -> Callable[[str, float], str] | None:
    """Return how a node that is no host is "rebooted": its processes are ended in an orderly way and started again."""
    if not isinstance(scene.lab, RestartControl):
        return None

    def restart(node: str, within: float) -> str:
        began = now()
        with striker.struck(Restart(scene, node, within), action="restart", undo="start"):
            pass
        return f"its processes ended and were started again within {show(now() - began)}"

    return restart
