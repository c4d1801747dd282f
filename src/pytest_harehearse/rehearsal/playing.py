# SPDX-License-Identifier: MIT
"""Plays a fault plan while a rehearsal goes on: each table in a thread of its own, all undone at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final, Self

from pytest_harehearse.clock import now
from pytest_harehearse.errors import Indeterminate
from pytest_harehearse.events import Event
from pytest_harehearse.faults.base import Fault
from pytest_harehearse.rehearsal.fault_plan import Drawn, Planned, Watched
from pytest_harehearse.rehearsal.recorder import Recorder
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.rehearsal.targets import Aim
from pytest_harehearse.units import show

#: An undo may wait for a node that has to come back; nobody waits longer for it than this and the fault's own timer.
UNDO_S: Final = 180.0


class _Cue:
    """Happens once; keeps when."""

    def __init__(self) -> None:
        self._seen = threading.Event()
        self.at = 0.0

    def give(self, at: float) -> None:
        if not self._seen.is_set():
            self.at = at
            self._seen.set()

    @property
    def given(self) -> bool:
        return self._seen.is_set()


class Play:
    """A plan being played; a context manager.

    Args:
        drawn: the tables, with their lots drawn.
        build: makes the fault of a table, anew for each time.
        striker: strikes and undoes.
        recorder: its events are what tables wait for.
        aim: finds the nodes of target words.
    """

    def __init__(
        self, drawn: Sequence[Drawn], build: Callable[[Planned], Fault], striker: Striker, recorder: Recorder, aim: Aim
    ) -> None:
        self._aim = aim
        self._drawn = drawn
        self._build = build
        self._striker = striker
        self._recorder = recorder
        self._cues = [_Cue() for _ in drawn]
        self._changed = threading.Condition()
        self._over = False
        self._watched = Watched()
        self._watching = threading.Lock()
        self._trouble: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        #: The longest that a fault of it may take to be undone.
        self._patience = UNDO_S
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        self._ending.callback(self._watch())
        began = now()
        for number, (drawn, cue) in enumerate(zip(self._drawn, self._cues, strict=True), start=1):
            if not drawn.planned.after:
                cue.give(began)
            # A runner that has to end does not wait for them: the timers on the nodes undo what they struck.
            thread = threading.Thread(
                target=self._play,
                args=(drawn, cue),
                name=f"harehearse plan {number}: {drawn.planned.what}",
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()
        return self

    def through(self) -> None:
        """Wait until every table was played to its end, or could not have been for long; what went wrong is raised at the end."""
        longest = max(drawn.plus + sum(one or 0.0 for one in drawn.lasts) + sum(drawn.off) for drawn in self._drawn)
        until = now() + longest + self._patience
        for thread in self._threads:
            # In short steps: a stop condition or Ctrl-C is raised in this thread.
            while thread.is_alive() and now() < until:
                thread.join(timeout=0.2)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._ending.close()
        until = now() + self._patience
        for thread in self._threads:
            thread.join(timeout=max(0.0, until - now()))
            if thread.is_alive():
                self._trouble.append(
                    Indeterminate(
                        f"{thread.name} had not ended {show(self._patience)} after the fault plan: what it struck may not be "
                        "undone. The node's own timer undoes it; look at the journal."
                    )
                )
        if not self._trouble:
            return
        worst = next((one for one in self._trouble if not isinstance(one, Indeterminate)), self._trouble[0])
        for other in self._trouble:
            if other is not worst:
                worst.add_note(f"and in the same fault plan: {other}")
        if error is None:
            raise worst
        # The test's own error comes first, and that one is not lost.
        error.add_note(f"and in the fault plan: {worst}")

    # -- cues ------------------------------------------------------------------------------------------------------

    def _watch(self) -> Callable[[], None]:
        """Look at every event of the recorder; return what ends that."""
        recorder, before = self._recorder, self._recorder.sink

        def sink(event: Event) -> None:
            before(event)
            self._see(event)

        recorder.sink = sink

        def end() -> None:
            # Somebody may have wrapped it since, and has to go on; what comes then is not looked at any more.
            if recorder.sink is sink:
                recorder.sink = before

        return end

    def _see(self, event: Event) -> None:
        with self._watching:
            names = self._watched.happened(event)
        given = False
        for drawn, cue in zip(self._drawn, self._cues, strict=True):
            if drawn.planned.after in names and not cue.given:
                cue.give(event.t)
                given = True
        if given:
            with self._changed:
                self._changed.notify_all()

    def _wait(self, cue: _Cue, plus: float) -> bool:
        """Wait for a cue and some time after it; False when the plan was over before."""
        with self._changed:
            while not self._over:
                left = cue.at + plus - now() if cue.given else None
                if left is not None and left <= 0:
                    return True
                self._changed.wait(left)
        return False

    def _rest(self, lasts: float | None) -> bool:
        """Let time pass; False when the plan was over before."""
        cue = _Cue()
        if lasts is not None:
            cue.give(now())
        return self._wait(cue, lasts or 0.0)

    # -- one table -------------------------------------------------------------------------------------------------

    def _play(self, drawn: Drawn, cue: _Cue) -> None:
        try:
            self._played(drawn, cue)
        except BaseException as error:  # noqa: BLE001 - raised when the plan ends, by the thread of the test
            self._trouble.append(error)

    def _played(self, drawn: Drawn, cue: _Cue) -> None:
        planned = drawn.planned
        if not self._wait(cue, drawn.plus):
            why = f"which was to be {show(drawn.plus)} later" if cue.given else "which did not happen"
            after = planned.after or "its time"
            raise Indeterminate(
                f"The fault plan ended before {planned.what} was struck: it waited for {after}, {why}. So nothing is known "
                "of what it would have done. Let the test go on for longer, or strike it earlier."
            )
        for number, lasts in enumerate(drawn.lasts):
            going = self._aimed(drawn, number, lasts) if planned.word else self._struck(planned, lasts)
            if number < len(drawn.off):
                going = self._rest(drawn.off[number]) and going
                if not going:
                    self._cut_short(planned, number + 1)
                    return

    def _struck(self, planned: Planned, lasts: float | None) -> bool:
        """Strike one node and undo it; return False when the plan was over before."""
        fault = self._build(planned)
        if fault.dead_man is not None:
            self._patience = max(self._patience, UNDO_S + fault.dead_man)
        with self._striker.struck(fault):
            return self._rest(lasts)

    def _aimed(self, drawn: Drawn, number: int, lasts: float | None) -> bool:
        """Strike the nodes that a word means now, all at the same time."""
        planned = drawn.planned
        with self._aim.at(planned.word, planned.what, drawn.lots(number)) as nodes:
            self._recorder.note(f"fault plan: {planned.what} means {', '.join(nodes)} now")
            if len(nodes) == 1:
                return self._struck(planned.on(nodes[0]), lasts)
            mine = threading.current_thread().name
            threads = [
                threading.Thread(
                    target=self._struck_beside, args=(planned.on(node), lasts), name=f"{mine}: {node}", daemon=True
                )
                for node in nodes
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return not self._over

    def _struck_beside(self, planned: Planned, lasts: float | None) -> None:
        try:
            self._struck(planned, lasts)
        except BaseException as error:  # noqa: BLE001 - raised when the plan ends, by the thread of the test
            self._trouble.append(error)

    def _cut_short(self, planned: Planned, struck: int) -> None:
        raise Indeterminate(
            f"The fault plan ended after {planned.what} was struck {struck} of {planned.times} times. So less was tried than "
            "was planned. Let the test go on for longer, or plan fewer."
        )
