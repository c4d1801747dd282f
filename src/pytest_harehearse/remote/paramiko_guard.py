# SPDX-License-Identifier: MIT
"""A deadline on calls that take none: paramiko waits for ever for a full socket or an answer unless the wire is cut."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

#: Who watches the clock itself should be first to notice that it is too late (seconds).
_GRACE_S: Final = 0.1


class Guard:
    """Calls ``cut`` when a deadline passes within which a block should have ended. One thread, made when needed."""

    def __init__(self, cut: Callable[[], object]) -> None:
        self._cut = cut
        self._changed = threading.Condition()
        self._deadlines: dict[object, tuple[float, Callable[[], object] | None]] = {}
        self._next: float | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @contextlib.contextmanager
    def until(self, instant: float, wake: Callable[[], object] | None = None) -> Iterator[None]:
        """Cut when the block has not ended by this monotonic instant; ``wake`` is called then, too."""
        key, instant = object(), instant + _GRACE_S
        with self._changed:
            self._deadlines[key] = (instant, wake)
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._watch, name="harehearse-guard", daemon=True)
                self._thread.start()
            elif self._next is None or instant < self._next:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                del self._deadlines[key]

    def _watch(self) -> None:
        with self._changed:
            while not self._is_closed:
                self._next = min((instant for instant, _ in self._deadlines.values()), default=None)
                left = None if self._next is None else self._next - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            wakes = [] if self._is_closed else [wake for _, wake in self._deadlines.values() if wake is not None]
            if not self._is_closed:
                self._is_closed = True
                self._cut()
        for wake in wakes:
            wake()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
