# SPDX-License-Identifier: MIT
"""command:PROGRAM ARGUMENT…: a program of the user's own says by its exit status whether the service is served."""

from __future__ import annotations

import errno
import shlex
from typing import Final

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds.base import Answer, Kind, Trace
from pytest_harehearse.probes.kinds.command_process import Processes
from pytest_harehearse.probes.kinds.urls import hide

_SCHEME: Final = "command:"
_HOW: Final = "Write command:PROGRAM ARGUMENT…; it is run directly, without a shell."
#: A line of the program's output that begins with it names who answered.
_BY: Final = "harehearse-by:"
_LONGEST: Final = 200
#: The program cannot be run as it is written.
_NOT_TO_RUN: Final = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.E2BIG}
)
#: What shells and env say for "cannot be executed" and "not found".
_SHELL_SAYS: Final = {126: "cannot be executed", 127: "was not found"}


class Command(Kind):
    """Runs a program for each attempt."""

    modes = ("read", "claim")

    def __init__(self, service: Service, writer: str = "") -> None:
        super().__init__(service, writer)
        self._arguments = arguments(service.url)
        self._processes = Processes()

    async def attempt(self, n: int, trace: Trace) -> Answer:  # noqa: ARG002
        """Run it once."""
        program = self._arguments[0]
        trace.step = f"{program} still runs"
        try:
            status, output = await self._processes.run(self._arguments)
        except OSError as error:
            if error.errno not in _NOT_TO_RUN:
                raise
            return Answer(Outcome.MISCONFIGURED, "", f"{program!r} cannot be run: {error.strerror}. {_HOW}")
        by, first = read_output(output)
        said = f": {first}" if first else ""
        if status == 0:
            return Answer(Outcome.OK, by)
        if status < 0:
            return Answer(Outcome.ERROR, by, f"ended by signal {-status}{said}")
        if status in _SHELL_SAYS:
            text = f"exit status {status}, a program {_SHELL_SAYS[status]}{said}"
            return Answer(Outcome.MISCONFIGURED, by, text)
        if self.service.mode == "claim":
            no = Outcome.READ_ONLY if status == 1 else Outcome.ERROR
            return Answer(no, by, f"exit status {status}{said}")
        return Answer(Outcome.WRONG, by, f"exit status {status}{said}")

    def close(self) -> None:
        """Collect what was ended."""
        self._processes.close()


def arguments(url: str) -> list[str]:
    """Return the program and its arguments.

    Raises:
        ConfigError: when there is none, or it cannot be meant like that.
    """
    if not url.startswith(_SCHEME) or url.startswith(f"{_SCHEME}//"):
        raise ConfigError(f"{hide(url)!r} is no command. {_HOW}")
    try:
        words = shlex.split(url.removeprefix(_SCHEME))
    except ValueError as error:
        raise ConfigError(f"the command {hide(url)!r} cannot be read: {error}. {_HOW}") from error
    if not words or not words[0]:
        raise ConfigError(f"the command {hide(url)!r} lacks its program. {_HOW}")
    if "=" in words[0]:
        raise ConfigError(
            f"the command {hide(url)!r} begins with a variable, which only a shell would set; use env NAME=VALUE "
            "PROGRAM, or set it where the rehearsal is started."
        )
    if any("\0" in word for word in words):
        raise ConfigError(f"the command {hide(url)!r} has a zero byte in it. {_HOW}")
    return words


def read_output(output: bytes) -> tuple[str, str]:
    """Return who answered, as the output says, and the first of its other lines that is not empty."""
    by = first = ""
    for line in output.decode("utf-8", "replace").splitlines():
        text = "".join(c if c.isprintable() else " " for c in line).strip()
        if text.startswith(_BY):
            by = by or text.removeprefix(_BY).strip()[:_LONGEST]
        else:
            first = first or text[:_LONGEST]
    return by, first
