# SPDX-License-Identifier: MIT
"""Asks every node by its own channel whether it is the active one, while a watch lasts; written like the meter's attempts.

An answer that comes late only widens the bounds: each ask carries when it was sent and when it ended. A node that does not
answer says neither yes nor no.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pytest_harehearse.clock import now
from pytest_harehearse.probes.attempts import Attempt, Outcome
from pytest_harehearse.probes.recorder import Recorder
from pytest_harehearse.remote.base import Channel, Done, Script, Unreachable
from pytest_harehearse.remote.base import Outcome as Answer

#: Often enough to see two nodes at once for a moment, seldom enough not to disturb what is measured.
EVERY_S: Final = 0.2
TIMEOUT_S: Final = 1.0
#: The asks of a node end within their own deadline and a second.
STOP_S: Final = 5.0
#: Exit statuses of a claim.
YES, NO = 0, 1


def attempt_of(n: int, due: float, sent: float, done: float, answer: Answer) -> Attempt:
    """Return what an answer proves: "yes" that the node is active, "no" that it is not, all else nothing."""
    if isinstance(answer, Done) and answer.rc == YES:
        return Attempt(n, due, sent, done, Outcome.OK)
    if isinstance(answer, Done) and answer.rc == NO:
        return Attempt(n, due, sent, done, Outcome.READ_ONLY, error="says that it is not active")
    if isinstance(answer, Done):
        return Attempt(n, due, sent, done, Outcome.ERROR, error=answer.err or f"status {answer.rc}")
    kind = Outcome.UNREACHABLE if isinstance(answer, Unreachable) else Outcome.TIMEOUT
    return Attempt(n, due, sent, done, kind, error=answer.reason)


class ClaimWatch:
    """One thread a node, from ``start`` to ``stop``."""

    def __init__(
        self, commands: Mapping[str, Script], channels: Mapping[str, Channel], folder: Path, prefix: str
    ) -> None:
        #: Node → its attempts file.
        self.files = {node: folder / f"{prefix}{node}.claim.jsonl" for node in commands}
        self._commands = dict(commands)
        self._channels = channels
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(node,), name=f"harehearse claim {node}", daemon=True)
            for node in commands
        ]
        self._problem: BaseException | None = None

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Ask no more; the files are whole then, unless something went wrong."""
        self._over.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=STOP_S)

    def stop(self) -> None:
        """End, and raise what went wrong in a thread, for nothing may be swallowed."""
        self.end()
        if self._problem is not None:
            raise self._problem

    def _ask(self, node: str) -> None:
        try:
            self._until_over(node)
        except BaseException as error:  # noqa: BLE001 - raised again by stop(), in the thread that can report it
            self._problem = error

    def _until_over(self, node: str) -> None:
        began = now()
        recorder = Recorder(self.files[node], {
            "name": f"{node}.claim", "probe": "command", "mode": "claim", "session": "held", "layer": "application",
            "vantage": platform.node(), "target": self._channels[node].url, "every": EVERY_S, "timeout": TIMEOUT_S,
            "began": round(began, 6), "writer": "",
        })  # fmt: skip
        from pytest_harehearse.remote.held import HeldShell

        shell = HeldShell(self._channels[node])
        n = 0
        try:
            while not self._over.is_set():
                n += 1
                sent = now()
                answer = shell.run(self._commands[node], deadline=TIMEOUT_S)
                done = now()
                recorder.add(attempt_of(n, sent, sent, done, answer))
                recorder.flush()
                self._over.wait(max(0.02, EVERY_S - (done - sent)))
        except BaseException as error:
            # The file ends as one of a node that was not asked soundly: whoever reads it later must not take it as whole.
            at = now()
            recorder.add(Attempt(n + 1, at, at, at, Outcome.MISCONFIGURED, error=f"{type(error).__name__}: {error}"))
            raise
        finally:
            shell.close()
            recorder.end(now())
