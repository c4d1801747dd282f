# SPDX-License-Identifier: MIT
"""The states of a scripted target, and what the meter is expected to say of each."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """What a target does with a connection and a request."""

    OK = "ok"
    #: Nobody listens: the kernel answers with a reset at once.
    REFUSE = "refuse"
    #: SYN packets vanish.
    BLACK_HOLE = "black-hole"
    #: The connection is accepted, the request never answered.
    HANG = "hang"
    #: The connection is accepted and reset.
    RESET = "reset"
    #: Answered, but later than any attempt waits.
    LATE = "late"
    #: Answered later than the limit of slow, sooner than the timeout: served.
    SLUGGISH = "sluggish"
    #: HTTP 503.
    UNAVAILABLE = "503"
    #: Each request is answered with 503 by chance, else served.
    BROWN_OUT = "brown-out"


#: A shape of its own: several short refusals; its truth is their total.
FLAPPING: Final = "flapping"

INTERVAL_S: Final = 0.01
TIMEOUT_S: Final = 0.03
SLOW_S: Final = 0.01
LATE_S: Final = 0.09
SLUGGISH_S: Final = 0.018
BROWN_OUT_PART: Final = 0.3

#: Told within a fraction of a millisecond, so that only the interval is left of the width …
QUICK: Final = frozenset({State.REFUSE.value, State.RESET.value, State.UNAVAILABLE.value})
#: … and told by silence alone, which costs one timeout more.
SILENT: Final = frozenset({State.BLACK_HOLE.value, State.HANG.value, State.LATE.value})


def allowed_width(shape: str, interval: float = INTERVAL_S, timeout: float = TIMEOUT_S) -> float | None:
    """Return how wide the bounds of one interruption of this shape may be (seconds); None where no limit is set."""
    if shape in QUICK:
        return 2 * interval + 0.005
    if shape in SILENT:
        return 2 * interval + timeout
    return None
