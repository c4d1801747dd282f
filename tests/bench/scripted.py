# SPDX-License-Identifier: MIT
"""The bench's side of the scripted server: starts it, tells it to go, reads what was true."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

#: Offset from the beginning, state from then on, number of the interruption that it belongs to.
Step = tuple[float, str, int]


class ScriptedServer:
    """A running scripted server; use it in a ``with`` block."""

    def __init__(self, scripts: Mapping[str, Sequence[Step]], folder: Path, *, seed: int = 1) -> None:
        self._file = folder / "truth.json"
        self._said: queue.Queue[dict[str, Any]] = queue.Queue()
        #: True once the last switch was made, for those who cannot wait in :meth:`finished`.
        self.has_finished = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._tell({"targets": dict(scripts), "file": str(self._file), "seed": seed})
            self.ports: dict[str, int] = self._hear("ports", 20.0)["ports"]
        except BaseException:
            self._end()
            raise

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    def url(self, target: str) -> str:
        """Return the target's URL."""
        return f"http://127.0.0.1:{self.ports[target]}/"

    def go(self, begin: float) -> None:
        """Follow the scripts from this instant (monotonic)."""
        self._tell({"go": begin})

    def finished(self, within: float) -> None:
        """Wait for the last switch.

        Raises:
            TimeoutError: when it does not come.
        """
        self._hear("finished", within)

    def truth(self) -> dict[str, Any]:
        """End the server and return what was true."""
        self._end()
        found: dict[str, Any] = json.loads(self._file.read_text())
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()

    def _tell(self, what: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write((json.dumps(what) + "\n").encode())
        self._process.stdin.flush()

    def _hear(self, key: str, within: float) -> dict[str, Any]:
        ends = time.monotonic() + within
        while True:
            try:
                message = self._said.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"the scripted server did not say {key!r} within {within:.0f} s") from None
            if message.get("ended"):
                raise RuntimeError(f"the scripted server ended before it said {key!r}; its error is above")
            if key in message:
                return message

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            self.has_finished |= "finished" in message
            self._said.put(message)
        # Nobody shall wait for what does not come; it is told by the files that are missing then.
        self.has_finished = True
        self._said.put({"ended": True})

    def _end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5.0)
        self._process.stdout.close()
