# SPDX-License-Identifier: MIT
"""Exit statuses of the command."""

from __future__ import annotations

from typing import Final

OK: Final = 0
#: The answer is no: interrupted, unhealthy, not recovered.
NO: Final = 1
#: The truth could not be established.
UNKNOWN: Final = 2
#: The command line or the inventory is wrong (EX_USAGE).
USAGE: Final = 64
#: A fault of harehearse itself (EX_SOFTWARE).
INTERNAL: Final = 70
#: Ended by Ctrl-C.
INTERRUPTED: Final = 130
