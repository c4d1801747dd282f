# SPDX-License-Identifier: MIT
"""One connection of the system's ssh that commands share: its process is ours, so nothing of it outlives us.

The master's own session holds ``cat`` at the other end, fed by a pipe from here. When this process dies, even by SIGKILL,
the pipe ends, the session ends, and the master with it: no ``ControlPersist`` that lingers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pytest_harehearse.remote.base import Script, Unreachable, quoted
from pytest_harehearse.remote.framing import new_mark
from pytest_harehearse.remote.openssh_words import refusal
from pytest_harehearse.remote.processes import Process
from pytest_harehearse.units import show

_HELLO: Final = 'printf "%s%s\\n" "$1" "$(id -u)"; exec cat > /dev/null'
#: What the master said last, kept for the reason of its end.
_KEPT: Final = 8192
#: How long the master may take to say goodbye (seconds).
_GOODBYE_S: Final = 0.3
_LONGEST_CONNECT_S: Final = 3600
#: Sessions at once over one connection: sshd's default MaxSessions is 10, and one is the master's own.
SESSIONS: Final = 9


@dataclass
class Target:
    """Whom ssh is to reach, and how."""

    host: str
    port: int | None
    user: str | None
    options: tuple[str, ...]

    @property
    def url(self) -> str:
        """How it is reached."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"openssh://{f'{self.user}@' if self.user else ''}{host}{f':{self.port}' if self.port else ''}"

    def arguments(self, socket: Path, connect_timeout: float) -> list[str]:
        """Return the start of the master's command line. ssh takes the first value of an option, so ours win."""
        ours = {
            "ControlMaster": "yes",
            "ControlPath": str(socket),
            "ControlPersist": "no",
            "BatchMode": "yes",
            "ConnectTimeout": str(max(1, min(_LONGEST_CONNECT_S, round(connect_timeout)))),
            "ServerAliveInterval": "2",
            "ServerAliveCountMax": "3",
            "StrictHostKeyChecking": "yes",
            "RequestTTY": "no",
            "RemoteCommand": "none",
            "SessionType": "default",
            "StdinNull": "no",
            "ForkAfterAuthentication": "no",
            "ForwardAgent": "no",
            "ForwardX11": "no",
            "ClearAllForwardings": "yes",
            "PermitLocalCommand": "no",
            "EscapeChar": "none",
            "LogLevel": "INFO",
        }
        found = ["ssh", *(f"-o{name}={value}" for name, value in ours.items()), *self.options]
        if self.port is not None:
            found.append(f"-oPort={self.port}")
        if self.user is not None:
            found.append(f"-oUser={self.user}")
        return [*found, "--", self.host]


@dataclass
class Master:
    """A connection. ``users`` counts the sessions over it; a retired one ends with its last."""

    target: Target
    socket: Path
    environment: Mapping[str, str]
    users: int = 0
    most: int = SESSIONS
    is_full: bool = False
    is_retired: bool = False
    uid: int | None = None
    process: Process | None = None
    said: bytearray = field(default_factory=bytearray)
    _hello: bytearray = field(default_factory=bytearray)

    def connect(self, within: float, configured: float) -> Unreachable | None:
        """Connect; returns why it could not be."""
        begun = time.monotonic()
        mark = new_mark()
        hello = quoted(Script(_HELLO, (mark,)))
        arguments = [*self.target.arguments(self.socket, configured), f"exec {hello}"]
        try:
            self.process = Process(
                arguments,
                keep_stdin=True,
                on_stdout=self._hello.extend,
                on_stderr=self._say,
                environment=self.environment,
            )
        except OSError as error:
            reason = f"{self.target.url}: ssh (Debian: openssh-client) cannot be started: {error}"
            return Unreachable(reason, time.monotonic() - begun, refused=True)
        limit = min(within, configured)
        answered = False
        try:
            answered = self.process.pump(begun + limit, lambda: self._greeted(mark) or self.has_ended)
        finally:
            if not answered or self.uid is None:
                self.end(politely=False)
        took = time.monotonic() - begun
        if self.uid is not None and answered:
            return None
        if not answered:
            said = f"; ssh said: {self.words}" if self.words else ""
            return Unreachable(f"{self.target.url}: no connection within {show(limit)}{said}", took)
        return refusal(self.target.host, self.target.port, self.target.url, self.words, took)

    def _say(self, data: bytes) -> None:
        self.said += data
        del self.said[:-_KEPT]

    @property
    def words(self) -> str:
        """What ssh said, for a reason."""
        return " ".join(self.said.decode(errors="replace").split())

    def _greeted(self, mark: str) -> bool:
        start = self._hello.find(mark.encode())
        end = self._hello.find(b"\n", start) if start >= 0 else -1
        if end < 0:
            return False
        digits = bytes(self._hello[start + len(mark) : end]).strip()
        # No number: there is no id at the other end; sudo then finds out.
        self.uid = int(digits) if digits.isdigit() else -1
        return True

    @property
    def has_ended(self) -> bool:
        """The ssh process is gone."""
        return self.process is None or self.process.rc is not None

    def look(self) -> bool:
        """Take what ssh says meanwhile, so that it never waits for us; returns whether it lives."""
        if self.process is not None and not self.has_ended:
            self.process.pump(time.monotonic(), lambda: self.has_ended)
        return not self.has_ended

    def end(self, *, politely: bool) -> None:
        """End it: by the end of its input, then by its process id. The socket goes with it."""
        process, self.process = self.process, None
        if process is not None:
            if politely:
                process.end_input()
                process.pump(time.monotonic() + _GOODBYE_S, lambda: process.rc is not None)
            if process.rc is None:
                # Asked first: ssh then ends its proxy and jump programs itself.
                process.signal(signal.SIGTERM)
                process.pump(time.monotonic() + _GOODBYE_S / 2, lambda: process.rc is not None)
            process.close()
        with contextlib.suppress(FileNotFoundError):
            self.socket.unlink()


def environment() -> dict[str, str]:
    """Return the environment of ssh: it must never ask, not even in a window."""
    return {**os.environ, "SSH_ASKPASS_REQUIRE": "never"}


def mux_arguments(socket: Path, mark: str) -> list[str]:
    """Return the command line of a session over the master.

    Where there is no master (any more), ssh would connect on its own; instead it then runs the proxy command, which
    says the mark: so we know for certain that nothing was sent.
    """
    return [
        "ssh", "-F", "none", "-T", "-oBatchMode=yes", "-oControlMaster=no", f"-oControlPath={socket}",
        "-oLogLevel=ERROR", "-oEscapeChar=none", f"-oProxyCommand=sh -c 'echo {mark} >&2'", "--", "master",
    ]  # fmt: skip
