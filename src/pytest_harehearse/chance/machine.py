# SPDX-License-Identifier: MIT
"""A state machine of Hypothesis for rules of one's own: what is struck, healed, moved and waited is drawn step by step.

Importing this module needs Hypothesis (``pip install "pytest-harehearse[chance]"``).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Final

from pytest_harehearse.chance.layout import spare, words
from pytest_harehearse.chance.subjects import Lab as Lab
from pytest_harehearse.chance.subjects import Model as Model
from pytest_harehearse.chance.subjects import Subject as Subject
from pytest_harehearse.errors import ConfigError, Indeterminate
from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.managers.state import ClusterState
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.phase import week
from pytest_harehearse.rehearsal.plan import PlannedCluster
from pytest_harehearse.rehearsal.targets import WORDS, chosen, meant

try:
    from hypothesis import HealthCheck, Phase, reject, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st
    from hypothesis.errors import StopTest, UnsatisfiedAssumption
    from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
except ImportError as error:
    raise ConfigError("A state machine needs Hypothesis: pip install hypothesis") from error

if TYPE_CHECKING:
    from pytest_harehearse.rehearsal.faults import Faults

#: Drawn numbers choose among what is allowed then; there are never more choices.
_MOST: Final = 1000
_WAIT_S: Final = 5
#: Hypothesis leaves whole rules out of a sequence now and then; so many are tried for each one that is wanted.
_TRIES: Final = 5


class ClusterMachine(RuleBasedStateMachine):
    """Strikes, heals, switches over and waits, within what the cluster may lose; add ``@rule`` and ``@invariant`` of your own.

    ``self.subject`` is what it works on: a :class:`Model`, or a :class:`Lab` with ``cluster`` and ``faults``.
    """

    #: What is struck, by names of the catalogue, and where: nodes and target words; empty: every one that may be.
    strikes: ClassVar[tuple[str, ...]] = ("stack_kill",)
    targets: ClassVar[tuple[str, ...]] = ()
    #: The quorum may be lost, too; otherwise no more than a minority is lost at once, of two nodes one.
    quorum_lost: ClassVar[bool] = False
    #: Set for a run by :func:`run_machine`.
    subject: Subject

    def __init__(self, subject: Subject | None = None) -> None:
        super().__init__()
        if subject is None:
            raise ConfigError(f"{type(self).__name__} is run by run_machine({type(self).__name__}, cluster, faults).")
        self.subject = subject
        #: What was done so far, in words.
        self.steps: list[str] = []
        self.struck: list[tuple[str, str]] = []
        subject.begin()

    @rule(choice=st.integers(0, _MOST))
    def strike(self, choice: int) -> None:
        """Strike a fault on a node or a target word; nothing when none may be struck now."""
        state = self.subject.state()
        allowed = self._allowed(state)
        if not allowed:
            return
        fault, target = allowed[choice % len(allowed)]
        taken = [node for _, node in self.struck]
        nodes = (target,) if target in state.names else chosen(target, state, taken)
        if isinstance(nodes, str) or any((fault, node) in self.struck for node in nodes):
            return
        for node in nodes:
            self.steps.append(f"strike {fault} on {node}" + (f" ({target})" if target != node else ""))
            self.struck.append((fault, node))
            self.subject.strike(fault, node)

    @precondition(lambda self: bool(self.struck))
    @rule(choice=st.integers(0, _MOST))
    def heal(self, choice: int) -> None:
        """Undo one of the faults that are struck."""
        fault, node = self.struck.pop(choice % len(self.struck))
        self.steps.append(f"heal {fault} on {node}")
        self.subject.heal(fault, node)

    @precondition(lambda self: not self.struck)
    @rule()
    def switchover(self) -> None:
        """Move the service; while something is struck, no manager is asked to."""
        if self.subject.state().standbys:
            self.steps.append("switchover")
            self.subject.switchover()

    @rule(seconds=st.integers(1, _WAIT_S))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.steps.append(f"wait {seconds} s")
        self.subject.wait(seconds)

    def teardown(self) -> None:
        """Take everything back."""
        self.subject.end()

    def _allowed(self, state: ClusterState) -> list[tuple[str, str]]:
        """Return what may be struck: nothing that could lose more than may be lost, and no node that is not in."""
        names = state.names
        well = {state.active, *state.standbys}
        lost = {name for name in names if name not in well}
        lost |= {node for fault, node in self.struck if CATALOGUE[fault].loses}
        left = spare(len(names), quorum_lost=self.quorum_lost) - len(lost)
        found = []
        for fault in self.strikes:
            may = words(fault, len(names), quorum_lost=self.quorum_lost)
            for target in self.targets or (*names, *WORDS):
                one = target in names
                if (target in lost or (fault, target) in self.struck) if one else target not in may:
                    continue
                if CATALOGUE[fault].loses and (1 if one else meant(target, len(names))) > left:
                    continue
                found.append((fault, target))
        return found


def run_machine(
    machine: type[ClusterMachine], on: Cluster | Subject, faults: Faults | None = None, *, steps: int = 10,
    examples: int | None = None, seed: str | None = None,
) -> None:  # fmt: skip
    """Run a state machine on a model, or in a test on its cluster in a lab.

    On a model Hypothesis does as ever: many sequences, and the one that fails is run again and made smaller. On a lab a
    sequence is run once, and after the first failure nothing is touched any more: the steps are noted on the error.

    Args:
        machine: the class.
        on: a model, or the ``cluster`` of a test, and then also
        faults: of that test.
        steps: of a sequence, at most.
        examples: sequences; default: 100 on a model, 1 on a lab, where those in which nothing was struck do not count.
        seed: what the sequences of a lab are drawn from; default: the ISO week and the names of machine and cluster.

    Raises:
        ConfigError: something of it cannot be meant.
        Unsupported: the cluster is a production; nothing was touched.
        Indeterminate: on a lab too few sequences struck anything.
    """
    unknown = [fault for fault in machine.strikes if fault not in CATALOGUE]
    if unknown:
        raise ConfigError(
            f"{machine.__name__}.strikes: there is no fault {unknown[0]!r}; there are {', '.join(CATALOGUE)}."
        )
    if steps < 1 or (examples is not None and examples < 1):
        raise ConfigError(f"run_machine({machine.__name__}, steps={steps}, examples={examples}) would do nothing.")
    if not isinstance(on, Cluster):
        _on_a_model(machine, on, steps, examples or 100)
        return
    if faults is None:
        raise ConfigError(
            f"run_machine({machine.__name__}, cluster, faults): on a cluster it needs the faults of the test."
        )
    lab, count = Lab(on, faults), examples or 1
    if isinstance(on, PlannedCluster):
        sequences = "1 sequence" if count == 1 else f"{count} sequences"
        on.tell(
            f"machine    {machine.__name__}: {sequences} of at most {steps} steps, drawn when it runs: strike "
            f"{', '.join(machine.strikes)}, heal, switchover, wait, and rules of its own"
        )
        return
    _on_a_lab(machine, lab, steps, count, f"{seed or week()}\n{machine.__name__}\n{on.id}")


def _on_a_model(machine: type[ClusterMachine], model: Subject, steps: int, examples: int) -> None:
    wanted = settings(max_examples=examples, stateful_step_count=steps, deadline=None, database=None)
    run_state_machine_as_test(lambda: machine(model), settings=wanted)  # type: ignore[arg-type]  # a function may make it


class _Failure:
    """The first failure on a lab, after which nothing is touched any more."""

    def __init__(self, machine: str, seed: str) -> None:
        self._machine = machine
        self._seed = seed
        # The test itself may run while an error is on its way, which is none of ours.
        self._around = sys.exc_info()[1]
        self.error: BaseException | None = None
        self._trace: TracebackType | None = None

    def keep(self, error: BaseException | None, steps: Sequence[str]) -> None:
        """Keep an error if it is the first, with the steps before it."""
        if error is None or error is self._around or self.error is not None:
            return
        if not isinstance(error, StopTest | UnsatisfiedAssumption):
            error.add_note(
                f"{self._machine}, what was done before: {'; '.join(steps) or 'nothing'}. Drawn from {self._seed!r}."
            )
            self.error, self._trace = error, error.__traceback__

    def tell(self) -> None:
        """Raise it, if there was one."""
        if self.error is not None:
            raise self.error.with_traceback(self._trace)


def _on_a_lab(machine: type[ClusterMachine], lab: Lab, steps: int, examples: int, text: str) -> None:
    failure = _Failure(machine.__name__, text.splitlines()[0])
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    struck = 0
    for example in range(examples * _TRIES):
        # A run of Hypothesis each: no sequence has to be like another as far as they are drawn alike.
        struck += _once(machine, lab, steps, number + example, failure) or not machine.strikes
        if struck == examples:
            return
    raise Indeterminate(
        f"{machine.__name__} struck something in {struck} of {examples * _TRIES} sequences, where {examples} had to. Allow more "
        f"than {steps} steps, or other strikes and targets."
    )


def _once(machine: type[ClusterMachine], lab: Lab, steps: int, number: int, failure: _Failure) -> bool:
    """Run one sequence, and return whether anything was struck in it."""
    made, struck = 0, False

    class Once(machine):  # type: ignore[misc, valid-type]  # whatever class the user has
        # The name puts it before others that initialize.
        @initialize(_drawn=st.integers(0, _MOST))
        def _0(self, _drawn: int) -> None:
            if made == 1:
                # The first sequence is the simplest there is, whatever the seed: nothing of it is done.
                reject()

        def teardown(self) -> None:
            nonlocal struck
            struck = struck or any(step.startswith("strike ") for step in self.steps)
            # Hypothesis calls it while the error of a step, if there is one, is on its way.
            failure.keep(sys.exc_info()[1], self.steps)
            try:
                super().teardown()
            except BaseException as error:
                failure.keep(error, self.steps)
                raise

    def make() -> ClusterMachine:
        nonlocal made
        # Hypothesis runs a sequence that failed again: it gets the same error, and nothing is touched.
        failure.tell()
        made += 1
        return Once(lab)

    make.__name__ = machine.__name__
    wanted = settings(
        max_examples=1, stateful_step_count=steps, deadline=None, database=None, derandomize=False,
        phases=(Phase.generate,), suppress_health_check=list(HealthCheck), report_multiple_bugs=False, print_blob=False,
    )  # fmt: skip
    try:
        run_state_machine_as_test(seeded(number)(make), settings=wanted)  # type: ignore[arg-type]  # a function may make it
    except BaseException:
        if failure.error is None:
            raise
    failure.tell()
    return struck
