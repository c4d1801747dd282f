# SPDX-License-Identifier: MIT
"""Channel to this very machine: commands run as subprocesses."""

from __future__ import annotations

import os
import time

from pytest_harehearse.remote import files, sudo
from pytest_harehearse.remote.base import Command, Done, Outcome, Unknown, Unreachable, argv
from pytest_harehearse.remote.processes import Process, exit_status
from pytest_harehearse.remote.streams import ProcessStream
from pytest_harehearse.units import show


def killed(process: Process, deadline: float) -> str:
    """End a program whose deadline passed; return the sentence about it."""
    gone = process.close()
    rest = "it was killed" if gone else "it could not be killed, for it runs as another user, and may go on"
    return f"it had not ended after {show(deadline)}; {rest}"


class LocalChannel:
    """Runs on this machine, with this process's rights; ``root`` means sudo unless we are root."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.url = "local://"

    def _arguments(self, command: Command, root: bool) -> tuple[list[str], bool]:
        by_sudo = root and os.geteuid() != 0
        return (sudo.as_root(argv(command)) if by_sudo else argv(command)), by_sudo

    def run(self, command: Command, *, deadline: float, stdin: bytes = b"", root: bool = True) -> Outcome:
        """Run a command to its end; at the deadline it is killed with all that it started in its group."""
        begun = time.monotonic()
        arguments, by_sudo = self._arguments(command, root)
        out, err = bytearray(), bytearray()
        try:
            process = Process(arguments, stdin=stdin, on_stdout=out.extend, on_stderr=err.extend)
        except (OSError, ValueError) as error:
            return _not_started(error, arguments, time.monotonic() - begun)
        over = False
        try:
            over = process.pump(begun + deadline)
        finally:
            reason = killed(process, deadline) if not over else ""
            process.close()
        took = time.monotonic() - begun
        if not over or process.rc is None:
            return Unknown(reason, took, bytes(out), bytes(err))
        return sudo.judged(Done(exit_status(process.rc), bytes(out), bytes(err), took), self.url, by_sudo=by_sudo)

    def stream(
        self,
        command: Command,
        *,
        deadline: float,  # noqa: ARG002 - nothing to wait for here
        root: bool = True,
    ) -> ProcessStream | Unreachable | Unknown:
        """Start a command that runs on."""
        begun = time.monotonic()
        arguments, _ = self._arguments(command, root)
        stream = ProcessStream()
        try:
            stream.attach(
                Process(arguments, keep_stdin=True, on_stdout=stream.take_stdout, on_stderr=stream.take_stderr)
            )
        except (OSError, ValueError) as error:
            return Unreachable(_reason(error, arguments), time.monotonic() - begun)
        return stream

    def put(self, data: bytes, path: str, *, deadline: float, mode: int = 0o600, root: bool = True) -> Outcome:
        """Write a file whole or not at all."""
        return self.run(files.put(data, path, mode), deadline=deadline, stdin=data, root=root)

    def get(self, path: str, *, deadline: float, root: bool = True) -> Outcome:
        """Read a file."""
        return files.read(self.run(files.get(path), deadline=deadline, root=root))

    def close(self) -> None:
        """Nothing is held."""


def _reason(error: OSError | ValueError, arguments: list[str]) -> str:
    return f"{arguments[0] if arguments else 'the command'} could not be started on this machine: {error}"


def _not_started(error: OSError | ValueError, arguments: list[str], took: float) -> Outcome:
    reason = _reason(error, arguments)
    # What a shell says of a program that is not there or is none: the same on every channel.
    if isinstance(error, FileNotFoundError):
        return Done(127, b"", reason.encode(), took)
    if isinstance(error, PermissionError):
        return Done(126, b"", reason.encode(), took)
    return Unreachable(reason, took)
