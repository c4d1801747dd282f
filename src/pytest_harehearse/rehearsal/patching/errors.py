# SPDX-License-Identifier: MIT
"""How a patch day ends early."""

from __future__ import annotations

from pytest_harehearse.errors import HarehearseError, Indeterminate


class GateRed(HarehearseError, AssertionError):
    """A gate was not green: the rehearsal failed there, and the way back was taken as far as there is one."""


class GateUnknown(Indeterminate):
    """What a gate asks could not be established; nothing further was done."""


class Stopped(Indeterminate):
    """Whoever decides at a gate stopped there: nothing is undone, nothing goes on, and another run can go on with it."""
