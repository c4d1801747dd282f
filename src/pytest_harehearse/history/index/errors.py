# SPDX-License-Identifier: MIT
"""What can be wrong with the history."""

from __future__ import annotations

from pytest_harehearse.errors import Indeterminate


class HistoryError(Indeterminate):
    """The history cannot be read or written, so nothing can be told from it."""
