# SPDX-License-Identifier: MIT
"""A command as root, from a user who is not: sudo that never asks, and what to do when it refuses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pytest_harehearse.remote.base import Done, Outcome, Unreachable

_LINE: Final = "USER ALL=(root) NOPASSWD: ALL"
_NO_TTY: Final = "Defaults:USER !requiretty"
_ADD: Final = f"add {_LINE!r} with the user's name to /etc/sudoers.d/harehearse on the node (by visudo -f)"

#: What sudo or the shell says when sudo refuses, and the sentence about it. Each stands at the beginning of a line.
_REFUSALS: Final[tuple[tuple[re.Pattern[bytes], str], ...]] = (
    (
        re.compile(
            rb"^sudo: (?:a password is required|a terminal is required|no tty present|no password was provided)",
            re.MULTILINE,
        ),
        f"sudo wants a password, and nobody is there to type one; {_ADD}",
    ),
    (
        re.compile(rb"^\S+ is not in the sudoers file", re.MULTILINE),
        f"the user may not use sudo; {_ADD}",
    ),
    (
        re.compile(rb"^Sorry, user \S+ (?:is not allowed to execute|may not run sudo)", re.MULTILINE),
        f"the user may not run this by sudo; {_ADD}, or allow this command there",
    ),
    (
        re.compile(rb"^sudo: sorry, you must have a tty to run sudo", re.MULTILINE),
        f"sudo wants a terminal; add {_NO_TTY!r} with the user's name to /etc/sudoers.d/harehearse on the node (by visudo -f)",
    ),
    (
        re.compile(
            rb"^env: \W*sudo\W*: No such file or directory|^(?:[^\n:]+: )*sudo: (?:command )?not found$", re.MULTILINE
        ),
        "sudo is not installed there; install it and allow the user to use it, or let the URL name root",
    ),
)


def as_root(arguments: Sequence[str]) -> list[str]:
    """Return the command run as root; it fails at once where sudo would ask for a password.

    ``LANGUAGE`` has sudo refuse in English, whatever the locale, so that :func:`problem` knows why.
    """
    return ["env", "LANGUAGE=en", "sudo", "-n", "--", *arguments]


def problem(outcome: Outcome) -> str | None:
    """Return why sudo itself refused and what to do; None when it did not.

    Expects the outcome of a command from :func:`as_root`. sudo refuses with status 1 and without any output of the
    command; a shell that has no sudo ends with 127.
    """
    if not isinstance(outcome, Done) or outcome.rc not in {1, 127} or outcome.stdout:
        return None
    return next((sentence for pattern, sentence in _REFUSALS if pattern.search(outcome.stderr)), None)


def judged(outcome: Outcome, url: str, *, by_sudo: bool = True) -> Outcome:
    """Return the outcome, or :class:`Unreachable` when sudo refused: nothing was run, and its status 1 is no answer."""
    reason = problem(outcome) if by_sudo else None
    return outcome if reason is None else Unreachable(f"{url}: {reason}", outcome.took, refused=True)
