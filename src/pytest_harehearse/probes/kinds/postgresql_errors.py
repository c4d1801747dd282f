# SPDX-License-Identifier: MIT
"""What an error of PostgreSQL or of libpq proves about the service. Pure functions.

While connecting, libpq passes on no SQLSTATE, only the server's text; a text in another language than English counts as
an error, so that it is never taken for an answer.
"""

from __future__ import annotations

import re
from typing import Final

from pytest_harehearse.probes.attempts import Outcome

_PREFIX: Final = re.compile(
    r'^(?:connection (?:failed|is bad): )?connection (?:to server )?(?:at|on) (?:"[^"]*"(?: \([^)]*\))?, port \d+|socket "[^"]*") failed: '
)

_TEXTS: Final[tuple[tuple[Outcome, tuple[str, ...]], ...]] = (
    (
        Outcome.MISCONFIGURED,
        (
            "authentication failed",
            "no pg_hba.conf entry",
            "pg_hba.conf rejects",
            "no password supplied",
            "is not permitted to log in",
            "permission denied for database",
            "invalid connection option",
            'missing "=" after',
        ),
    ),
    (
        Outcome.REFUSED,
        (
            "connection refused",
            "the database system is",
            "is not accepting connections",
            "too many clients already",
            "remaining connection slots",
        ),
    ),
    (
        Outcome.RESET,
        (
            "connection reset by peer",
            "server closed the connection",
            "terminating connection",
            "broken pipe",
            "ssl syscall error: eof",
            "connection was lost",
            "no connection to the server",
        ),
    ),
    (
        Outcome.UNREACHABLE,
        (
            "no route to host",
            "network is unreachable",
            "host is down",
            "host is unreachable",
            "could not translate host name",
            "permission denied",
            "operation not permitted",
            "no such file or directory",
        ),
    ),
    (Outcome.TIMEOUT, ("connection timed out", "timeout expired")),
    (
        Outcome.UNKNOWN,
        ("cannot assign requested address", "too many open files", "no buffer space", "out of memory"),
    ),
)
_MISSING: Final = re.compile(r'(role|database) ".*" does not exist')


def of_text(text: str) -> Outcome:
    """Return what libpq's text of a failed or lost connection proves."""
    if _MISSING.search(text):
        return Outcome.MISCONFIGURED
    lower = text.lower()
    for outcome, needles in _TEXTS:
        if any(needle in lower for needle in needles):
            return outcome
    return Outcome.ERROR


def of_sqlstate(code: str) -> Outcome:
    """Return what the server's SQLSTATE for a statement proves."""
    if code == "25006":
        return Outcome.READ_ONLY
    if code == "57P03":
        return Outcome.REFUSED
    if code.startswith(("57P", "08")):
        return Outcome.RESET
    if code.startswith(("28", "3D")) or code in {"42P01", "42501", "3F000", "42703"}:
        return Outcome.MISCONFIGURED
    return Outcome.ERROR


def certain(code: str) -> bool:
    """Tell whether a statement that ended with this SQLSTATE certainly did not commit."""
    return bool(code) and not code.startswith(("57P", "08"))


def short(text: str) -> str:
    """Return the telling line of libpq's text, without the address that is shown beside it anyway."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _PREFIX.sub("", lines[0]) if lines else ""
