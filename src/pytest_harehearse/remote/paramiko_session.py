# SPDX-License-Identifier: MIT
"""One command over a connection: both outputs read together, its input fed meanwhile, all within deadlines."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable
from typing import Final

import paramiko

from pytest_harehearse.remote.base import quoted
from pytest_harehearse.remote.framing import Framed
from pytest_harehearse.remote.paramiko_connection import Connection

#: What paramiko raises when a connection is lost.
_LOST: Final = (paramiko.SSHException, EOFError, OSError)
_CHUNK: Final = 1 << 18
#: How often a full window of the command's input is looked at again (seconds).
_WINDOW_S: Final = 0.005
#: A connection that does not even open a session for so long is not waited for any longer (seconds).
_OPEN_S: Final = 5.0
#: paramiko ends the commands of a lost connection a moment before it says that the connection is lost (seconds).
_SETTLE_S: Final = 0.1
#: What may still be read, or said, once a deadline has passed (seconds).
_LAST_S: Final = 0.4
#: Rounds of reading after the deadline: what had arrived by then.
_LATE: Final = 64


class NotSent(Exception):
    """The command was not sent, for certain."""

    def __init__(self, reason: str, *, is_full: bool = False) -> None:
        super().__init__(reason)
        self.is_full = is_full


class _Wake(threading.Event):
    """Set by both outputs when something comes; only their reader clears it."""

    def clear(self) -> None:
        """Do nothing: one of the two being empty says nothing about the other."""

    def rearm(self) -> None:
        super().clear()


class Session(Framed):
    """A running command, with its frame; for a stream it is what a local program is."""

    def __init__(
        self,
        connection: Connection,
        out: Callable[[bytes], object],
        err: Callable[[bytes], object],
        *,
        stdin: bytes | None,
    ) -> None:
        self._connection = connection
        super().__init__(out, err)
        self._wake = _Wake()
        #: None: the input stays open, for ``send``.
        self._pending = None if stdin is None else memoryview(stdin)
        self._writing = threading.Lock()
        self._channel: paramiko.Channel | None = None
        #: The host refused to run commands at all.
        self.is_denied = False

    def start(self, arguments: list[str], until: float) -> None:
        """Send it.

        Raises:
            NotSent: it was not.
        """
        connection, line = self._connection, f"exec {quoted(self.script(arguments))}"
        with connection.guard.until(until):
            begun, left = time.monotonic(), max(0.01, min(_OPEN_S, until - time.monotonic()))
            try:
                channel = connection.transport.open_session(timeout=left)
            except _LOST as error:
                # paramiko keeps one reason for all threads, so of several that the host refuses only one hears it.
                is_full = time.monotonic() - begun < left and connection.failure(_SETTLE_S) is None
                words = " ".join(str(error).split()) or "the connection was lost"
                raise NotSent(f"no session came ({words})", is_full=is_full) from None
        self._channel = channel
        if time.monotonic() >= until:
            raise NotSent("there was no time left for it when a session had been opened")
        channel.in_buffer.set_event(self._wake)
        channel.in_stderr_buffer.set_event(self._wake)
        with connection.guard.until(until, channel.event.set):
            try:
                channel.exec_command(line)
            except _LOST:
                # Sent or not, nobody can say; unless the connection lives, and the host said no.
                self.is_denied = connection.failure(_SETTLE_S) is None and channel.closed and not self.has_begun()

    @property
    def is_over(self) -> bool:
        """No more output will come."""
        channel = self._channel
        return channel is None or (channel.closed and not channel.recv_ready() and not channel.recv_stderr_ready())

    @property
    def shell_rc(self) -> int | None:
        """The exit status of the shell around the command; None when it did not come."""
        channel = self._channel
        return None if channel is None or channel.exit_status < 0 else channel.exit_status

    def pump(self, until: float, enough: Callable[[], bool] = lambda: False) -> bool:
        """Read and write until the command is over or ``enough`` says so; False when monotonic ``until`` passed first.

        Takes what is there already (up to a bound) even when ``until`` lies in the past.
        """
        with self._connection.guard.until(max(until, time.monotonic()) + _LAST_S):
            late = 0
            while True:
                self._wake.rearm()
                happened = self._read() | self._write()
                if enough() or self.is_over:
                    return True
                left = until - time.monotonic()
                if left <= 0:
                    late += 1
                    if not happened or late > _LATE:
                        return False
                elif not happened:
                    self._wake.wait(min(left, _WINDOW_S) if self._pending else left)

    def _read(self) -> bool:
        channel, happened = self._channel, False
        if channel is None:
            return False
        with contextlib.suppress(*_LOST):
            if channel.recv_ready():
                self.out.feed(channel.recv(_CHUNK))
                happened = True
            if channel.recv_stderr_ready():
                self.err.feed(channel.recv_stderr(_CHUNK))
                happened = True
        return happened

    def _write(self) -> bool:
        channel = self._channel
        if channel is None or self._pending is None:
            return False
        try:
            if self._pending:
                if not channel.send_ready():
                    return False
                self._pending = self._pending[channel.send(bytes(self._pending[:_CHUNK])) :]
                if self._pending:
                    return True
            channel.shutdown_write()
        except _LOST:
            # It reads no more, or the connection is lost: what is read, or is not, says which.
            pass
        self._pending = None
        return True

    def send(self, data: bytes, until: float) -> bool:
        """Write to standard input; False when not all was taken by monotonic ``until``, or nobody reads any more."""
        channel, view = self._channel, memoryview(data)
        if channel is None:
            return False
        with self._writing, self._connection.guard.until(until):
            while view:
                if channel.closed or channel.eof_sent or not self._connection.transport.is_active():
                    return False
                if channel.send_ready():
                    try:
                        view = view[channel.send(bytes(view[:_CHUNK])) :]
                    except _LOST:
                        return False
                elif time.monotonic() >= until:
                    return False
                else:
                    time.sleep(_WINDOW_S)
        return True

    def end_input(self) -> None:
        """Close standard input."""
        channel = self._channel
        if channel is None or channel.closed:
            return
        last = time.monotonic() + _LAST_S
        with self._writing, self._connection.guard.until(last), contextlib.suppress(*_LOST):
            channel.shutdown_write()

    def signal(self, number: signal.Signals) -> bool:
        """Not over SSH: sshd does not hand signals on to a session without a terminal."""
        del number
        return False

    def close(self) -> bool:
        """Give the session back; the command, when it still runs, finds its outputs closed."""
        channel = self._channel
        if channel is not None and not channel.closed:
            with (
                self._connection.guard.until(time.monotonic() + _LAST_S),
                contextlib.suppress(*_LOST),
            ):
                channel.close()
        return True

    def words(self) -> str:
        """Return what was said outside of the frame, by a login script or instead of a shell."""
        return b" ".join((self.out.before + b" " + self.err.before).split()).decode(errors="replace")[:300]

    def lost(self) -> str:
        """Return the sentence about an end that was not seen."""
        begun = "while the command ran" if self.has_begun() else "after the command was sent"
        said = f"; what came before: {self.words()}" if self.words() else ""
        reason = self._connection.failure(_SETTLE_S)
        if reason is None:
            return f"the shell that ran the command was ended there {begun}{said}"
        return f"the connection ended {begun}: {reason}{said}"
