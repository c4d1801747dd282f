# SPDX-License-Identifier: MIT
"""Standby and maintenance as something that is undone: a node drained, or the whole cluster left alone by its manager."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final

from pytest_harehearse.faults.base import Armed, Expected
from pytest_harehearse.faults.dead_man import DEAD_MAN_S, LASTING, DeadMan, Place
from pytest_harehearse.managers.base import Manager
from pytest_harehearse.managers.capabilities import Drain, Maintenance, UndoScripts
from pytest_harehearse.managers.state import ACTIVE, PRIMARY, UNREACHABLE, ClusterState
from pytest_harehearse.remote.base import Channel, Script

#: Until nothing of the cluster runs on a drained node any more.
DRAIN_S: Final = 60.0
#: The manager has seen the effect by then; the nodes' own views may come a moment later.
PROOF_S: Final = 5.0
POLL_S: Final = 0.2


def _until(manager: object, lacks: Callable[[ClusterState], str | None], within: float) -> str | None:
    """Ask the state until nothing is lacking any more; return what was lacking last."""
    if not isinstance(manager, Manager):
        return "its manager does not tell its state"
    until = time.monotonic() + within
    while (left := lacks(manager.state())) is not None:
        if time.monotonic() >= until:
            return left
        time.sleep(POLL_S)
    return None


def _timer(
    word: str, manager: object, channels: Mapping[str, Channel] | None,
    scripts: Callable[[UndoScripts], tuple[Script, Script]], dead_man: float,
) -> DeadMan | None:  # fmt: skip
    """Return the timer on every node of the cluster: any of them can undo it, and the drained one may be rebooted."""
    if not channels or not isinstance(manager, UndoScripts):
        return None
    places = tuple(Place(name, channel, LASTING) for name, channel in channels.items())
    undo, undone = scripts(manager)
    return DeadMan(f"{word}{secrets.token_hex(4)}", lambda: places, undo, undone, dead_man, everywhere=False)


class Drained(Armed):
    """A node that the cluster keeps its resources off; see :class:`~.base.Fault`."""

    name = "drain"

    def __init__(
        self, manager: object, target: str, deadline: float = DRAIN_S, *, channels: Mapping[str, Channel] | None = None,
        dead_man: float = DEAD_MAN_S,
    ) -> None:  # fmt: skip
        self._manager = manager
        self._deadline = deadline
        self._timer = _timer("drain", manager, channels, lambda manager: manager.drain_undo(target), dead_man)
        self.target = target
        self.strike_text = f"take every resource off {target} and keep them off"
        self.undo_text = f"let {target} run resources again"

    def limitation(self) -> str | None:
        """Only a manager that knows it can do it, to a node that nobody has drained: the undo would let it in again."""
        if not isinstance(self._manager, Drain):
            return "its manager cannot drain a node"
        members = self._manager.state().members if isinstance(self._manager, Manager) else ()
        if any(member.name == self.target and member.state == "drained" for member in members):
            return f"{self.target} is drained already, and not by this rehearsal, whose undo would let it in again"
        return None

    @property
    def _control(self) -> Drain:
        if not isinstance(self._manager, Drain):
            raise TypeError(self.limitation())
        return self._manager

    def strike(self) -> str:
        """Drain it and wait until nothing runs there."""
        return self._control.drain(self.target, self._deadline)

    def effect(self) -> str | None:
        """Proved when it answers, and is neither active nor among those that could take over."""
        return _until(self._manager, self._still_used, PROOF_S)

    def undo(self) -> None:
        """Undrain it."""
        self._control.undrain(self.target, self._deadline)

    def undone(self) -> str | None:
        """Undone when it is active or could take over; asked for a while, for its resources may be starting."""
        return _until(self._manager, self._still_out, self._deadline)

    def _still_used(self, state: ClusterState) -> str | None:
        if (unknown := self._untold(state)) is not None:
            return unknown
        member = state.member(self.target)
        # Claimed by two, say, it is not the active node, and yet something runs there.
        used = member.role in {PRIMARY, ACTIVE} or self.target in state.standbys
        return f"it is still in use: {member.describe()}" if used else None

    def _still_out(self, state: ClusterState) -> str | None:
        if (unknown := self._untold(state)) is not None:
            return unknown
        used = self.target == state.active or self.target in state.standbys
        return None if used else f"it is still kept out: {state.member(self.target).describe()}"

    def _untold(self, state: ClusterState) -> str | None:
        """Return why nothing can be said of the node: its silence proves neither."""
        if self.target not in state.names:
            return f"its manager does not tell the state of {self.target}"
        member = state.member(self.target)
        return f"its state is not known: {member.describe()}" if member.role == UNREACHABLE else None


class InMaintenance(Armed):
    """A cluster that is left alone by its manager; see :class:`~.base.Fault`."""

    name = "maintenance"
    expected = Expected.NO_EFFECT

    def __init__(
        self, manager: object, cluster: str, deadline: float = DRAIN_S, *, channels: Mapping[str, Channel] | None = None,
        dead_man: float = DEAD_MAN_S, timer: DeadMan | None = None,
    ) -> None:  # fmt: skip
        self._manager = manager
        self._deadline = deadline
        #: Where no node can carry it: through the lab.
        self._timer = timer or _timer(
            "maintenance", manager, channels, lambda manager: manager.maintenance_undo(), dead_man
        )
        self.target = cluster
        self.strike_text = "let the cluster manager start, stop and watch nothing"
        self.undo_text = "let the cluster manager manage again"

    def limitation(self) -> str | None:
        """Only a manager that knows it can do it, and not where somebody has: the undo would end that."""
        if not isinstance(self._manager, Maintenance):
            return "its manager has no maintenance mode"
        if not isinstance(self._manager, Manager):
            return None
        last: list[ClusterState] = []

        def untold(state: ClusterState) -> str | None:
            last.append(state)
            return self._untold(state)

        if (unknown := _until(self._manager, untold, PROOF_S)) is not None:
            return f"{unknown}; the undo might end what somebody else is at"
        if last[-1].maintenance:
            return f"{self.target} is in maintenance already, and not by this rehearsal, whose undo would end it"
        return None

    @property
    def _control(self) -> Maintenance:
        if not isinstance(self._manager, Maintenance):
            raise TypeError(self.limitation())
        return self._manager

    def strike(self) -> str:
        """Begin the maintenance."""
        return self._control.maintenance(on=True, deadline=self._deadline)

    def effect(self) -> str | None:
        """Proved when the state says so too."""
        return _until(self._manager, lambda state: self._lacks(state, maintenance=True), PROOF_S)

    def undo(self) -> None:
        """End the maintenance."""
        self._control.maintenance(on=False, deadline=self._deadline)

    def undone(self) -> str | None:
        """Undone when the state says so too."""
        return _until(self._manager, lambda state: self._lacks(state, maintenance=False), PROOF_S)

    @staticmethod
    def _untold(state: ClusterState) -> str | None:
        told = state.maintenance is not None
        return None if told else f"whether it is in maintenance is not told: {state.describe()}"

    @classmethod
    def _lacks(cls, state: ClusterState, *, maintenance: bool) -> str | None:
        if (unknown := cls._untold(state)) is not None:
            return unknown
        return None if state.maintenance is maintenance else f"maintenance is {'on' if state.maintenance else 'off'}"
