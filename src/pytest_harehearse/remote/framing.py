# SPDX-License-Identifier: MIT
"""A frame around what a command says, so that its own words are told apart from those of the transport.

The remote shell prints an unguessable mark before and after the command on both of its outputs. What a login script says
before is dropped, the exit status comes with the mark at the end, and an exit status 255 of ssh is never taken for one of
the command. The shell gets the mark in two halves, so that a command that lists processes does not print it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Final

from pytest_harehearse.remote.base import Script

_FRAMED: Final = """\
mark=$1$2; shift 2
printf '%s%s\\n' "$mark" $$
printf '%s%s\\n' "$mark" $$ >&2
"$@"
rc=$?
printf '%s%s\\n' "$mark" "$rc"
printf '%s%s\\n' "$mark" "$rc" >&2
"""


def new_mark() -> str:
    """Return a mark nobody can guess."""
    return f"harehearse-{secrets.token_hex(16)}:"


class Frame:
    """Finds the frame in one of the two outputs; what stands within goes to ``sink``."""

    def __init__(self, mark: str, sink: Callable[[bytes], object]) -> None:
        self._mark = mark.encode()
        self._whole = re.compile(re.escape(self._mark) + rb"(\d+)\r?\n")
        self._sink = sink
        self._held = b""
        #: What came before the frame: words of a login script or of the transport; its end.
        self.before = b""
        #: The number after the first mark (process id of the remote shell) and the last (exit status).
        self.begun: int | None = None
        self.ended: int | None = None

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        data = self._held + data
        self._held = b""
        if self.begun is None:
            self.begun, before, data = self._number(data)
            self.before = before[-4096:]
            if self.begun is None:
                self._held = self.before
                return
        if self.ended is not None:
            return
        self.ended, before, _ = self._number(data)
        if self.ended is None:
            self._held = before[self._safe(before) :]
            before = before[: len(before) - len(self._held)]
        if before:
            self._sink(before)

    def finish(self) -> None:
        """Hand on what was held back as a possible mark, now that nothing more comes."""
        if self._held and self.begun is not None:
            self._sink(self._held)
        self._held = b""

    def _number(self, data: bytes) -> tuple[int | None, bytes, bytes]:
        """Return the number of the first whole mark, what stands before it and what after; without one: None and all."""
        found = self._whole.search(data)
        if found is None:
            return None, data, b""
        return int(found[1]), data[: found.start()], data[found.end() :]

    def _safe(self, data: bytes) -> int:
        """Return up to where it cannot belong to a mark that is still coming."""
        whole = data.find(self._mark)
        if whole >= 0:
            return whole
        for length in range(min(len(self._mark) - 1, len(data)), 0, -1):
            if data.endswith(self._mark[:length]):
                return len(data) - length
        return len(data)


class Framed:
    """One command in its frame, both of its outputs."""

    def __init__(self, on_stdout: Callable[[bytes], object], on_stderr: Callable[[bytes], object]) -> None:
        self._mark = new_mark()
        self.out, self.err = Frame(self._mark, on_stdout), Frame(self._mark, on_stderr)

    def script(self, arguments: list[str]) -> Script:
        """Return the command with the frame around it."""
        half = len(self._mark) // 2
        return Script(_FRAMED, (self._mark[:half], self._mark[half:], *arguments))

    def has_begun(self) -> bool:
        """Whether the shell at the other end has said so."""
        return self.out.begun is not None

    def has_ended(self) -> bool:
        """Whether all of both outputs is there, and the exit status."""
        return self.out.ended is not None and self.err.ended is not None

    @property
    def rc(self) -> int | None:
        """The exit status; None while its end was not seen."""
        return self.out.ended if self.has_ended() else None

    def finish(self) -> None:
        """Nothing more comes."""
        self.out.finish()
        self.err.finish()
