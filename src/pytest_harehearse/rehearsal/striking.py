# SPDX-License-Identifier: MIT
"""The ``faults`` of a test: each a context manager that undoes what it did, with the undo on disk before the strike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_harehearse.errors import HarehearseError, Indeterminate, Unsupported
from pytest_harehearse.faults.base import Fault
from pytest_harehearse.faults.stack import StackKill
from pytest_harehearse.labs.base import Lab
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.run import Run


class Faults:
    """Faults on the cluster under rehearsal."""

    def __init__(self, cluster: Cluster, lab: Lab | None, run: Run) -> None:
        self._cluster = cluster
        self._run = run
        self._lab = lab

    @contextmanager
    def stack_kill(self, node: object) -> Iterator[None]:
        """SIGKILL the node's cluster manager and all it runs; at the end of the block, start it again.

        Raises:
            Unsupported: the environment gives no control over its nodes' processes; nothing was touched.
            Indeterminate: the effect could not be proved.
        """
        target = str(node)
        if target not in self._cluster.nodes:
            raise Unsupported(
                f"{self._cluster.id} has no node {target!r}; its nodes are {', '.join(self._cluster.nodes)}."
            )
        with self._struck(StackKill(self._lab, self._cluster.name, target)):
            yield

    @contextmanager
    def _struck(self, fault: Fault) -> Iterator[None]:
        reason = fault.limitation()
        if reason is not None:
            raise Unsupported(f"{self._cluster.id} cannot do {fault.name}, so nothing was touched: {reason}.")
        recorder = self._cluster.recorder
        journal = self._run.journal
        entry = journal.open(
            run=self._run.id, cluster=self._cluster.id, fault=fault.name, target=fault.target, undo=fault.undo_text
        )
        try:
            with recorder.action(f"fault {fault.name}", fault.target, fault.strike_text) as outcome:
                outcome.detail = fault.strike()
                unproved = fault.effect()
                if unproved is not None:
                    raise Indeterminate(f"The fault {fault.name} did not take effect for certain: {unproved}.")
            yield
        finally:
            with recorder.action(f"undo {fault.name}", fault.target, fault.undo_text):
                fault.undo()
                left = fault.undone()
                if left is not None:
                    raise HarehearseError(
                        f"The fault {fault.name} on {fault.target} could not be undone: {left}. It stays in the "
                        f"journal ({journal.path}). By hand: {fault.undo_text}."
                    )
            journal.close(entry, "undone and verified")
