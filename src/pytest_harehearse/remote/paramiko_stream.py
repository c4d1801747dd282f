# SPDX-License-Identifier: MIT
"""A command that runs on, over a shared SSH connection."""

from __future__ import annotations

import time
from typing import Final, Protocol

from pytest_harehearse.remote import sudo
from pytest_harehearse.remote.base import Command, Done, Outcome, Script, Unknown
from pytest_harehearse.remote.paramiko_connection import Connection
from pytest_harehearse.remote.paramiko_pool import Pool
from pytest_harehearse.remote.paramiko_session import Session
from pytest_harehearse.remote.streams import ProcessStream, Program

#: A command that reads its input ends with it; the others are told to (seconds).
_BY_ITSELF_S: Final = 0.03
#: How long telling the far end to hang up may take (seconds).
_HANG_UP_S: Final = 0.3
# The second for a command that ignores the first, as one does that an sshd without a terminal handed it down to.
_HANG_UP: Final = 'kill -HUP "-$1"; kill -TERM "-$1"'


class _Runs(Protocol):
    url: str

    def run(self, command: Command, *, deadline: float, stdin: bytes = b"", root: bool = True) -> Outcome: ...


class ParamikoStream(ProcessStream):
    """A stream whose program is at the other end."""

    def __init__(self, channel: _Runs, pool: Pool, connection: Connection, *, by_sudo: bool) -> None:
        super().__init__()
        self._channel, self._pool, self._connection, self._by_sudo = channel, pool, connection, by_sudo
        self.session = Session(connection, self.take_stdout, self.take_stderr, stdin=None)
        self.attach(self.session)
        #: Nobody there could be told to hang up, so nobody will.
        self._is_deaf = False

    def _is_over(self) -> bool:
        return self.session.has_ended() or self._is_deaf

    def _judge(self, process: Program, took: float) -> Outcome:  # noqa: ARG002 – it is the session
        rc = self.session.rc
        if rc is None:
            reason = "it was hung up" if self.is_closed else self.session.lost()
            return Unknown(f"{self._channel.url}: {reason}", took, b"", self.stderr)
        done = Done(rc, b"", self.stderr, took)
        return sudo.judged(done, self._channel.url, by_sudo=self._by_sudo)

    def _release(self, process: Program) -> None:  # noqa: ARG002 – it is the session
        self.session.close()
        self.session.finish()
        self._pool.release(self._connection, retire=not self.session.has_ended() and not self.is_closed)

    def _hang_up(self, process: Program) -> None:  # noqa: ARG002 – it is the session
        """Without a terminal, sshd leaves the command alone when its session ends: it has to be told."""
        self.session.end_input()
        shell = self.session.out.begun
        with self._lock:
            self.session.pump(time.monotonic() + _BY_ITSELF_S, self._is_over)
        if self._is_over():
            return
        if shell is None or self._connection.failure() is not None:
            self._is_deaf = True
            return
        told = self._channel.run(Script(_HANG_UP, (str(shell),)), deadline=_HANG_UP_S, root=self._by_sudo)
        self._is_deaf = not isinstance(told, Done)
