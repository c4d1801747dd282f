# SPDX-License-Identifier: MIT
"""A fault by scripts on one node, which undoes it by itself when we are gone: see :mod:`.dead_man`."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pytest_harehearse.errors import HarehearseError, Indeterminate, Unsupported
from pytest_harehearse.faults.base import Armed, Expected
from pytest_harehearse.faults.dead_man import ASK_S, DEAD_MAN_S, FLEETING, About, DeadMan, Place, words
from pytest_harehearse.remote.base import Channel, Done, Outcome, Script

FOLDER: Final = FLEETING
#: How long the undo waits for a node that may have been fenced and is just booting; a server of iron takes longer, and is
#: waited for in the block.
BACK_S: Final = 30.0
BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True, slots=True)
class Scripts:
    """What is run on the node. All may be run twice; each gets ``arguments``, the last of which is the fault's id."""

    strike: str
    #: Exits with 0 when the effect is proved; else says why not.
    effect: str
    undo: str
    #: Exits with 0 when nothing of it is left; else says what is.
    undone: str
    arguments: tuple[str, ...] = ()


class OnNode(Armed):
    """A fault by scripts on one node; see :class:`~.base.Fault`."""

    def __init__(
        self, name: str, channels: Mapping[str, Channel], target: str, scripts: Callable[[], Scripts], *, needs: str,
        strike_text: str, undo_text: str, dead_man: float = DEAD_MAN_S, root: str = FLEETING,
        expected: Expected = Expected.ON_PEER, strike_within: float = ASK_S,
    ) -> None:  # fmt: skip
        self.name = name
        self.target = target
        self.expected = expected
        self.id = f"{re.sub(r'[^a-z]', '', name)[:12]}{secrets.token_hex(4)}"
        self._channels = channels
        #: Made when it is first asked whether it can be done: a plan touches nothing.
        self._make = scripts
        self._made: Scripts | None = None
        self._needs = needs
        self._seconds = dead_man
        self._root = root
        self._strike_within = strike_within
        #: Of a node that is to be fenced, before the strike.
        self._boot = ""
        self.strike_text = strike_text
        self.undo_text = f"{undo_text}: sh {root}/{self.id}/undo.sh"

    @property
    def ended_early(self) -> str | None:
        """Why it was over before it was undone; a node that was to be fenced, and was, is no such reason."""
        early = super().ended_early
        return None if early is not None and self._boot and self._boot_id() not in {"", self._boot} else early

    def _boot_id(self) -> str:
        said = self._channels[self.target].run(["cat", BOOT_ID], deadline=ASK_S, root=False)
        return said.out.strip() if isinstance(said, Done) and said.rc == 0 else ""

    @property
    def dead_man(self) -> float:
        """Seconds after which the node undoes it when we are gone."""
        return self._seconds

    def limitation(self) -> str | None:
        """The node is a host, and has the tools."""
        channel = self._channels.get(self.target)
        if channel is None:
            return f"{self.target} is no host that commands can be run on"
        try:
            self._made = self._make()
        except Unsupported as error:
            return str(error)
        asked = channel.run(Script(self._needs, self._arguments), deadline=ASK_S)
        if isinstance(asked, Done):
            return None if asked.rc == 0 else f"{self.target}: {words(asked)}"
        return f"{self.target} could not be asked: {asked.reason}"

    @property
    def _scripts(self) -> Scripts:
        if self._made is None:
            self._made = self._make()
        return self._made

    @property
    def _arguments(self) -> tuple[str, ...]:
        return (*self._scripts.arguments, self.id)

    def _script(self, text: str) -> Script:
        return Script(text, self._arguments)

    def arm(self, about: About) -> None:
        """Lay the undo on the node and see its timer run.

        Raises:
            HarehearseError: the timer does not run, so nothing may be struck.
        """
        place = Place(self.target, self._channels[self.target], self._root)
        undo, undone = self._script(self._scripts.undo), self._script(self._scripts.undone)
        self._timer = DeadMan(self.id, lambda: (place,), undo, undone, self._seconds)
        if self.expected is Expected.FENCED:
            self._boot = self._boot_id()
        super().arm(about)

    def strike(self) -> str:
        """Strike on the node.

        Raises:
            HarehearseError: the strike failed.
            Indeterminate: whether it was struck is not known; the timer undoes it.
        """
        if self._timer is None:
            raise HarehearseError(f"{self.name} was not struck, for its timer on {self.target} is not armed.")
        struck = self._run(self._script(self._scripts.strike), self._strike_within)
        if not isinstance(struck, Done):
            raise Indeterminate(f"Whether {self.name} was struck on {self.target} is not known: {words(struck)}")
        if struck.rc != 0:
            raise HarehearseError(f"{self.name} failed on {self.target}: {words(struck)}")
        return struck.out or "struck"

    def effect(self) -> str | None:
        """Proved by the node itself."""
        return self._asked(self._scripts.effect)

    def undo(self) -> None:
        """Undo on the node; nothing to do when the timer has.

        Raises:
            HarehearseError: it could not be undone.
            Indeterminate: whether it was is not known; the timer does it.
        """
        if self._timer is None:
            return
        until = time.monotonic() + (BACK_S if self._boot else 0.0)
        while True:
            try:
                self._timer.undo()
                break
            except Indeterminate as error:
                # Fenced, it may just be booting; then there is nothing of it left to undo.
                if time.monotonic() >= until:
                    raise Indeterminate(f"{self.name} on {self.target}: {error}") from error
            except HarehearseError as error:
                raise type(error)(f"{self.name} on {self.target}: {error}") from error
            time.sleep(1.0)

    def undone(self) -> str | None:
        """Proved by the node itself."""
        return self._asked(self._scripts.undone)

    def _asked(self, text: str) -> str | None:
        asked = self._run(self._script(text))
        if isinstance(asked, Done):
            return None if asked.rc == 0 else asked.out or asked.err or f"status {asked.rc}"
        return words(asked)

    def _run(self, script: Script, within: float = ASK_S) -> Outcome:
        return self._channels[self.target].run(script, deadline=within)
