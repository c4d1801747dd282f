# SPDX-License-Identifier: MIT
"""What a fault is: it owns its strike, the proof of its effect, its undo and the proof of that."""

from __future__ import annotations

from typing import Protocol


class Fault(Protocol):
    """One fault on one target."""

    #: As in reports: "stack_kill".
    name: str
    #: The node it strikes.
    target: str
    #: The strike and the undo, in words a person can follow by hand.
    strike_text: str
    undo_text: str

    def limitation(self) -> str | None:
        """Return why it cannot be done here; None when it can. Asked before anything is touched."""
        ...

    def strike(self) -> str:
        """Do it; return what was done."""
        ...

    def effect(self) -> str | None:
        """Return why the effect is not proved; None when it is."""
        ...

    def undo(self) -> None:
        """Take it back; harmless when there is nothing left to take back."""
        ...

    def undone(self) -> str | None:
        """Return what is still not undone; None when all is."""
        ...
