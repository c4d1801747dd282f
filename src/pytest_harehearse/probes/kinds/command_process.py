# SPDX-License-Identifier: MIT
"""Processes of short-lived programs: run, awaited without a thread, and ended with everything they began."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Final

OUTPUT_LIMIT: Final = 4096
_READ: Final = 65536
#: Reads after the end, so that whoever still writes cannot hold it up.
_LAST_READS: Final = 16
_CLOSE_S: Final = 0.5


class _Run:
    """One program under way."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self._loop = asyncio.get_running_loop()
        self.output = bytearray()
        self._pipe, end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._pipe, False)
        try:
            self.process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=end,
                stderr=end,
                env=environment,
                # A group of its own, to be ended as a whole; and no terminal, at which it could ask for a password.
                start_new_session=True,
            )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(end)
        try:
            self.pidfd = os.pidfd_open(self.process.pid)
        except BaseException:
            os.close(self._pipe)
            self.kill()
            self.process.wait()
            raise
        self._exited: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._pipe, self._read)
        self._loop.add_reader(self.pidfd, self._exit)

    async def exited(self) -> None:
        """Wait until the program has ended; it stays to be collected."""
        await self._exited

    def kill(self) -> None:
        """End the whole group. Only while the program is not collected: its number may then be another's."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def release(self) -> None:
        """Close the pipe and stop watching."""
        self._loop.remove_reader(self._pipe)
        self._loop.remove_reader(self.pidfd)
        for _ in range(_LAST_READS):
            if not self._more():
                break
        os.close(self._pipe)

    def _exit(self) -> None:
        self._loop.remove_reader(self.pidfd)
        if not self._exited.done():
            self._exited.set_result(None)

    def _read(self) -> None:
        if self._more() == 0:
            self._loop.remove_reader(self._pipe)

    def _more(self) -> int | None:
        """Read on, keeping only the beginning; return how much was read: 0 at the end, None when there is none yet."""
        try:
            data = os.read(self._pipe, _READ)
        except BlockingIOError:
            return None
        self.output += data[: OUTPUT_LIMIT - len(self.output)]
        return len(data)


class Processes:
    """Runs programs; those that were ended early are collected as soon as the system lets them go."""

    def __init__(self) -> None:
        self._environment = {**os.environ, "LC_ALL": "C"}
        self._ending: dict[int, subprocess.Popen[bytes]] = {}

    async def run(self, arguments: Sequence[str]) -> tuple[int, bytes]:
        """Run a program; return its status (negative: the signal that ended it) and the beginning of its output.

        When cancelled, the program and all of its group are killed.

        Raises:
            OSError: when it could not be started.
        """
        run = _Run(arguments, self._environment)
        try:
            await run.exited()
        finally:
            run.release()
            # Also after a proper end: what a program leaves running would pile up.
            run.kill()
            self._collect(run)
        return run.process.returncode, bytes(run.output)

    def close(self) -> None:
        """Collect what was killed; gives up on what the system does not let go in time."""
        ends = time.monotonic() + _CLOSE_S
        for pidfd, process in list(self._ending.items()):
            waiting = select.poll()
            waiting.register(pidfd, select.POLLIN)
            waiting.poll(max(0.0, ends - time.monotonic()) * 1000)
            process.poll()
            self._forget(pidfd)

    def _collect(self, run: _Run) -> None:
        pidfd = run.pidfd
        if run.process.poll() is not None:
            os.close(pidfd)
            return
        # Killed, but not gone within this instant: the loop goes on meanwhile.
        self._ending[pidfd] = run.process
        asyncio.get_running_loop().add_reader(pidfd, self._gone, pidfd)

    def _gone(self, pidfd: int) -> None:
        self._ending[pidfd].poll()
        self._forget(pidfd)

    def _forget(self, pidfd: int) -> None:
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().remove_reader(pidfd)
        del self._ending[pidfd]
        os.close(pidfd)
