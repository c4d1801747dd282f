# SPDX-License-Identifier: MIT
"""Channel by the system's own ssh: whatever a site configured for it (Kerberos, FIDO, jump hosts, proxies) works.

A master connection is made first, and only then is a command sent over it: what fails before is Unreachable, what breaks
off after is Unknown, and ssh's own exit status 255 is never mistaken for the command's, see ``framing``.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from pytest_harehearse.remote import files, sudo
from pytest_harehearse.remote.base import Command, Done, Outcome, Script, Unknown, Unreachable, argv, quoted
from pytest_harehearse.remote.framing import Framed, new_mark
from pytest_harehearse.remote.openssh_connections import Connections
from pytest_harehearse.remote.openssh_master import Master, Target, mux_arguments
from pytest_harehearse.remote.processes import Process
from pytest_harehearse.remote.streams import ProcessStream, Program
from pytest_harehearse.units import show

#: How long ssh may take to end once the command has (seconds).
_END_S: Final = 0.2
#: How often a command that was certainly not sent is tried again over a new connection.
_TRIES: Final = 3
#: How long telling the far end to hang up may take (seconds).
_HANG_UP_S: Final = 0.5
# The second for a command that ignores the first, as one does that an sshd without a terminal handed it down to.
_HANG_UP: Final = 'kill -HUP "-$1"; kill -TERM "-$1"'
#: ssh says this when the master vanished between the request and its answer: the command may have been sent.
_UNSURE: Final = b"read from master failed"
_Found = TypeVar("_Found")
_FULL: Final = b"session request failed"


class _Session(Framed):
    """One command over a connection."""

    def __init__(self, master: Master, out: Callable[[bytes], object], err: Callable[[bytes], object]) -> None:
        super().__init__(out, err)
        self.master = master
        self._not_sent = new_mark()

    def start(self, arguments: list[str], variables: Mapping[str, str], **stdin: Any) -> Process:
        """Start it."""
        return Process(
            [*mux_arguments(self.master.socket, self._not_sent), f"exec {quoted(self.script(arguments))}"],
            on_stdout=self.out.feed,
            on_stderr=self.err.feed,
            # The shell that runs the proxy command.
            environment={**variables, "SHELL": "/bin/sh"},
            **stdin,
        )

    @property
    def was_not_sent(self) -> bool:
        """Whether ssh says for certain that it found no connection to send it over."""
        return self._not_sent.encode() in self.err.before and _UNSURE not in self.err.before and not self.has_begun()

    @property
    def found_it_full(self) -> bool:
        """The host takes no more sessions over the connection."""
        return _FULL in self.err.before

    def lost(self) -> str:
        """Return the sentence about an end that was not seen."""
        words = b" ".join(self.err.before.split()).decode(errors="replace")
        said = " ".join(part for part in (self.master.words, words) if part)
        begun = "while the command ran" if self.has_begun() else "after the command was sent"
        return f"{self.master.target.url}: the connection was lost {begun}{f'; ssh said: {said}' if said else ''}"


class OpenSshChannel:
    """Runs on a host by the system's ssh, over shared connections that are made when they are needed.

    Args:
        node: the node's name in the inventory.
        host: a host name, an address, or a Host of the ssh configuration.
        port: None: what the configuration says.
        user: None: what the configuration says.
        options: more options of ssh, as ``("-oIdentityFile=/keys/id",)``; they cannot weaken the check of host keys.
        connect_timeout: longest time for a connection (seconds).
    """

    def __init__(
        self,
        node: str,
        host: str,
        *,
        port: int | None = None,
        user: str | None = None,
        options: Sequence[str] = (),
        connect_timeout: float = 5.0,
    ) -> None:
        self.node = node
        target = Target(host, port, user, tuple(options))
        self.url = target.url
        self._connections = Connections(target, connect_timeout)
        self._finalizer = weakref.finalize(self, self._connections.clear)

    def run(self, command: Command, *, deadline: float, stdin: bytes = b"", root: bool = True) -> Outcome:
        """Run a command to its end."""
        begun = time.monotonic()
        wanted = argv(command)
        return self._tried(begun, deadline, lambda master: self._over(master, wanted, begun, deadline, stdin, root))

    def _tried(self, begun: float, deadline: float, once: Callable[[Master], _Found | None]) -> _Found | Unreachable:
        """Lease a connection and try once over it, until something came of it."""
        lost = 0
        while lost < _TRIES:
            master = self._connections.lease(begun + deadline)
            if isinstance(master, Unreachable):
                return replace(master, took=time.monotonic() - begun)
            found = once(master)
            if found is not None:
                return found
            # Another connection takes what this one had no room for, as often as need be.
            lost += 0 if master.is_full else 1
        reason = f"{self.url}: not sent; the connection was lost {_TRIES} times before anything could be"
        return Unreachable(reason, time.monotonic() - begun)

    def _over(
        self, master: Master, wanted: list[str], begun: float, deadline: float, stdin: bytes, root: bool
    ) -> Outcome | None:
        """Run it over this connection; None when it certainly was not sent, and is worth another try."""
        out, err = bytearray(), bytearray()
        session = _Session(master, out.extend, err.extend)
        by_sudo = root and master.uid != 0
        retire, process = True, None
        try:
            process = session.start(
                sudo.as_root(wanted) if by_sudo else wanted, self._connections.environment, stdin=stdin
            )
            in_time = process.pump(begun + deadline, session.has_ended)
            if session.has_ended():
                process.pump(time.monotonic() + _END_S, lambda: process.rc is not None)
                retire = False
            elif in_time and session.was_not_sent:
                if session.found_it_full:
                    self._connections.full(master)
                    retire = False
                return None
        except (OSError, ValueError) as error:
            retire = False
            return Unreachable(f"{self.url}: not sent; ssh could not be started: {error}", time.monotonic() - begun)
        finally:
            if process is not None:
                process.close()
            self._connections.release(master, retire=retire)
        took = time.monotonic() - begun
        if session.rc is not None:
            return sudo.judged(Done(session.rc, bytes(out), bytes(err), took), self.url, by_sudo=by_sudo)
        session.finish()
        if in_time:
            return Unknown(session.lost(), took, bytes(out), bytes(err))
        seen = "it had begun" if session.has_begun() else "not even its beginning was seen"
        reason = f"{self.url}: it had not ended after {show(deadline)} ({seen}); the connection was given up"
        return Unknown(reason, took, bytes(out), bytes(err))

    def stream(self, command: Command, *, deadline: float, root: bool = True) -> ProcessStream | Unreachable | Unknown:
        """Start a command that runs on."""
        begun = time.monotonic()
        wanted = argv(command)
        return self._tried(begun, deadline, lambda master: self._stream_over(master, wanted, begun, deadline, root))

    def _stream_over(
        self, master: Master, wanted: list[str], begun: float, deadline: float, root: bool
    ) -> ProcessStream | Unreachable | Unknown | None:
        by_sudo = root and master.uid != 0
        stream = _MuxStream(self, master, by_sudo=by_sudo)
        try:
            process = stream.session.start(
                sudo.as_root(wanted) if by_sudo else wanted, self._connections.environment, keep_stdin=True
            )
        except (OSError, ValueError) as error:
            self._connections.release(master)
            return Unreachable(f"{self.url}: not sent; ssh could not be started: {error}", time.monotonic() - begun)
        in_time = False
        try:
            in_time = process.pump(begun + deadline, stream.session.has_begun)
        finally:
            if not in_time or not stream.session.has_begun():
                process.close()
                full = stream.session.found_it_full
                if full:
                    self._connections.full(master)
                self._connections.release(master, retire=not full)
        took = time.monotonic() - begun
        if not in_time:
            reason = f"{self.url}: its beginning was not seen within {show(deadline)}; the connection was given up"
            return Unknown(reason, took)
        if stream.session.has_begun():
            stream.attach(process)
            return stream
        return None if stream.session.was_not_sent else Unknown(stream.session.lost(), took)

    def put(self, data: bytes, path: str, *, deadline: float, mode: int = 0o600, root: bool = True) -> Outcome:
        """Write a file whole or not at all."""
        return self.run(files.put(data, path, mode), deadline=deadline, stdin=data, root=root)

    def get(self, path: str, *, deadline: float, root: bool = True) -> Outcome:
        """Read a file."""
        return files.read(self.run(files.get(path), deadline=deadline, root=root))

    def close(self) -> None:
        """End every connection and remove its socket; the next call makes a new one."""
        self._connections.clear()

    def given_back(self, master: Master, *, retire: bool) -> None:
        """Take back the connection of a stream."""
        self._connections.release(master, retire=retire)


class _MuxStream(ProcessStream):
    """A stream over a shared connection."""

    def __init__(self, channel: OpenSshChannel, master: Master, *, by_sudo: bool) -> None:
        super().__init__()
        self._channel, self._master, self._by_sudo = channel, master, by_sudo
        self.session = _Session(master, self.take_stdout, self.take_stderr)

    def _is_over(self) -> bool:
        return self.session.has_ended()

    def _judge(self, process: Program, took: float) -> Outcome:  # noqa: ARG002 - ssh's own end says nothing
        if self.session.rc is None:
            reason = f"{self._channel.url}: it was hung up" if self.is_closed else self.session.lost()
            return Unknown(reason, took, b"", self.stderr)
        done = Done(self.session.rc, b"", self.stderr, took)
        return sudo.judged(done, self._channel.url, by_sudo=self._by_sudo)

    def _release(self, process: Program) -> None:
        process.close()
        self.session.finish()
        self._channel.given_back(self._master, retire=not self.session.has_ended() and not self.is_closed)

    def _hang_up(self, process: Program) -> None:
        """Without a terminal, sshd leaves the command alone when its connection ends: it has to be told."""
        process.end_input()
        shell = self.session.out.begun
        if shell is not None and not self._is_over():
            self._channel.run(Script(_HANG_UP, (str(shell),)), deadline=_HANG_UP_S, root=self._by_sudo)
