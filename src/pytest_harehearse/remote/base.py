# SPDX-License-Identifier: MIT
"""The contract of every channel to a node: what can be asked of it, and the three things that can come of it.

A command ends as :class:`Done`, :class:`Unreachable` (it was not sent) or :class:`Unknown` (it was sent and no answer
came: it may have run, run in part, or not at all). None of them is an exception: who asks decides what each means.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self, runtime_checkable


@dataclass(frozen=True, slots=True)
class Script:
    """A POSIX shell script; ``arguments`` reach it as ``$1``, ``$2`` … and are never pasted into its text."""

    text: str
    arguments: tuple[str, ...] = ()


Command = Sequence[str] | Script


@dataclass(frozen=True, slots=True)
class Done:
    """The command ended on the node with this exit status; ``took`` is seconds."""

    rc: int
    stdout: bytes = field(default=b"", repr=False)
    stderr: bytes = field(default=b"", repr=False)
    took: float = 0.0

    @property
    def out(self) -> str:
        """Standard output as text, without the last line break."""
        return self.stdout.decode(errors="replace").removesuffix("\n")

    @property
    def err(self) -> str:
        """Standard error as text, without the last line break."""
        return self.stderr.decode(errors="replace").removesuffix("\n")


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The command was not sent: nobody answered, the key was refused, or the host is not the one that was pinned.

    ``refused``: the host answered and will go on to refuse (wrong key, changed host key): waiting does not help.
    """

    reason: str
    took: float = 0.0
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """The command was sent, and its end was not seen; what had arrived until then is kept."""

    reason: str
    took: float = 0.0
    stdout: bytes = field(default=b"", repr=False)
    stderr: bytes = field(default=b"", repr=False)


Outcome = Done | Unreachable | Unknown


class Stream(Protocol):
    """A command that runs for long; a context manager that ends it."""

    def lines(self, deadline: float) -> Iterator[str]:
        """Yield lines of standard output as they come, for at most ``deadline`` seconds in all.

        Ends early when the command ended or the connection was lost; :meth:`outcome` then says which.
        """
        ...

    def send(self, data: bytes, deadline: float) -> bool:
        """Write to standard input; False when not all of it was taken within ``deadline`` seconds."""
        ...

    def outcome(self) -> Outcome | None:
        """How it ended; None while it runs."""
        ...

    def close(self) -> None:
        """End the command (hang up) within a second; a second call does nothing."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...


@runtime_checkable
class Channel(Protocol):
    """A way to run things on one node. Thread-safe: many commands at once share one connection.

    Every call ends within its deadline (seconds) plus at most one second, whatever happens to the host meanwhile: powered
    off, frozen, cut off. After a deadline passed, the connection is discarded; the next call makes a new one.
    """

    #: How it is reached, without any secret: "ssh://ops@10.1.0.11:22".
    url: str
    #: The node's name in the inventory.
    node: str

    def run(self, command: Command, *, deadline: float, stdin: bytes = b"", root: bool = True) -> Outcome:
        """Run a command to its end. ``root``: by sudo where the user of the channel is not root."""
        ...

    def stream(self, command: Command, *, deadline: float, root: bool = True) -> Stream | Unreachable | Unknown:
        """Start a command that runs on; ``deadline`` is for the start."""
        ...

    def put(self, data: bytes, path: str, *, deadline: float, mode: int = 0o600, root: bool = True) -> Outcome:
        """Write a file whole or not at all (a temporary name in the same folder, then renamed)."""
        ...

    def get(self, path: str, *, deadline: float, root: bool = True) -> Outcome:
        """Read a file; it is ``Done.stdout``. Not there or not readable: ``Done`` with rc 1 and the reason in stderr."""
        ...

    def close(self) -> None:
        """Give the connection back; the next call makes a new one."""
        ...


def argv(command: Command) -> list[str]:
    """Return the argument list of a command."""
    if isinstance(command, Script):
        return ["/bin/sh", "-c", command.text, "harehearse", *command.arguments]
    if isinstance(command, str | bytes):
        raise TypeError("a command is a list of arguments, or a Script; a text would have to be split or pasted")
    return list(command)


def quoted(command: Command) -> str:
    """Return the command as one line for a shell at the other end, every argument quoted."""
    return shlex.join(argv(command))
