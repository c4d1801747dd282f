# SPDX-License-Identifier: MIT
"""Stop conditions: while a test's body runs, a thread watches for what must end the rehearsal at once.

The interruption so far is longer than the cluster's ``abort_after``; a second node is lost, one that this rehearsal did
nothing to; or the file ``STOP`` lies in the store. The main thread is interrupted then, wherever it is, by a signal whose
handler raises: the test's own ``with`` blocks undo what was struck, and the rehearsal ends *failed* with the reason.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from pytest_harehearse.clock import now
from pytest_harehearse.errors import HarehearseError, NotSettled
from pytest_harehearse.events import RehearsalStopped, RoleSeen
from pytest_harehearse.faults.base import Expected
from pytest_harehearse.managers.state import UNREACHABLE
from pytest_harehearse.probes.attempts import Attempt, read_tail
from pytest_harehearse.rehearsal.recorder import Recorder
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.units import show

STOP_FILE: Final = "STOP"
POLL_S: Final = 0.2
#: A node that is lost for a moment, as while it promotes, is not lost.
LOST_S: Final = 5.0
#: So long the main thread has to begin to undo; then it is undone from here, for it may be where no signal reaches it.
GRACE_S: Final = 2.0
#: What nobody else is likely to use; one that has a handler is somebody's.
SIGNALS: Final = (signal.SIGUSR2, signal.SIGUSR1)

#: Words of managers for a node that is not in the cluster.
LOST: Final = frozenset({UNREACHABLE, "offline", "lost", "failed", "crashed", "unclean"})


class StopCondition(HarehearseError, AssertionError):
    """A stop condition was met: everything was undone at once, and the rehearsal failed."""


class _Interrupt(BaseException):
    """Raised in the main thread; no error of ours or of the user's, so that no wait and no ``except`` takes it for one."""


def stop_file(store: Path) -> Path:
    """Return the file that stops rehearsals whose runs are kept in ``store``."""
    return store / STOP_FILE


@dataclass(slots=True)
class Down:
    """How long a service has been interrupted so far, from the end of its attempts file, read again and again."""

    #: Newest attempt taken in, by when it was sent.
    _seen: tuple[float, int] = (float("-inf"), -1)
    #: The end of the first failure since the last success; when the last failure was sent.
    _first: float | None = None
    _last: float = 0.0
    _closed: float = 0.0

    def take(self, attempts: tuple[Attempt, ...]) -> float:
        """Take in what is new of the attempts, in the order sent; return the seconds proved so far (a lower bound)."""
        for attempt in attempts:
            if (attempt.sent, attempt.n) <= self._seen:
                continue
            self._seen = (attempt.sent, attempt.n)
            if attempt.outcome.down:
                self._first = attempt.done if self._first is None else min(self._first, attempt.done)
                self._last = attempt.sent
            elif attempt.outcome.up and self._first is not None:
                self._closed += max(0.0, self._last - self._first)
                self._first = None
        running = 0.0 if self._first is None else max(0.0, self._last - self._first)
        return self._closed + running


def second_lost(
    roles: Mapping[str, RoleSeen], touched: set[str], struck: Mapping[str, str], at: float, since: float
) -> str | None:
    """Return why a second node counts as lost; None: none does. Pure.

    Args:
        roles: each node's role as it was seen last, and since when.
        touched: what this rehearsal did anything to.
        struck: node → what the cluster should make of the fault that is struck on it now.
        at: the instant.
        since: when the test's body began.
    """
    lost = {node for node, seen in roles.items() if seen.role in LOST and at - max(seen.t, since) >= LOST_S}
    others = sorted(lost - touched)
    first = sorted((lost & touched) | set(struck))
    if not others or not first:
        return None
    if not lost & touched and Expected.FENCED in struck.values():
        # Of two that do not see each other either may fence the other: one node is lost, and that was expected.
        return None
    return (
        f"a second node is lost: {', '.join(others)} ({roles[others[0]].role}), which this rehearsal did nothing to, "
        f"beside {', '.join(first)}"
    )


