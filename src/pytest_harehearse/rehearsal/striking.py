# SPDX-License-Identifier: MIT
"""Whatever is done to a cluster and has to be taken back: its undo is on disk before the strike, and is verified after it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from pytest_harehearse.errors import HarehearseError, Indeterminate, Unsupported
from pytest_harehearse.faults import dead_man
from pytest_harehearse.faults.base import Expected, Fault
from pytest_harehearse.rehearsal.guarding import Guard
from pytest_harehearse.rehearsal.recorder import Recorder
from pytest_harehearse.safety.journal import Entry, Journal
from pytest_harehearse.units import show


@dataclass(frozen=True, slots=True, eq=False)
class _Struck:
    """Something that is still to be undone; ``undo`` is what that is called in reports."""

    fault: Fault
    entry: Entry
    undo: str
    #: One thread at a time strikes it or takes it back; the same one may do so while it does, as on a signal.
    lock: threading.RLock = field(default_factory=threading.RLock)


class Striker:
    """Strikes and undoes for one rehearsal; knows what is still open. Threads may use it at once, as fault plans do."""

    def __init__(
        self, cluster: str, run: str, journal: Journal, recorder: Recorder, guard: Guard | None = None
    ) -> None:
        self._cluster = cluster
        self._run = run
        self._journal = journal
        self._recorder = recorder
        #: Asked before each strike, and never before an undo.
        self._guard = guard
        #: Left as they are on purpose, as (name, target).
        self._left: list[tuple[str, str]] = []
        #: Lets an undo come to its end before a stop condition interrupts the test.
        self.calm: Callable[[], AbstractContextManager[None]] = nullcontext
        #: Every look at it is at a copy.
        self._open: list[_Struck] = []

    @property
    def recorder(self) -> Recorder:
        """Whose events tell what is struck and undone."""
        return self._recorder

    @contextmanager
    def struck(self, fault: Fault, *, action: str = "", undo: str = "") -> Iterator[None]:
        """Strike for as long as the block lasts; ``action`` and ``undo`` as for :meth:`strike`."""
        before = list(self._open)
        try:
            self.strike(fault, action=action, undo=undo)
            yield
        finally:
            # By itself, not by its name: one of that name that was struck before the block goes on.
            for mine in reversed([one for one in tuple(self._open) if one.fault is fault and one not in before]):
                self._take_back(mine)

    def strike(self, fault: Fault, *, action: str = "", undo: str = "") -> None:
        """Strike; ``action`` and ``undo`` are what the two are called in reports.

        Raises:
            Unsupported: it cannot be done here; nothing was touched.
            Indeterminate: it was done, and its effect could not be proved; it is still to be undone.
        """
        if self._guard is not None:
            self._guard.ask_strike(fault, beforehand=True)
        reason = fault.limitation()
        if reason is not None:
            raise Unsupported(f"{self._cluster} cannot do {fault.name}, so nothing was touched: {reason}.")
        if self._guard is not None:
            self._guard.ask_strike(fault)
        about = dead_man.about(
            run=self._run, cluster=self._cluster, fault=fault.name, target=fault.target, strike=fault.strike_text,
            undo=fault.undo_text,
        )  # fmt: skip
        entry = self._journal.open(
            run=self._run, cluster=self._cluster, fault=fault.name, target=fault.target, undo=fault.undo_text,
            strike=fault.strike_text, dead_man=fault.dead_man, owner=about.owner,
        )  # fmt: skip
        struck = _Struck(fault, entry, undo or f"undo {fault.name}")
        self._open.append(struck)
        with (
            struck.lock,
            self._recorder.action(
                action or f"fault {fault.name}", fault.target, fault.strike_text, fault=fault.name,
                expected=fault.expected, asserted=fault.asserted,
            ) as outcome,
        ):  # fmt: skip
            if struck not in self._open:
                raise Indeterminate(
                    f"{fault.name} on {fault.target} was not struck, for the rehearsal had ended by then."
                )
            fault.arm(about)
            if fault.dead_man is not None:
                outcome.step("armed", f"undone by itself after {show(fault.dead_man)}")
            outcome.detail = fault.strike()
            outcome.step("struck", outcome.detail)
            unproved = fault.effect()
            if unproved is not None:
                raise Indeterminate(f"{fault.name} on {fault.target} did not take effect for certain: {unproved}.")
            outcome.step("proved")

    def undo(self, name: str, target: str) -> bool:
        """Undo what was struck last under this name and verify it; return False when nothing of it is open.

        Raises:
            HarehearseError: it could not be undone; it stays in the journal.
        """
        found = next(
            (one for one in reversed(tuple(self._open)) if (one.fault.name, one.fault.target) == (name, target)), None
        )
        if found is None:
            return False
        self._take_back(found)
        return True

    def holds(self, name: str, target: str) -> bool:
        """Return whether something of that name is struck now."""
        return any((one.fault.name, one.fault.target) == (name, target) for one in tuple(self._open))

    def struck_now(self) -> tuple[tuple[str, str], ...]:
        """Return what this rehearsal did and has not undone, or left on purpose, as (name, target)."""
        return (*((one.fault.name, one.fault.target) for one in tuple(self._open)), *self._left)

    def leave(self, name: str, target: str) -> None:
        """Leave what was struck as it is, on purpose: it is neither undone at the end nor by its timer."""
        for one in [one for one in tuple(self._open) if (one.fault.name, one.fault.target) == (name, target)]:
            one.fault.disarm()
            self._journal.close(one.entry, "left on purpose")
            self._recorder.aside.add(target)
            self._open.remove(one)
            self._left.append((name, target))

    def open_now(self) -> tuple[Fault, ...]:
        """Return what is struck now."""
        return tuple(one.fault for one in tuple(self._open))

    def _take_back(self, struck: _Struck) -> None:
        with self.calm(), struck.lock:
            if struck not in self._open:
                # Another thread was quicker.
                return
            try:
                self._take_back_on_record(struck)
            except OSError:
                # The runner's disk is full or gone, say: the cluster comes before the record, and its entry stays open.
                struck.fault.undo()
                if struck.fault.undone() is None:
                    struck.fault.disarm()
                raise

    def _take_back_on_record(self, struck: _Struck) -> None:
        fault = struck.fault
        with self._recorder.action(struck.undo, fault.target, fault.undo_text, fault=fault.name) as outcome:
            fault.undo()
            outcome.step("undone")
            left = fault.undone()
            if left is not None:
                raise HarehearseError(
                    f"{fault.name} on {fault.target} could not be undone: {left}. It stays in the journal "
                    f"({self._journal.path}). By hand: {fault.undo_text}."
                )
            outcome.step("verified")
            fault.disarm()
        self._journal.close(struck.entry, "undone and verified")
        self._open.remove(struck)
        early = fault.ended_early
        if early is not None:
            text = f"{fault.name} on {fault.target} was over before its time, so what was seen proves little: {early}."
            if fault.expected is Expected.FENCED:
                # A node that is fenced reboots, and loses it: judged once it is known whether any was.
                self._recorder.early.append(text)
                return
            raise Indeterminate(text)

    def undo_all(self) -> None:
        """Undo what a test left open, the last first; every one is tried.

        Raises:
            HarehearseError: one could not be undone; the first such.
        """
        trouble: Exception | None = None
        for struck in reversed(list(self._open)):
            try:
                self._take_back(struck)
            except Exception as error:  # noqa: BLE001 - raised once every other was tried
                trouble = trouble or error
        if trouble is not None:
            raise trouble
