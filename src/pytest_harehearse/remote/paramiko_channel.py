# SPDX-License-Identifier: MIT
"""Channel over SSH without any program of this machine: paramiko, with a deadline on everything.

A command is sent over a connection that was looked at first. What fails before is Unreachable; from the moment that the
request to run it is handed over, whatever breaks off is Unknown, and it is never sent a second time.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from pytest_harehearse.remote import files, sudo
from pytest_harehearse.remote.base import Command, Done, Outcome, Unknown, Unreachable, argv
from pytest_harehearse.remote.paramiko_connection import Connection
from pytest_harehearse.remote.paramiko_pool import Pool
from pytest_harehearse.remote.paramiko_session import NotSent, Session
from pytest_harehearse.remote.paramiko_stream import ParamikoStream
from pytest_harehearse.remote.paramiko_target import Asked
from pytest_harehearse.units import show

#: Output beyond this is not kept: the command ends as unknown.
MOST_OUTPUT: Final = 256 << 20
#: How often a command that was certainly not sent is tried again over a new connection.
_TRIES: Final = 2
#: A session that ended well is awaited so long to be gone, as the host counts it until then (seconds).
_GONE_S: Final = 0.1
#: How long a host that had no room for a session is left alone (seconds).
_FULL_S: Final = 0.05
_CONFIG: Final = Path("~/.ssh/config")
_Found = TypeVar("_Found")


class ParamikoChannel:
    """Runs on a host over SSH; connections are made when they are needed, and shared.

    Args:
        node: the node's name in the inventory.
        host: a host name, an address, or a Host of the ssh configuration.
        port: None: what the configuration says, or 22.
        user: None: what the configuration says, or the name of who runs this.
        keys: private keys; a certificate ``KEY-cert.pub`` beside one is offered first. Empty: those of the configuration, or
            those in ``~/.ssh``.
        known_hosts: the file that the host's key must stand in; None: the user's and the system's.
        pinned: the only key that the host may show, as in its ``.pub`` file: "ssh-ed25519 AAAA…".
        agent: whether keys of the agent are offered.
        jump: the host to go through, as ``user@host:port``; several with commas, the nearest first.
        proxy_command: a shell command that is the connection, with %h, %p and %r; instead of ``jump``.
        connect_timeout: longest time for a connection (seconds).
        config: the ssh configuration to read; None: none.
    """

    def __init__(
        self,
        node: str,
        host: str,
        *,
        port: int | None = None,
        user: str | None = None,
        keys: Sequence[Path | str] = (),
        known_hosts: Path | None = None,
        pinned: str | None = None,
        agent: bool = True,
        jump: str | None = None,
        proxy_command: str | None = None,
        connect_timeout: float = 5.0,
        config: Path | None = _CONFIG,
    ) -> None:
        self.node = node
        shown = f"[{host}]" if ":" in host else host
        self.url = f"ssh://{f'{user}@' if user else ''}{shown}{f':{port}' if port else ''}"
        asked = Asked(
            host=host,
            port=port,
            user=user,
            keys=tuple(Path(key).expanduser() for key in keys),
            known_hosts=known_hosts.expanduser() if known_hosts is not None else None,
            pinned=pinned,
            agent=agent,
            jump=jump,
            proxy_command=proxy_command,
            config=config.expanduser() if config is not None else None,
        )
        self._pool = Pool(asked, self.url, connect_timeout)
        self._finalizer = weakref.finalize(self, self._pool.clear)

    def run(self, command: Command, *, deadline: float, stdin: bytes = b"", root: bool = True) -> Outcome:
        """Run a command to its end."""
        begun = time.monotonic()
        wanted = argv(command)
        return self._tried(
            begun, deadline, lambda connection: self._over(connection, wanted, begun, deadline, stdin, root)
        )

    def _tried(self, begun: float, deadline: float, once: Callable[[Connection], _Found]) -> _Found | Unreachable:
        """Lease a connection and try over it; once more over another one when it was certainly not sent."""
        until, lost, reason = begun + deadline, 0, ""
        while lost < _TRIES:
            connection = self._pool.lease(until)
            if isinstance(connection, Unreachable):
                before = f" (before that: {reason})" if reason else ""
                return replace(connection, reason=connection.reason + before, took=time.monotonic() - begun)
            try:
                return once(connection)
            except NotSent as error:
                reason = str(error)
                if error.is_full:
                    # Another connection takes what this one had no room for, as often as need be.
                    self._pool.full(connection)
                    time.sleep(_FULL_S)
                else:
                    self._pool.release(connection, retire=True)
                    lost += 1
        return Unreachable(f"{self.url}: not sent; {reason}", time.monotonic() - begun)

    def _over(
        self, connection: Connection, wanted: list[str], begun: float, deadline: float, stdin: bytes, root: bool
    ) -> Outcome:
        until = begun + deadline
        out, err = bytearray(), bytearray()
        session = Session(connection, out.extend, err.extend, stdin=stdin)
        by_sudo = root and connection.uid != 0

        def enough() -> bool:
            return session.has_ended() or len(out) + len(err) > MOST_OUTPUT

        session.start(sudo.as_root(wanted) if by_sudo else wanted, until)
        # When the guard had to cut the connection, its end is no news about the host.
        in_time = session.pump(until, enough) and time.monotonic() < until
        took = time.monotonic() - begun
        if (rc := session.rc) is not None:
            session.pump(time.monotonic() + _GONE_S)
            session.close()
            self._pool.release(connection)
            return sudo.judged(Done(rc, bytes(out), bytes(err), took), self.url, by_sudo=by_sudo)
        session.finish()
        outcome = self._without_end(session, in_time, deadline, took, bytes(out), bytes(err))
        is_alive = in_time and connection.failure() is None
        if is_alive:
            session.close()
        self._pool.release(connection, retire=not is_alive)
        return outcome

    def _without_end(
        self, session: Session, in_time: bool, deadline: float, took: float, out: bytes, err: bytes
    ) -> Outcome:
        if session.is_denied or (session.shell_rc is not None and not session.has_begun()):
            said = session.words() or f"its shell ended with status {session.shell_rc}"
            return Unreachable(f"{self.url}: the host lets us in and runs no command: {said}", took, refused=True)
        if len(out) + len(err) > MOST_OUTPUT:
            reason = f"it said more than {MOST_OUTPUT >> 20} MiB, which is not kept; write that to a file there"
        elif in_time:
            reason = session.lost()
        else:
            seen = "it had begun" if session.has_begun() else "not even its beginning was seen"
            reason = f"it had not ended after {show(deadline)} ({seen}); the connection was given up"
        return Unknown(f"{self.url}: {reason}", took, out, err)

    def stream(self, command: Command, *, deadline: float, root: bool = True) -> ParamikoStream | Unreachable | Unknown:
        """Start a command that runs on."""
        begun = time.monotonic()
        wanted = argv(command)
        return self._tried(
            begun, deadline, lambda connection: self._stream_over(connection, wanted, begun, deadline, root)
        )

    def _stream_over(
        self, connection: Connection, wanted: list[str], begun: float, deadline: float, root: bool
    ) -> ParamikoStream | Unreachable | Unknown:
        by_sudo = root and connection.uid != 0
        stream = ParamikoStream(self, self._pool, connection, by_sudo=by_sudo)
        session = stream.session
        session.start(sudo.as_root(wanted) if by_sudo else wanted, begun + deadline)
        in_time = session.pump(begun + deadline, session.has_begun) and time.monotonic() < begun + deadline
        if session.has_begun():
            return stream
        took = time.monotonic() - begun
        outcome = self._without_end(session, in_time, deadline, took, b"", stream.stderr)
        is_alive = in_time and connection.failure() is None
        if is_alive:
            session.close()
        self._pool.release(connection, retire=not is_alive)
        assert not isinstance(outcome, Done)
        return outcome

    def put(self, data: bytes, path: str, *, deadline: float, mode: int = 0o600, root: bool = True) -> Outcome:
        """Write a file whole or not at all."""
        return self.run(files.put(data, path, mode), deadline=deadline, stdin=data, root=root)

    def get(self, path: str, *, deadline: float, root: bool = True) -> Outcome:
        """Read a file."""
        return files.read(self.run(files.get(path), deadline=deadline, root=root))

    def close(self) -> None:
        """End every connection; the next call makes a new one."""
        self._pool.clear()
