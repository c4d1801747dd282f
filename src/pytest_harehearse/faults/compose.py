# SPDX-License-Identifier: MIT
"""Several faults of a kind as one: struck on several nodes, and undone on every one of them whatever becomes of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pytest_harehearse.errors import HarehearseError, Indeterminate
from pytest_harehearse.faults.base import Fault
from pytest_harehearse.faults.dead_man import About

Answer = TypeVar("Answer")


class Together:
    """The same fault on several nodes at once; see :class:`~.base.Fault`."""

    def __init__(self, members: Sequence[Fault]) -> None:
        if not members:
            raise ValueError("a fault on no node is none")
        self._members = tuple(members)
        self.name = members[0].name
        self.expected = members[0].expected
        self.asserted = members[0].asserted
        self.target = ", ".join(one.target for one in members)
        self.strike_text = "; ".join(one.strike_text for one in members)
        self.undo_text = "; ".join(one.undo_text for one in members)

    @property
    def dead_man(self) -> float | None:
        """Seconds after which the last of them is undone when we are gone."""
        return max((one.dead_man for one in self._members if one.dead_man is not None), default=None)

    @property
    def ended_early(self) -> str | None:
        """Why one of them was over before it was undone; None: none was."""
        return "; ".join(said for one in self._members if (said := one.ended_early)) or None

    def limitation(self) -> str | None:
        """All of them can be done, or none is."""
        return "; ".join(said for one in self._members if (said := one.limitation())) or None

    def arm(self, about: About) -> None:
        """Arm all; when one cannot be, none is.

        Raises:
            HarehearseError: one is not armed, so none may be struck.
        """
        armed: list[Fault] = []
        try:
            for one in self._members:
                one.arm(about)
                armed.append(one)
        except BaseException:
            self._each(lambda one: one.disarm(), armed)
            raise

    def strike(self) -> str:
        """Strike all, at once.

        Raises:
            HarehearseError: one could not be struck; those that were are still to be undone.
        """
        said, trouble = self._each(lambda one: one.strike())
        _raise(trouble)
        return "; ".join(dict.fromkeys(said))

    def effect(self) -> str | None:
        """All of them have to be proved."""
        return self._asked(lambda one: one.effect())

    def undo(self) -> None:
        """Undo each, whatever becomes of another.

        Raises:
            HarehearseError: one could not be undone.
        """
        _raise(self._each(lambda one: one.undo())[1])

    def undone(self) -> str | None:
        """All of them have to be."""
        return self._asked(lambda one: one.undone())

    def disarm(self) -> None:
        """Disarm each, whatever becomes of another.

        Raises:
            HarehearseError: one could not be.
        """
        _raise(self._each(lambda one: one.disarm())[1])

    def _asked(self, question: Callable[[Fault], str | None]) -> str | None:
        said, trouble = self._each(lambda one: _named(one, question(one)))
        _raise(trouble)
        return "; ".join(one for one in said if one) or None

    def _each(
        self, what: Callable[[Fault], Answer], members: Sequence[Fault] | None = None
    ) -> tuple[list[Answer], list[Exception]]:
        chosen = self._members if members is None else members
        said: list[Answer] = []
        trouble: list[Exception] = []
        if not chosen:
            return said, trouble
        with ThreadPoolExecutor(max_workers=min(16, len(chosen))) as pool:
            for future in [pool.submit(what, one) for one in chosen]:
                try:
                    said.append(future.result())
                except Exception as error:  # noqa: BLE001 - raised once every other was tried
                    trouble.append(error)
        return said, trouble


def _named(fault: Fault, said: str | None) -> str | None:
    return None if said is None else f"{fault.target}: {said}"


def _raise(trouble: Sequence[Exception]) -> None:
    """Raise what went wrong; what is not known only when nothing is known to have failed."""
    if not trouble:
        return
    first = next((one for one in trouble if not isinstance(one, Indeterminate)), trouble[0])
    for other in trouble:
        if other is not first:
            first.add_note(f"and: {other}")
    if not isinstance(first, HarehearseError):
        raise first
    raise type(first)("; ".join(str(one) for one in trouble)) from first
