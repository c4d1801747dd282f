# SPDX-License-Identifier: MIT
"""A node of the cluster under rehearsal: what it is, and what can be done to the host that it runs on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pytest_harehearse.clock import now
from pytest_harehearse.errors import DeadlineExceeded, Indeterminate, Refused, Unsupported
from pytest_harehearse.errors import Unreachable as NotReached
from pytest_harehearse.managers.base import Clock
from pytest_harehearse.remote.base import Channel, Done, Outcome, Unreachable
from pytest_harehearse.safety.guard import Wanted
from pytest_harehearse.units import seconds, show

if TYPE_CHECKING:
    from pytest_harehearse.rehearsal.recorder import Recorder

#: A short question to a node; how often one that boots is asked.
ASK_S: Final = 10.0
POLL_S: Final = 0.5
BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True, slots=True)
class Node:
    """A node; ``str(node)`` is its name."""

    name: str
    #: How commands are run there; None: it is no host of its own (an embedded lab's).
    channel: Channel | None = field(default=None, repr=False)
    recorder: Callable[[], Recorder] | None = field(default=None, repr=False)
    #: Asked right before something is done to it; raises when it may not be.
    guard: Callable[[Wanted], None] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Its name, so that it reads well in messages."""
        return self.name

    @property
    def host(self) -> Any:
        """A testinfra ``Host``: ``node.host.service("nginx").is_running``, over our channel with its deadlines.

        Raises:
            Unsupported: the node is no host.
        """
        from pytest_harehearse.remote.testinfra_host import host

        return host(self._reached())

    def run(self, *command: str, within: str | timedelta = "30s") -> Done:
        """Run a command to its end, whatever its exit status.

        Raises:
            Unreachable: it was not sent.
            Indeterminate: it was sent, and its end was not seen.
        """
        return self._done(self._reached().run(command, deadline=seconds(within)), " ".join(command))

    @property
    def boot_id(self) -> str:
        """The kernel's id of this boot; another one proves a reboot."""
        return self._said("cat", BOOT_ID)

    @property
    def kernel(self) -> str:
        """The release of the running kernel."""
        return self._said("uname", "-r")

    def clock(self) -> Clock:
        """Measure the node's wall clock against the runner's.

        Raises:
            Indeterminate: it could not be measured.
        """
        from pytest_harehearse.remote.clock_offset import measure

        found = measure(self._reached(), deadline=ASK_S)
        if isinstance(found, str):
            raise Indeterminate(f"The clock of {self.name} could not be measured: {found}.")
        return Clock(self.name, found.offset, found.error)

    def reboot(self, *, within: str | timedelta = "5min") -> float:
        """Reboot the host in an orderly way and wait until it answers again; return the seconds it took.

        Done is what a changed boot id proves, nothing else.

        Raises:
            Unreachable: it was not asked.
            Refused: it said no.
            DeadlineExceeded: it did not come back in time, or it answers and never rebooted.
        """
        limit = seconds(within)
        before = self.boot_id
        if self.guard is not None:
            self.guard(Wanted("reboot", "patch", self.name, limit, takes_out=True))
        began = now()
        with self._recorded().action("reboot", self.name, "systemctl reboot") as outcome:
            # The answer is often lost with the host: what counts is the boot id.
            asked = self._reached().run(["systemctl", "reboot"], deadline=ASK_S)
            if isinstance(asked, Unreachable):
                raise NotReached(f"The reboot of {self.name} was not asked for: {asked.reason}")
            if isinstance(asked, Done) and asked.rc != 0:
                raise Refused(f"{self.name} refused to reboot: {asked.err or asked.out} (status {asked.rc})")
            seen = self.until_booted(before, within=limit)
            outcome.detail = f"up again after {show(now() - began)}, {seen}"
        return now() - began

    def until_booted(self, before: str, *, within: float) -> str:
        """Wait until the node answers with another boot id than ``before``; return it.

        Raises:
            DeadlineExceeded: says what was seen last.
        """
        deadline = now() + within
        last = "not asked yet"
        while now() < deadline:
            found = self._reached().run(["cat", BOOT_ID], deadline=min(3.0, max(0.5, deadline - now())), root=False)
            if isinstance(found, Done) and found.rc == 0 and (said := found.out.strip()):
                if said != before:
                    return f"boot id {said}"
                last = "it answers with the same boot id"
            elif isinstance(found, Done):
                last = f"it did not tell its boot id (status {found.rc}){': ' + found.err if found.err else ''}"
            else:
                last = found.reason
            time.sleep(POLL_S)
        raise DeadlineExceeded(f"{self.name} did not boot within {show(within)}; seen last: {last}.")

    # -- inside ----------------------------------------------------------------------------------------------------

    def _reached(self) -> Channel:
        if self.channel is None:
            raise Unsupported(
                f"{self.name} is no host of its own, so nothing can be run there: its servers are processes here."
            )
        return self.channel

    def _recorded(self) -> Recorder:
        if self.recorder is None:
            raise Unsupported(f"{self.name} is only described here; nothing can be done to it.")
        return self.recorder()

    def _said(self, *command: str) -> str:
        done = self._done(self._reached().run(command, deadline=ASK_S, root=False), " ".join(command))
        if done.rc != 0:
            raise Indeterminate(f"{self.name}: {' '.join(command)} ended with {done.rc}: {done.err}")
        return done.out.strip()

    def _done(self, outcome: Outcome, command: str) -> Done:
        if isinstance(outcome, Done):
            return outcome
        if isinstance(outcome, Unreachable):
            raise NotReached(f"{self.name}: {command!r} was not run: {outcome.reason}")
        raise Indeterminate(f"{self.name}: whether {command!r} ran to its end is not known: {outcome.reason}")
