# SPDX-License-Identifier: MIT
"""The terminal that pytest was started from, while pytest captures what tests read and write."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class Terminal:
    """Asks whoever sits before the run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def is_there(self) -> bool:
        """Return whether anybody can be asked."""
        with self._uncaptured():
            return sys.stdin is not None and sys.stdin.isatty()

    def say(self, text: str) -> None:
        """Show something."""
        with self._uncaptured():
            sys.stdout.write(f"\n{text}\n")
            sys.stdout.flush()

    def ask(self, question: str) -> str:
        """Show a question and return a line.

        Raises:
            EOFError: there is none.
        """
        with self._uncaptured():
            return input(question)

    @contextmanager
    def _uncaptured(self) -> Iterator[None]:
        capture = self._config.pluginmanager.getplugin("capturemanager")
        if capture is None:
            yield
            return
        capture.suspend(in_=True)
        try:
            yield
        finally:
            capture.resume()