@dataclass
class StopWatch:
    """Watches one rehearsal while its test's body runs."""

    striker: Striker
    recorder: Recorder
    stop_file: Path
    #: Seconds of interruption that end it; None: none do.
    abort_after: float | None = None
    #: Service → its attempts file, of the watches that are open now.
    files: Callable[[], Sequence[tuple[str, Path]]] = tuple
    nodes: frozenset[str] = frozenset()
    #: Why the rehearsal was stopped; None: it was not.
    reason: str | None = None
    _down: dict[Path, Down] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    #: The main thread may be interrupted now; blocks of it that must not be; an interrupt waits for their end.
    _armed: bool = False
    _calm: int = 0
    _held: bool = False
    _sent: bool = False
    _came: bool = False
    _trouble: BaseException | None = None

    def refuse(self) -> None:
        """Refuse to begin while the stop file is there.

        Raises:
            NotSettled: it is; nothing was started.
        """
        if self.stop_file.exists():
            raise NotSettled(
                f"Nothing was started, because the stop file {self.stop_file} is there, which ends every rehearsal. Remove "
                "it when rehearsals may go on."
            )

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block, the test's body, runs.

        Raises:
            StopCondition: one was met; what the block had struck is undone.
        """
        number = self._install()
        thread = threading.Thread(target=self._watch, args=(number,), name="harehearse stop watch", daemon=True)
        thread.start()
        try:
            yield
        except _Interrupt:
            # Where the test was just then explains nothing.
            raise StopCondition(self.text()) from None
        except Exception as error:
            if self.reason is None:
                raise
            raise StopCondition(self.text()) from error
        finally:
            self._end(thread)
            self._restore(number)
        self.check()

    def check(self) -> None:
        """Say what went wrong with the watch, and what it met when nothing could be interrupted.

        Raises:
            StopCondition: a stop condition was met.
        """
        if self.reason is not None:
            raise StopCondition(self.text())
        if self._trouble is not None:
            raise self._trouble

    def text(self) -> str:
        """Return why it was stopped, as a sentence."""
        return f"The rehearsal was stopped and everything undone, because {self.reason}."

    @contextmanager
    def calm(self) -> Iterator[None]:
        """Let the block come to its end before it is interrupted: an undo must not be broken off."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._calm += 1
        try:
            yield
        finally:
            self._calm -= 1
        if self._held and not self._calm and self._armed:
            self._armed = self._held = False
            raise _Interrupt

    # -- the main thread -------------------------------------------------------------------------------------------

    def _install(self) -> signal.Signals | None:
        """Take a signal that nobody uses; None: there is none, or this is not the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return None
        for number in SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self._interrupt)
                self._armed = True
                return number
        return None

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._came = True
        if not self._armed:
            return
        if self._calm:
            self._held = True
            return
        self._armed = False
        raise _Interrupt

    def _end(self, thread: threading.Thread) -> None:
        with self._lock:
            # From here on nothing is sent; what was sent is only noted.
            self._armed = False
        self._over.set()
        thread.join(timeout=60)

    def _restore(self, number: signal.Signals | None) -> None:
        if number is None:
            return
        until = now() + 1.0
        while self._sent and not self._came and now() < until:
            # Given back before it came, its own action would end the run.
            time.sleep(0.001)
        signal.signal(number, signal.SIG_DFL)

    # -- the watch -------------------------------------------------------------------------------------------------

    def _watch(self, number: signal.Signals | None) -> None:
        try:
            began = now()
            while not self._over.wait(POLL_S):
                reason = self._met(began)
                if reason is not None:
                    self._stop(reason, number)
                    return
        except BaseException as error:  # noqa: BLE001 - raised by check(), in the thread that can report it
            self._trouble = error

    def _met(self, began: float) -> str | None:
        if self.stop_file.exists():
            return f"the stop file {self.stop_file} is there (removing it is up to you)"
        struck = {
            target: fault.expected
            for fault in self.striker.open_now()
            for target in fault.target.split(", ")
            if target in self.nodes
        }
        return self._too_long() or second_lost(
            dict(self.recorder.roles), self.recorder.touched & self.nodes, struck, now(), began
        )

    def _too_long(self) -> str | None:
        if self.abort_after is None:
            return None
        for service, path in self.files():
            try:
                so_far = self._down.setdefault(path, Down()).take(read_tail(path))
            except FileNotFoundError:
                # The meter is only about to make it.
                continue
            if so_far > self.abort_after:
                return (
                    f"{service} was interrupted for at least {show(so_far)} so far, and abort_after is "
                    f"{show(self.abort_after)}"
                )
        return None

    def _stop(self, reason: str, number: signal.Signals | None) -> None:
        with self._lock:
            if self._over.is_set():
                return
            self.reason = reason
            if self._armed and number is not None:
                self._sent = True
                signal.pthread_kill(threading.main_thread().ident or 0, number)
        self.recorder.write(RehearsalStopped(rehearsal=self.recorder.rehearsal, reason=reason))
        self.recorder.tell(f"stopped, everything is undone: {reason}")
        if number is None or not self._over.wait(GRACE_S):
            self.striker.undo_all()
