# SPDX-License-Identifier: MIT
"""One ask of a service, and how it is written down.

An attempts file is JSON lines: a header object, then one compact array an attempt; between them objects about the
runner itself: ``{"stall": [from, to]}`` (the meter did not run), ``{"control": [from, to]}`` (the control target on the
runner did not answer), ``{"suspended": seconds}`` (the machine slept), ``{"note": …}``; and ``{"end": …}`` when the
meter ended by itself.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Outcome(StrEnum):
    """How one attempt ended. Only ``OK`` and ``SLOW`` are evidence that the service was up."""

    OK = "ok"
    #: Served, but later than the service's ``slow``.
    SLOW = "slow"
    REFUSED = "refused"
    RESET = "reset"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    WRONG = "wrong answer"
    READ_ONLY = "read-only"
    #: Answered from a state older than one that was seen before: by a node that lost its role, say.
    STALE = "stale"
    ERROR = "error"
    #: The question itself was wrong (password, database, name): no evidence about the service either way.
    MISCONFIGURED = "misconfigured"
    #: The meter could not send it in time: no evidence.
    NOT_SENT = "not sent"
    #: The meter itself was stalled meanwhile: no evidence.
    UNKNOWN = "unknown"

    @property
    def up(self) -> bool:
        """True when the attempt proves that the service was served."""
        return self is Outcome.OK or self is Outcome.SLOW

    @property
    def down(self) -> bool:
        """True when the attempt proves that the service was not served."""
        return self not in _NO_EVIDENCE and not self.up


_NO_EVIDENCE = frozenset({Outcome.MISCONFIGURED, Outcome.NOT_SENT, Outcome.UNKNOWN})


class Write(StrEnum):
    """What is known about one numbered write."""

    ACKED = "acked"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One ask. Times are monotonic seconds: when it was due, sent and finished."""

    n: int
    due: float
    sent: float
    done: float
    outcome: Outcome
    #: Which node answered, as far as the probe can tell.
    by: str = ""
    #: The error as the client saw it, for people.
    error: str = ""
    #: For probes that write: the fate of write number ``n``.
    write: Write | None = None


@dataclass(frozen=True, slots=True)
class AttemptsFile:
    """What an attempts file says: header, attempts in the order sent, stalls, and whether it was ended properly."""

    header: dict[str, Any]
    attempts: tuple[Attempt, ...]
    stalls: tuple[tuple[float, float], ...] = ()
    #: Spans in which the control target on the runner did not answer.
    control: tuple[tuple[float, float], ...] = ()
    #: Seconds for which the runner slept.
    suspended: float = 0.0
    #: Monotonic end of the measurement; the last attempt's end when the meter was killed.
    ended: float | None = None
    complete: bool = False
    notes: tuple[str, ...] = field(default=())


def encode_attempt(attempt: Attempt) -> str:
    """Return the attempt as one line (times in microseconds resolution)."""
    row = [
        attempt.n,
        round(attempt.due, 6),
        round(attempt.sent, 6),
        round(attempt.done, 6),
        attempt.outcome.value,
        attempt.by,
        attempt.error,
        attempt.write.value if attempt.write else None,
    ]
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def decode_attempt(row: list[Any]) -> Attempt:
    """Read one row back.

    Raises:
        ValueError: when the row is not an attempt.
    """
    try:
        n, due, sent, done, outcome, by, error, write = row
        return Attempt(
            int(n), float(due), float(sent), float(done), Outcome(outcome), by, error, Write(write) if write else None
        )
    except (TypeError, ValueError) as problem:
        raise ValueError(f"not an attempt: {row!r}: {problem}") from problem


@dataclass(slots=True)
class _Reading:
    """What was read so far."""

    header: dict[str, Any] | None = None
    attempts: list[Attempt] = field(default_factory=list)
    stalls: list[tuple[float, float]] = field(default_factory=list)
    control: list[tuple[float, float]] = field(default_factory=list)
    suspended: float = 0.0
    notes: list[str] = field(default_factory=list)
    ended: float | None = None

    def take(self, line: str) -> None:
        """Take in one line; raises ValueError, TypeError, KeyError or IndexError when it is none of ours."""
        value = json.loads(line)
        if isinstance(value, list):
            self.attempts.append(decode_attempt(value))
        elif "stall" in value:
            self.stalls.append((float(value["stall"][0]), float(value["stall"][1])))
        elif "control" in value:
            self.control.append((float(value["control"][0]), float(value["control"][1])))
        elif "suspended" in value:
            self.suspended += float(value["suspended"])
        elif "end" in value:
            self.ended = float(value["end"])
        elif "note" in value:
            self.notes.append(str(value["note"]))
        elif self.header is None and isinstance(value, dict):
            self.header = value
        else:
            raise ValueError(f"unknown line {line[:80]!r}")


def read_attempts(path: Path) -> AttemptsFile:
    """Read an attempts file, also one whose meter was killed while writing its last line.

    Raises:
        ValueError: when a line before the last is damaged, or the header is missing.
    """
    reading = _Reading()
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            reading.take(line)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            if number == len(lines):
                break
            raise ValueError(f"{path}:{number}: {error}") from error
    if reading.header is None:
        raise ValueError(f"{path}: no header; the meter did not begin to measure")
    attempts = sorted(reading.attempts, key=lambda a: (a.sent, a.n))
    last = max((a.done for a in attempts), default=None)
    return AttemptsFile(
        header=reading.header,
        attempts=tuple(attempts),
        stalls=tuple(reading.stalls),
        control=tuple(reading.control),
        suspended=reading.suspended,
        ended=last if reading.ended is None else reading.ended,
        complete=reading.ended is not None,
        notes=tuple(reading.notes),
    )


def read_tail(path: Path, size: int = 16384) -> tuple[Attempt, ...]:
    """Return the attempts in the last ``size`` bytes of a file that is still being written, in the order sent.

    Raises:
        OSError: when it cannot be read.
    """
    with path.open("rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - size)
        file.seek(start)
        lines = file.read().split(b"\n")
    # The first may be torn by where reading began, the last by where writing is.
    found = [decode_attempt(json.loads(line)) for line in lines[1 if start else 0 : -1] if line.startswith(b"[")]
    return tuple(sorted(found, key=lambda a: (a.sent, a.n)))
