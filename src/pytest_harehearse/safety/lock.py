# SPDX-License-Identifier: MIT
"""A lock between processes of one machine that names its holder and leaves no file behind.

``flock`` frees itself when its holder dies, however it dies. The file is removed while still locked; whoever opened it
meanwhile notices that its inode is gone from the folder and tries again (which the usual libraries do not do, so that
they leave their files for ever).
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from pytest_harehearse.errors import HarehearseError


class Held(HarehearseError):
    """Another process holds the lock; ``holder`` is what it wrote about itself."""

    def __init__(self, path: Path, holder: str, waited: float) -> None:
        self.holder = holder
        super().__init__(f"{path.name} is held by {holder or 'another process'} (waited {waited:.0f} s)")


class FileLock:
    """Hold ``path`` exclusively; ``owner`` is shown to the second comer."""

    def __init__(self, path: Path, owner: str) -> None:
        self.path = path
        self.owner = owner
        self._descriptor: int | None = None

    def acquire(self, within: float) -> Self:
        """Take the lock, waiting at most ``within`` seconds.

        Raises:
            Held: when another process still holds it then.
        """
        began = time.monotonic()
        while not self._try():
            waited = time.monotonic() - began
            if waited >= within:
                raise Held(self.path, self._holder(), waited)
            time.sleep(0.05)
        return self

    def release(self) -> None:
        """Free the lock and remove its file; a second call does nothing."""
        if self._descriptor is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self) -> bool:
        # The folder goes with its last lock, perhaps just now.
        self.path.parent.mkdir(mode=0o711, exist_ok=True)
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino != self.path.stat().st_ino:
                os.close(descriptor)
                return False
        except (BlockingIOError, FileNotFoundError):
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.write(descriptor, self.owner.encode())
        self._descriptor = descriptor
        return True

    def _holder(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            return ""

    def __enter__(self) -> Self:
        return self if self._descriptor is not None else self.acquire(0.0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
