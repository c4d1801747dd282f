# SPDX-License-Identifier: MIT
"""A server of a test: a process of its own on a free loopback port, stopped, continued and ended by its id."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class ServerProcess:
    """Starts a command and waits until it answers."""

    def __init__(self, command: Sequence[str], log: Path, answers: Callable[[], bool] | None, port: int) -> None:
        self.port = port
        self._command, self._log, self._answers = list(command), log, answers
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._log.parent
            )
        if self._answers is None:
            return
        ends = time.monotonic() + 30
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > ends:
                self.close()
                raise AssertionError(f"{self._command[0]} does not answer: {self._log.read_text(errors='replace')}")
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def close(self) -> None:
        # SIGKILL also ends a stopped process; nothing of its data matters.
        self._process.kill()
        self._process.wait(30)
