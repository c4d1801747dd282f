# SPDX-License-Identifier: MIT
"""Watches which node holds which role, for the timeline; changes only, each with the poll before it."""

from __future__ import annotations

import threading

from pytest_harehearse.clock import now
from pytest_harehearse.events import RoleSeen
from pytest_harehearse.managers.base import Manager
from pytest_harehearse.rehearsal.recorder import Recorder

#: Often enough to draw by, seldom enough not to disturb what is measured.
INTERVAL_S = 0.25


class RoleWatch:
    """Polls the manager in a thread from ``start`` to ``stop``."""

    def __init__(self, manager: Manager, recorder: Recorder) -> None:
        self._manager = manager
        self._recorder = recorder
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="harehearse roles", daemon=True)
        self._known: dict[str, str] = {}
        self._problem: BaseException | None = None

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def stop(self) -> None:
        """Make a last poll and end, if it was started; raises what went wrong in the thread, for nothing may be swallowed."""
        if self._thread.ident is None:
            return
        self._over.set()
        self._thread.join(timeout=10)
        if self._problem is not None:
            raise self._problem

    def _poll(self) -> None:
        try:
            last = now()
            while True:
                over = self._over.wait(INTERVAL_S if self._known else 0)
                asked = now()
                self._see(self._manager.roles(), last)
                last = asked
                if over:
                    return
        except BaseException as error:  # noqa: BLE001 - raised again by stop(), in the thread that can report it
            self._problem = error

    def _see(self, roles: dict[str, str], last: float) -> None:
        for node, role in roles.items():
            before = self._known.get(node)
            if role == before:
                continue
            self._known[node] = role
            seen = RoleSeen(rehearsal=self._recorder.rehearsal, node=node, role=role, after=last)
            self._recorder.write(seen)
            if before is not None:
                self._recorder.tell(f"{node} is {role}")
