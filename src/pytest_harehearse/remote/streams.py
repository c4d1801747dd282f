# SPDX-License-Identifier: MIT
"""A command that runs on, behind a program of this machine: lines as they come, its end, and how to end it."""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Protocol, Self

from pytest_harehearse.remote.base import Done, Outcome, Unknown
from pytest_harehearse.remote.processes import exit_status

#: Standard error is kept up to this size, its end.
_KEPT: Final = 1 << 16
#: A closing thread need not wait longer than this for a reading one (seconds).
_SLICE_S: Final = 0.1
#: How long a command may take to end by the hang-up before it is killed (seconds).
_HANG_UP_S: Final = 0.4


class Program(Protocol):
    """What a stream needs of the program behind it, see ``processes.Process``."""

    @property
    def rc(self) -> int | None:
        """The exit status; None while it runs."""
        ...

    @property
    def is_over(self) -> bool:
        """It ended, and no more of its output will be read."""
        ...

    def pump(self, until: float, enough: Callable[[], bool] = ...) -> bool:
        """Read until it is over, enough, or too late (False)."""
        ...

    def send(self, data: bytes, until: float) -> bool:
        """Write to standard input; False when not all was taken in time."""
        ...

    def end_input(self) -> None:
        """Close standard input."""
        ...

    def signal(self, number: signal.Signals) -> bool:
        """Signal it."""
        ...

    def close(self) -> bool:
        """Give everything back; a program that still runs is killed."""
        ...


class ProcessStream:
    """The stream of a program; a transport says in a subclass what the program's end means."""

    def __init__(self) -> None:
        self._process: Program | None = None
        self._lock = threading.Lock()
        self._lines: deque[str] = deque()
        self._part = bytearray()
        self._stderr = bytearray()
        self._begun = time.monotonic()
        self.is_closed = False
        self._outcome: Outcome | None = None

    @property
    def stderr(self) -> bytes:
        """The end of what came on standard error."""
        return bytes(self._stderr)

    def attach(self, process: Program) -> None:
        """Set the program whose outputs are handed to this stream."""
        self._process = process

    def take_stdout(self, data: bytes) -> None:
        """Take what arrived on standard output."""
        *whole, rest = data.split(b"\n")
        for line in whole:
            self._part += line
            self._lines.append(self._part.decode(errors="replace"))
            self._part.clear()
        self._part += rest

    def take_stderr(self, data: bytes) -> None:
        """Take what arrived on standard error; only its end is kept."""
        self._stderr += data
        del self._stderr[:-_KEPT]

    def _is_over(self) -> bool:
        """Whether the command has ended, as far as its outputs say."""
        return False

    def _judge(self, process: Program, took: float) -> Outcome:
        """Return what the program's end means."""
        if process.rc is None:
            return Unknown("it could not be ended, for it runs as another user, and may go on", took, b"", self.stderr)
        return Done(exit_status(process.rc), b"", self.stderr, took)

    def _pump(self, until: float, *, to_a_line: bool) -> None:
        """Read for a while, with the lock held; ends early when the command ended or, if wanted, when there is a line."""
        process = self._process
        if process is None or self._outcome is not None or self.is_closed:
            return
        process.pump(until, lambda: (to_a_line and bool(self._lines)) or self._is_over() or self.is_closed)
        if process.is_over or self._is_over():
            self._end(process)

    def _end(self, process: Program) -> None:
        took = time.monotonic() - self._begun
        self._release(process)
        if self._part:
            self._lines.append(self._part.decode(errors="replace"))
            self._part.clear()
        self._outcome = self._judge(process, took)

    def _release(self, process: Program) -> None:
        """Give back what the stream held, the command being over."""
        process.close()

    def lines(self, deadline: float) -> Iterator[str]:
        """Yield lines as they come, for at most ``deadline`` seconds in all."""
        until = time.monotonic() + deadline
        while True:
            with self._lock:
                if not self._lines and self._outcome is None and not self.is_closed:
                    self._pump(min(until, time.monotonic() + _SLICE_S), to_a_line=True)
                line = self._lines.popleft() if self._lines else None
                ended = self._outcome is not None or self.is_closed
            if line is not None:
                yield line
            elif ended:
                return
            if time.monotonic() >= until:
                return

    def send(self, data: bytes, deadline: float) -> bool:
        """Write to standard input."""
        process = self._process
        if process is None or self.is_closed or self._outcome is not None:
            return False
        return process.send(data, time.monotonic() + deadline)

    def outcome(self) -> Outcome | None:
        """How it ended; None while it runs."""
        # When the lock is taken, another thread reads and will notice the end.
        if self._lock.acquire(blocking=False):
            try:
                self._pump(time.monotonic(), to_a_line=False)
            finally:
                self._lock.release()
        return self._outcome

    def _hang_up(self, process: Program) -> None:
        """Tell the command to end."""
        process.end_input()
        process.signal(signal.SIGHUP)

    def close(self) -> None:
        """Hang up; what does not end by it is killed."""
        if self.is_closed:
            return
        self.is_closed = True
        process = self._process
        if process is None or self._outcome is not None:
            return
        self._hang_up(process)
        with self._lock:
            if self._outcome is None:
                process.pump(time.monotonic() + _HANG_UP_S, self._is_over)
                self._end(process)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self.close()
