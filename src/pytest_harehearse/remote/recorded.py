# SPDX-License-Identifier: MIT
"""A channel that writes down what is run through it: each command as a pair of events, without secrets."""

from __future__ import annotations

import itertools
import os
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, Self

from pytest_harehearse.events import CommandFinished, CommandStarted, Event
from pytest_harehearse.remote.base import Channel, Command, Done, Outcome, Script, Stream, Unknown, Unreachable, argv

#: Longest text of a command and of a detail in an event (characters).
_LONGEST: Final = 300
# One for all channels of this process: their events stand in one file.
_numbers = itertools.count(1)


def _nowhere() -> str:
    return ""


def wording(command: Command, redact: Callable[[str], str]) -> str:
    """Return a command as it is shown: quoted, without secrets, a script by its first line.

    Redacted before it is cut: the first half of a secret is still one.
    """
    if isinstance(command, Script):
        lines = [line.strip() for line in redact(command.text).splitlines() if line.strip()]
        first = (lines or [""])[0] + (" …" if len(lines) > 1 else "")
        arguments = " ".join(shlex.quote(redact(argument)) for argument in command.arguments)
        return _cut(redact(f"sh: {first}{f' [{arguments}]' if arguments else ''}"))
    return _cut(redact(shlex.join(redact(argument) for argument in argv(command))))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


class Recorded:
    """Any channel, with every command written down.

    Args:
        channel: runs the commands.
        write: takes the events; what it raises ends the command's call, for an event must not be lost unnoticed.
        redact: takes secrets out of a text.
        rehearsal: returns the id of the rehearsal that runs now.
    """

    def __init__(
        self,
        channel: Channel,
        write: Callable[[Event], None],
        redact: Callable[[str], str],
        rehearsal: Callable[[], str] = _nowhere,
    ) -> None:
        self.channel = channel
        self.node = channel.node
        self.url = redact(channel.url)
        self._write, self._redact, self._rehearsal = write, redact, rehearsal

    def _begin(self, what: str, deadline: float) -> _Pair:
        # Workers of a run write to files of their own, which are read as one: hence the process id.
        pair = _Pair(f"{self.node}-{os.getpid()}-{next(_numbers)}", self._rehearsal(), self._write, self._redact)
        self._write(
            CommandStarted(command=pair.id, node=self.node, what=what, deadline=deadline, rehearsal=pair.rehearsal)
        )
        return pair

    def _do(self, what: str, deadline: float, ask: Callable[[], Outcome]) -> Outcome:
        pair = self._begin(what, deadline)
        try:
            outcome = ask()
        except BaseException as error:
            pair.broke(error)
            raise
        pair.end(outcome)
        return outcome

    def run(self, command: Command, *, deadline: float, stdin: bytes = b"", root: bool = True) -> Outcome:
        """Run a command to its end; its input is not written down."""
        return self._do(
            wording(command, self._redact),
            deadline,
            lambda: self.channel.run(command, deadline=deadline, stdin=stdin, root=root),
        )

    def stream(self, command: Command, *, deadline: float, root: bool = True) -> Stream | Unreachable | Unknown:
        """Start a command that runs on; it is over in the record when the stream is closed."""
        pair = self._begin(wording(command, self._redact), deadline)
        try:
            stream = self.channel.stream(command, deadline=deadline, root=root)
        except BaseException as error:
            pair.broke(error)
            raise
        if isinstance(stream, Unreachable | Unknown):
            pair.end(stream)
            return stream
        return _RecordedStream(stream, pair)

    def put(self, data: bytes, path: str, *, deadline: float, mode: int = 0o600, root: bool = True) -> Outcome:
        """Write a file; only its size is written down."""
        what = _cut(self._redact(f"put {shlex.quote(path)} ({len(data)} bytes, mode {mode:04o})"))
        return self._do(what, deadline, lambda: self.channel.put(data, path, deadline=deadline, mode=mode, root=root))

    def get(self, path: str, *, deadline: float, root: bool = True) -> Outcome:
        """Read a file; its content is not written down."""
        what = _cut(self._redact(f"get {shlex.quote(path)}"))
        return self._do(what, deadline, lambda: self.channel.get(path, deadline=deadline, root=root))

    def close(self) -> None:
        """Give the connection back."""
        self.channel.close()


class _Pair:
    """The end of a command, written once."""

    def __init__(self, id_: str, rehearsal: str, write: Callable[[Event], None], redact: Callable[[str], str]) -> None:
        self.id, self.rehearsal = id_, rehearsal
        self._write, self._redact = write, redact
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self._is_open = True

    def end(self, outcome: Outcome) -> None:
        """Write what came of it."""
        match outcome:
            case Done(rc=0):
                self._finish("done", outcome.took, 0, "")
            case Done(rc=rc):
                lines = outcome.err.strip().splitlines()
                self._finish("done", outcome.took, rc, lines[-1] if lines else "")
            case Unreachable():
                self._finish("unreachable", outcome.took, None, outcome.reason)
            case Unknown():
                self._finish("unknown", outcome.took, None, outcome.reason)

    def hung_up(self) -> None:
        """Write that we ended it."""
        self._finish("done", time.monotonic() - self._begun, None, "ended by us")

    def broke(self, error: BaseException) -> None:
        """Write that the call itself broke: what came of the command is not known."""
        self._finish("unknown", time.monotonic() - self._begun, None, f"{type(error).__name__}: {error}")

    def _finish(self, outcome: str, took: float, rc: int | None, detail: str) -> None:
        with self._lock:
            if not self._is_open:
                return
            self._is_open = False
        self._write(
            CommandFinished(
                command=self.id,
                outcome=outcome,
                took=took,
                rc=rc,
                detail=_cut(self._redact(detail)),
                rehearsal=self.rehearsal,
            )
        )


class _RecordedStream:
    """A stream whose end is written down."""

    def __init__(self, stream: Stream, pair: _Pair) -> None:
        self._stream, self._pair = stream, pair

    def lines(self, deadline: float) -> Iterator[str]:
        """Yield lines as they come."""
        return self._stream.lines(deadline)

    def send(self, data: bytes, deadline: float) -> bool:
        """Write to standard input; what is written is not written down."""
        return self._stream.send(data, deadline)

    def outcome(self) -> Outcome | None:
        """How it ended."""
        outcome = self._stream.outcome()
        if outcome is not None:
            self._pair.end(outcome)
        return outcome

    def close(self) -> None:
        """End the command."""
        try:
            ended = self._stream.outcome()
        finally:
            self._stream.close()
        if ended is None:
            self._pair.hung_up()
        else:
            self._pair.end(ended)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self.close()
