# SPDX-License-Identifier: MIT
"""SIGTERM and SIGHUP end a run as Ctrl-C does: everything is undone first. A second one ends it at once."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

logger = logging.getLogger("harehearse")

#: What CI, systemd, ``timeout`` and a closed terminal send. Ctrl-C itself is only put off while something is undone.
STOPS: Final = (signal.SIGTERM, signal.SIGHUP)
#: ``timeout`` and some CI runners send the same signal twice, to the process and to its group: that is one stop.
SAME_S: Final = 1.0


class Stopped(KeyboardInterrupt):
    """A signal asked the run to end; pytest takes it for Ctrl-C."""


class Stops:
    """Takes the signals from :meth:`install` to :meth:`restore`."""

    def __init__(self) -> None:
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self._undoing = 0
        self._held_back: int | None = None
        self._first: float | None = None
        #: Why the run ends; None: no signal came.
        self.reason: str | None = None

    def install(self) -> None:
        """Take the signals, but for those that are ignored (nohup); does nothing a second time, or in a thread."""
        if self._before or threading.current_thread() is not threading.main_thread():
            return
        for number in (*STOPS, signal.SIGINT):
            before = signal.getsignal(number)
            # Somebody who has a handler of his own knows what he does.
            if before in {signal.SIG_DFL, signal.default_int_handler}:
                self._before[number] = before
                signal.signal(number, self._stop)

    def restore(self) -> None:
        """Give them back."""
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    @property
    def is_undoing(self) -> bool:
        """Whether something is being undone now."""
        return self._undoing > 0

    @contextmanager
    def undoing(self, *, last: bool = False) -> Iterator[None]:
        """Let what is undone in the block be undone first, whatever is sent once; the stop is raised after it.

        Args:
            last: nothing comes after the block that would have to be stopped.

        Raises:
            KeyboardInterrupt: at the end of the block, when a stop came within.
        """
        self._undoing += 1
        try:
            yield
        finally:
            self._undoing -= 1
            held_back = self._held_back
            if not self._undoing:
                self._held_back = None
                if held_back is not None and not last:
                    raise _raised(held_back)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        came = time.monotonic()
        if self._first is not None:
            if came - self._first < SAME_S and number != signal.SIGINT:
                return
            # Asked twice, it must end: by the signal's own action, whatever is open then is left to the timers.
            signal.signal(number, self._before.get(number, signal.SIG_DFL))
            os.kill(os.getpid(), number)
            return
        self._first = came
        if number != signal.SIGINT:
            self.reason = f"stopped by {name}"
        if self._undoing:
            self._held_back = number
            logger.warning("%s: what is being undone is undone first; a second one ends it at once", name)
            return
        raise _raised(number)


def _raised(number: int) -> KeyboardInterrupt:
    return KeyboardInterrupt() if number == signal.SIGINT else Stopped(f"stopped by {signal.Signals(number).name}")
