# SPDX-License-Identifier: MIT
"""A node's wall clock against the runner's clocks: several round trips over one held stream, the narrowest wins.

The node says its time somewhere between the question and the answer, so the middle of a round trip is right within half
of it. How long the way takes does not matter, nor whether both ways take the same time: that is what the error says.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Final

from pytest_harehearse.remote.base import Channel, Done, Outcome, Script, Stream, Unknown, Unreachable
from pytest_harehearse.units import show

#: Round trips: the first ones start the shell and wake sleeping caches, so a few more than one.
TRIPS: Final = 9
_TELL: Final = Script("while read -r asked; do date +%s.%N; done")
_STAMP: Final = re.compile(r"\s*(\d{1,12})\.(\d{9})\s*")
#: Two clocks that nobody disciplines drift apart by less than this, in seconds a second.
DRIFT: Final = 1e-4


@dataclass(frozen=True, slots=True)
class NodeClock:
    """A node's wall clock at the instant ``measured`` (monotonic seconds of the runner), true within ± ``error``."""

    node: str
    #: Node − runner, wall clock against wall clock.
    offset: float
    error: float
    #: The node's wall clock minus the runner's monotonic one: by it a stamp of the node comes onto our axis.
    ahead: float
    measured: float

    def monotonic(self, stamp: float) -> float:
        """Return a time of the node's wall clock in monotonic seconds of the runner."""
        return stamp - self.ahead

    def wall(self, instant: float) -> float:
        """Return what the node's wall clock showed at an instant (monotonic seconds of the runner)."""
        return instant + self.ahead

    def error_at(self, instant: float) -> float:
        """Return how far a mapped time can be off: the longer ago, the further the clocks may have drifted."""
        return self.error + DRIFT * abs(self.measured - instant)


def measure(channel: Channel, deadline: float, trips: int = TRIPS) -> NodeClock | str:
    """Return the node's clock, or the reason why it could not be measured, within ``deadline`` seconds."""
    until = time.monotonic() + deadline
    stream = channel.stream(_TELL, deadline=deadline, root=False)
    if isinstance(stream, Unreachable | Unknown):
        return f"the clock of {channel.node} could not be read: {stream.reason}"
    with stream:
        best: NodeClock | None = None
        for _ in range(trips):
            found = _trip(stream, channel.node, until)
            if isinstance(found, str):
                # What was measured before is as good as it was.
                return best or f"the clock of {channel.node} could not be read: {found}"
            if best is None or found.error < best.error:
                best = found
    return best or f"the clock of {channel.node} was not asked"


def _trip(stream: Stream, node: str, until: float) -> NodeClock | str:
    asked = time.monotonic()
    if not stream.send(b"\n", until - asked):
        return _ended(stream.outcome(), "the question could not be sent in time")
    line = next(stream.lines(until - asked), None)
    answered = time.monotonic()
    if line is None:
        return _ended(stream.outcome(), f"no answer within {show(answered - asked)}")
    match = _STAMP.fullmatch(line)
    if match is None:
        return f"its date says {line[:40]!r} to +%s.%N, which is no time with parts of a second"
    stamp = int(match[1]) + int(match[2]) / 1e9
    middle, error = (asked + answered) / 2, (answered - asked) / 2
    ahead = stamp - middle
    return NodeClock(node, ahead - (time.time() - time.monotonic()), error, ahead, middle)


def _ended(outcome: Outcome | None, otherwise: str) -> str:
    if outcome is None:
        return otherwise
    if isinstance(outcome, Done):
        return f"the shell there ended with status {outcome.rc}: {outcome.err or 'nothing said'}"
    return outcome.reason
