# SPDX-License-Identifier: MIT
"""A program of this machine: its output read together, ended with all of its session whatever it does.

The kernel is asked for the program's end by a pidfd, not by the end of its output: a child that it left behind keeps
the pipes open for as long as it likes.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Final

#: How long output is still awaited after the program has ended (seconds).
LINGER_S: Final = 0.5
#: How long a killed program is awaited before a thread in the background does it (seconds).
REAP_S: Final = 0.3
_CHUNK: Final = 1 << 18
#: Rounds of reading after the deadline: the output that stood in the pipes by then.
_LATE: Final = 16


def exit_status(rc: int) -> int:
    """Return the exit status as a shell says it: 128 and the signal's number for one that was killed."""
    return rc if rc >= 0 else 128 - rc


class Process:
    """A running program. One thread reads at a time; ``on_stdout`` and ``on_stderr`` get what arrives, in order.

    Raises:
        OSError: when the program cannot be started.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        stdin: bytes = b"",
        keep_stdin: bool = False,
        on_stdout: Callable[[bytes], object],
        on_stderr: Callable[[bytes], object],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._program = subprocess.Popen(
            list(arguments),
            stdin=subprocess.PIPE if stdin or keep_stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            # A group of its own to kill, and no terminal that it could ask for a password.
            start_new_session=True,
            bufsize=0,
        )
        self.pid: int = self._program.pid
        self._pidfd: int | None = os.pidfd_open(self.pid)
        self._sinks: dict[int, tuple[IO[bytes], Callable[[bytes], object]]] = {}
        for pipe, sink in ((self._program.stdout, on_stdout), (self._program.stderr, on_stderr)):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._sinks[pipe.fileno()] = (pipe, sink)
        self._stdin = self._program.stdin
        self._pending = memoryview(stdin)
        self._keep_stdin = keep_stdin
        self._writing = threading.Lock()
        if self._stdin is not None:
            os.set_blocking(self._stdin.fileno(), False)
        self._ended_at: float | None = None

    @property
    def rc(self) -> int | None:
        """The exit status (negative: the signal that ended it); None while it runs."""
        return self._program.returncode

    @property
    def is_over(self) -> bool:
        """It ended, and no more of its output will be read."""
        return self._ended_at is not None and (not self._sinks or time.monotonic() - self._ended_at >= LINGER_S)

    def pump(self, until: float, enough: Callable[[], bool] = lambda: False) -> bool:
        """Read and write until the program is over or ``enough`` says so; False when monotonic ``until`` passed first.

        Takes what is there already (up to a bound) even when ``until`` lies in the past.
        """
        late = 0
        while True:
            if self.is_over or enough():
                return True
            left = until - time.monotonic()
            if self._ended_at is not None:
                left = min(left, self._ended_at + LINGER_S - time.monotonic())
            happened = self._once(max(0.0, left))
            if self.is_over or enough():
                return True
            if time.monotonic() >= until:
                late += 1
                if not happened or late > _LATE:
                    return False

    def _once(self, timeout: float) -> bool:
        poller = select.poll()
        for descriptor in self._sinks:
            poller.register(descriptor, select.POLLIN)
        writing = self._stdin if self._pending or not self._keep_stdin else None
        if writing is not None and not writing.closed:
            poller.register(writing.fileno(), select.POLLOUT)
        if self._pidfd is not None and self._ended_at is None:
            poller.register(self._pidfd, select.POLLIN)
        # Rounded up: a poll of less than a millisecond would not wait at all.
        happened = poller.poll(math.ceil(timeout * 1000))
        for descriptor, _ in happened:
            if descriptor in self._sinks:
                self._read(descriptor)
            elif descriptor == self._pidfd:
                self._program.wait()
                self._ended_at = time.monotonic()
            else:
                self._write()
        return bool(happened)

    def _read(self, descriptor: int) -> None:
        pipe, sink = self._sinks[descriptor]
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        if data:
            sink(data)
        else:
            pipe.close()
            del self._sinks[descriptor]

    def _write(self) -> None:
        stdin = self._stdin
        if stdin is None or stdin.closed:
            return
        try:
            if self._pending:
                self._pending = self._pending[os.write(stdin.fileno(), self._pending[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            # It does not read its input to the end; its exit status says whether that was meant.
            self._pending = memoryview(b"")
            self._keep_stdin = False
        if not self._pending and not self._keep_stdin:
            stdin.close()

    def send(self, data: bytes, until: float) -> bool:
        """Write to standard input; False when not all was taken by monotonic ``until``, or nobody reads any more."""
        view, stdin = memoryview(data), self._stdin
        with self._writing:
            while view:
                if stdin is None or stdin.closed:
                    return False
                poller = select.poll()
                poller.register(stdin.fileno(), select.POLLOUT)
                if not poller.poll(max(0.0, until - time.monotonic()) * 1000):
                    return False
                try:
                    view = view[os.write(stdin.fileno(), view[:_CHUNK]) :]
                except BlockingIOError:
                    continue
                except OSError:
                    return False
        return True

    def end_input(self) -> None:
        """Close standard input."""
        with self._writing:
            if self._stdin is not None:
                self._stdin.close()

    def signal(self, number: signal.Signals) -> bool:
        """Signal its whole session's group; False when we may not (it changed its user) or it is gone."""
        if self._ended_at is not None or self._program.returncode is not None:
            return False
        try:
            # Not reaped yet, so the number is still its own.
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def close(self, *, kill: bool = True) -> bool:
        """Give everything back; a program that still runs is killed. False: it could not be."""
        killed = True
        if self._ended_at is None and self._program.poll() is None and kill:
            killed = self.signal(signal.SIGKILL)
        for pipe, _ in self._sinks.values():
            pipe.close()
        self._sinks.clear()
        if self._stdin is not None:
            with contextlib.suppress(OSError):
                self._stdin.close()
        if self._program.returncode is None:
            self._reap()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        return killed

    def _reap(self) -> None:
        try:
            self._program.wait(REAP_S)
        except subprocess.TimeoutExpired:
            # In an uninterruptible wait, or not ours to kill: somebody has to collect it once it is over.
            threading.Thread(target=self._program.wait, name=f"reap-{self.pid}", daemon=True).start()
