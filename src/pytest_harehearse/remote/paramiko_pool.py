# SPDX-License-Identifier: MIT
"""The connections of one channel: made when needed, shared, given up after a deadline, looked at before each use."""

from __future__ import annotations

import threading
import time
from typing import Final

from pytest_harehearse.remote.base import Unreachable
from pytest_harehearse.remote.paramiko_connection import Connection, make
from pytest_harehearse.remote.paramiko_session import NotSent, Session
from pytest_harehearse.remote.paramiko_target import Asked, resolve
from pytest_harehearse.remote.paramiko_wire import ConnectError, Wire
from pytest_harehearse.units import show

#: Commands at once over one connection: sshd's MaxSessions is 10 by default, and one that ended lingers for a moment.
SESSIONS: Final = 8
#: A connection costs the host more than a short wait; a new one is made when none got free within this (seconds).
_PATIENCE_S: Final = 0.25
_MOST_CONNECTIONS: Final = 6
#: How long the connections there are have to do when the host refused another one (seconds).
_CONTENT_S: Final = 2.0


class _Attempt(threading.Thread):
    """A connection being made, in a thread of its own: looking up a name, or an agent, can hang beyond any deadline."""

    def __init__(self, asked: Asked, limit: float, changed: threading.Condition) -> None:
        super().__init__(name="harehearse-connect", daemon=True)
        self._asked, self.until, self._changed = asked, time.monotonic() + limit, changed
        self.wire = Wire()
        self.waiting = 0
        self.connection: Connection | None = None
        self.error: ConnectError | None = None

    @property
    def is_over(self) -> bool:
        return self.connection is not None or self.error is not None

    def run(self) -> None:
        connection: Connection | None = None
        error: ConnectError | None = None
        try:
            self.wire.phase = "the ssh configuration was still being read"
            connection = make(self.wire, resolve(self._asked), self.until)
            connection.uid = _uid(connection, self.until)
        except ConnectError as found:
            error = found
        except Exception as found:  # noqa: BLE001 – who waits for this thread has to hear of it, whatever it is
            error = ConnectError(f"{self.wire.seen} ({type(found).__name__}: {found})")
        with self._changed:
            if error is None and self.wire.is_cut:
                error = ConnectError("the connection was given up")
            if error is not None:
                (connection or self.wire).cut()
                connection = None
            self.connection, self.error = connection, error
            self._changed.notify_all()


def _uid(connection: Connection, until: float) -> int:
    """Return the user id there, and so prove that the host runs commands."""
    out, err = bytearray(), bytearray()
    session = Session(connection, out.extend, err.extend, stdin=b"")
    try:
        session.start(["id", "-u"], until)
        in_time = session.pump(until, session.has_ended)
    except NotSent as error:
        raise ConnectError(str(error)) from None
    if session.has_ended():
        session.close()
    elif not in_time:
        raise ConnectError("the host let us in and had not run its first command")
    elif session.is_denied or session.shell_rc is not None:
        raise ConnectError(f"the host let us in and runs no command of ours: {session.words()}", refused=True)
    else:
        raise ConnectError(f"the host let us in and hung up: {session.lost()}")
    if not out.strip().isdigit():
        said = bytes(out[:80] + err[:200]).decode(errors="replace").strip()
        raise ConnectError(f"`id -u` does not say the user's id there: {said or 'it says nothing'}", refused=True)
    return int(out)


class Pool:
    """Lends connections."""

    def __init__(self, asked: Asked, url: str, connect_timeout: float) -> None:
        self._asked, self._url, self._connect_timeout = asked, url, connect_timeout
        self._changed = threading.Condition()
        self._connections: list[Connection] = []
        self._attempt: _Attempt | None = None
        #: Until then no further connection is tried, as the host just refused one.
        self._content_until = 0.0

    def lease(self, until: float) -> Connection | Unreachable:
        """Return a connection that takes one more command; give it back by :meth:`release`."""
        patient = time.monotonic() + _PATIENCE_S
        with self._changed:
            if time.monotonic() >= until:
                return Unreachable(f"{self._url}: not sent; there was no time left for it")
            while True:
                self._drop_dead()
                found = self._free()
                if found is not None:
                    found.used += 1
                    return found
                now = time.monotonic()
                if self._attempt is None and self._wants_another(now, patient):
                    if now >= until:
                        return Unreachable(f"{self._url}: not sent; the deadline had passed before it could be")
                    self._attempt = _Attempt(self._asked, self._connect_timeout, self._changed)
                    self._attempt.start()
                if self._attempt is not None:
                    failed = self._await(self._attempt, until)
                    if failed is not None and (not self._connections or time.monotonic() >= until):
                        return failed
                    if failed is not None:
                        self._content_until = time.monotonic() + _CONTENT_S
                elif now >= until:
                    used = sum(connection.used for connection in self._connections)
                    return Unreachable(f"{self._url}: not sent; {used} commands were running there all the time")
                else:
                    soonest = min((i for i in (patient, self._content_until) if i > now), default=until)
                    self._changed.wait(min(until, soonest) - now)

    def _wants_another(self, now: float, patient: float) -> bool:
        if not self._connections:
            return True
        return now >= patient and now >= self._content_until and len(self._connections) < _MOST_CONNECTIONS

    def _free(self) -> Connection | None:
        free = [c for c in self._connections if not c.is_retired and not c.is_full and c.used < SESSIONS]
        return min(free, key=lambda connection: connection.used, default=None)

    def _drop_dead(self) -> None:
        for connection in list(self._connections):
            if connection.failure() is not None:
                self._connections.remove(connection)
                connection.cut()

    def _await(self, attempt: _Attempt, until: float) -> Unreachable | None:
        """Wait, with the lock, until the attempt is over, or a connection got free; or return why not."""
        attempt.waiting += 1
        last = min(until, attempt.until)
        try:
            while not attempt.is_over and self._free() is None:
                left = last - time.monotonic()
                if left <= 0:
                    waited = show(self._connect_timeout - max(0.0, attempt.until - time.monotonic()))
                    return Unreachable(f"{self._url}: no connection within {waited}: {attempt.wire.seen}")
                self._changed.wait(left)
        finally:
            attempt.waiting -= 1
            if self._attempt is attempt and (attempt.is_over or not attempt.waiting):
                self._attempt = None
                if attempt.connection is not None:
                    self._connections.append(attempt.connection)
                elif not attempt.is_over:
                    attempt.wire.cut()
        if attempt.error is None:
            return None
        return Unreachable(f"{self._url}: {attempt.error}", refused=attempt.error.refused)

    def release(self, connection: Connection, *, retire: bool = False) -> None:
        """Give a connection back; one that is retired ends with its last command."""
        with self._changed:
            connection.used -= 1
            connection.is_full = False
            connection.is_retired |= retire
            is_done = connection.is_retired and connection.used <= 0
            if is_done and connection in self._connections:
                self._connections.remove(connection)
            self._changed.notify_all()
        if is_done:
            connection.cut()

    def full(self, connection: Connection) -> None:
        """Remember that the host takes no more sessions over it until one ends; give it back."""
        with self._changed:
            connection.used -= 1
            connection.is_full = connection.used > 0
            self._changed.notify_all()

    def clear(self) -> None:
        """End all connections, and the one that is being made."""
        with self._changed:
            connections, self._connections = self._connections, []
            attempt, self._attempt = self._attempt, None
            self._changed.notify_all()
        for connection in connections:
            connection.cut()
        if attempt is not None:
            (attempt.connection or attempt.wire).cut()
