# SPDX-License-Identifier: MIT
"""A shell that stays: for asking the same node many times a second, without a session for each question.

A script runs in a subshell of it, so nothing that it sets stays. Its standard output comes as it is written, what it said
on standard error follows, each behind a mark that no script can guess.
"""

from __future__ import annotations

import secrets
import shlex
import threading
import time
from dataclasses import replace
from typing import Final, Self

from pytest_harehearse.remote.base import Channel, Done, Outcome, Script, Stream, Unknown, Unreachable
from pytest_harehearse.units import show

# The script's errors are caught in a variable, while its output goes past that to the stream: no file, no further process.
# Its input is empty, or it would eat the next question.
_ASK: Final = """\
harehearse() {
mark=$1$2 text=$3; shift 3
printf '\\n%s begun\\n' "$mark"
{ said=$(exec 2>&1 >&3 3>&- < /dev/null; eval "$text"); } 3>&1
rc=$?
printf '\\n%s %s\\n%s\\n%s over\\n' "$mark" "$rc" "$said" "$mark"
}
"""
#: A shell that is still being started has to be there within this (seconds), or the deadline, if that is sooner.
_START_S: Final = 5.0


class HeldShell:
    """Asks one node over one held shell; thread-safe, one question at a time. A lost shell is started again.

    Args:
        channel: how the node is reached.
        root: whether the scripts run as root.
    """

    def __init__(self, channel: Channel, *, root: bool = True) -> None:
        self._channel, self._root = channel, root
        self._lock = threading.Lock()
        self._stream: Stream | None = None

    @property
    def url(self) -> str:
        """How the node is reached."""
        return self._channel.url

    @property
    def node(self) -> str:
        """The node's name in the inventory."""
        return self._channel.node

    def run(self, script: Script, deadline: float) -> Outcome:
        """Run a script to its end; after a passed deadline the shell is given up.

        Standard output and error are text (a NUL is lost, what is no UTF-8 is replaced), and error comes without its last
        line breaks. What the script leaves in the background must not hold its standard error.

        Raises:
            ValueError: a NUL in the script or its arguments, which no shell can take.
        """
        begun = time.monotonic()
        until = begun + deadline
        if any("\0" in text for text in (script.text, *script.arguments)):
            raise ValueError("a script and its arguments cannot hold a NUL")
        if not self._lock.acquire(timeout=max(0.0, deadline)):
            return Unreachable(f"{self.url}: not sent; the held shell was busy for {show(deadline)}", deadline)
        try:
            outcome = self._once(script, begun, until)
        except BaseException:
            # Interrupted between question and answer: the answer would be taken for the next one's.
            self._drop()
            raise
        else:
            if isinstance(outcome, Unknown):
                self._drop()
            return outcome
        finally:
            self._lock.release()

    def _once(self, script: Script, begun: float, until: float) -> Outcome:
        stream = self._shell(until)
        if isinstance(stream, Unreachable):
            return replace(stream, took=time.monotonic() - begun)
        if isinstance(stream, Unknown):
            # A shell that may or may not have started has run nothing of ours.
            return Unreachable(stream.reason, time.monotonic() - begun)
        return self._ask(stream, script, begun, until)

    def _shell(self, until: float) -> Stream | Unreachable | Unknown:
        stream = self._stream
        if stream is not None and stream.outcome() is None:
            return stream
        self._drop()
        left = until - time.monotonic()
        found = self._channel.stream(["/bin/sh"], deadline=max(0.0, min(left, _START_S)), root=self._root)
        if isinstance(found, Unreachable | Unknown):
            return found
        self._stream = found
        if not found.send(_ASK.encode(), until - time.monotonic()):
            self._drop()
            return Unreachable(f"{self.url}: not sent; the held shell took no input")
        return found

    def _ask(self, stream: Stream, script: Script, begun: float, until: float) -> Outcome:
        mark = f"harehearse-{secrets.token_hex(16)}"
        # In two halves: a shell that is traced, or a script that prints what runs, must not answer for us.
        words = ["harehearse", mark[:24], mark[24:], script.text, *script.arguments]
        line = shlex.join(words) + "\n"
        if not stream.send(line.encode(), until - time.monotonic()):
            return self._unknown(stream, begun, "it was not taken whole", [])
        seen: list[str] = []
        end = f"{mark} over"
        for text in stream.lines(until - time.monotonic()):
            seen.append(text)
            if text == end:
                return _read(seen, mark, time.monotonic() - begun)
        return self._unknown(stream, begun, "no whole answer came", _within(seen, mark))

    def _unknown(self, stream: Stream, begun: float, what: str, seen: list[str]) -> Unknown:
        took = time.monotonic() - begun
        outcome = stream.outcome()
        if outcome is None:
            reason = f"{what} within {show(took)}; the held shell was given up"
        elif isinstance(outcome, Done):
            reason = f"{what}: the held shell ended with status {outcome.rc}: {outcome.err or 'nothing said'}"
        else:
            return Unknown(outcome.reason, took, "\n".join(seen).encode())
        return Unknown(f"{self.url}: {reason}", took, "\n".join(seen).encode())

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def close(self) -> None:
        """End the shell, waiting for a question that is being answered; the next question starts another."""
        with self._lock:
            self._drop()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self.close()


def _within(lines: list[str], mark: str) -> list[str]:
    begun = f"{mark} begun"
    return lines[lines.index(begun) + 1 :] if begun in lines else []


def _read(lines: list[str], mark: str, took: float) -> Outcome:
    within = _within(lines, mark)
    ends = [number for number, line in enumerate(within) if line.startswith(f"{mark} ")]
    if len(ends) != 2 or not within[ends[0]].removeprefix(f"{mark} ").isdecimal():
        return Unknown("the answer of the held shell has lost its frame", took, "\n".join(lines).encode())
    rc = int(within[ends[0]].removeprefix(f"{mark} "))
    out, err = "\n".join(within[: ends[0]]), "\n".join(within[ends[0] + 1 : ends[1]])
    return Done(rc, out.encode(), err.encode(), took)
