# SPDX-License-Identifier: MIT
"""Every error a user can meet, and how each counts in the three-way truth.

A broken limit is an ``AssertionError`` (the rehearsal *failed*); whatever could not be established is an
:class:`Indeterminate` and never an ``AssertionError`` (the rehearsal is *unknown*); everything else says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence


class HarehearseError(Exception):
    """Base of everything this package raises on purpose; its text is meant for the user as it stands."""


class ConfigError(HarehearseError):
    """The inventory, an option or a mark is wrong; ``problems`` lists every fault found, not only the first."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class LabError(HarehearseError):
    """A lab could not be created, found or removed."""


class Unsupported(HarehearseError):
    """What was asked cannot be done on this cluster; raised before anything is touched."""


class Refused(HarehearseError):
    """The cluster or a guard answered no; nothing was changed."""


class Indeterminate(HarehearseError):
    """The truth could not be established: neither passed nor failed, but unknown."""


class Unreachable(Indeterminate):
    """Nothing answered; the request was not carried out as far as anyone can tell."""


class DeadlineExceeded(HarehearseError, AssertionError):
    """A wait ended without its condition; says what was awaited, how long, and what was seen last."""


class NotSettled(Indeterminate):
    """The cluster was not healthy before the rehearsal, so nothing was started."""


class NotMeasured(Indeterminate):
    """A number was asked for that was not soundly measured; it is unknown, never 0 s."""


class LimitExceeded(HarehearseError, AssertionError):
    """A limit of the rehearsal was broken; ``broken`` names which, and what else did not hold."""

    def __init__(self, text: str, broken: Sequence[str] = ()) -> None:
        self.broken = tuple(broken)
        super().__init__(text)
