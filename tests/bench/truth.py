# SPDX-License-Identifier: MIT
"""What the scripted server says was true, interruption by interruption, and where it cannot be certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.script import Episode

#: An edge whose instant is known less exactly than this (seconds) is not used.
EDGE_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class Span:
    """A state's span: it began between the first two instants and ended between the last two (monotonic)."""

    before: float
    after: float
    end_before: float
    end_after: float

    @property
    def shortest(self) -> float:
        """At least this long."""
        return max(0.0, self.end_before - self.after)

    @property
    def longest(self) -> float:
        """At most this long."""
        return self.end_after - self.before


@dataclass(frozen=True, slots=True)
class Truth:
    """What was true of one scripted interruption."""

    label: int
    target: str
    shape: str
    spans: tuple[Span, ...]
    #: Why it cannot be used; None when it can.
    uncertain: str | None = None
    #: Instants at which a request failed or was served, of a brown-out.
    decisions: tuple[tuple[float, bool], ...] = ()

    @property
    def shortest(self) -> float:
        """At least this long in total."""
        return sum(span.shortest for span in self.spans)

    @property
    def longest(self) -> float:
        """At most this long in total."""
        return sum(span.longest for span in self.spans)

    @property
    def middle(self) -> float:
        """The truth, where a single number is needed."""
        return (self.shortest + self.longest) / 2

    @property
    def begin(self) -> float:
        """When it began, at the earliest."""
        return self.spans[0].before

    @property
    def end(self) -> float:
        """When it ended, at the latest."""
        return self.spans[-1].end_after


def _touches(stalls: Sequence[Sequence[float]], begin: float, end: float, least: float = 0.0) -> bool:
    return any(b - a >= least and a < end and begin < b for a, b in stalls)


def doubt(spans: Sequence[Span], stalls: Sequence[Sequence[float]], reach: float, timeout: float) -> str | None:
    """Return why an interruption cannot be used; None when it can.

    A stall of the server within ``reach`` of a change moves the answers that the change is told by; one of half a
    timeout, anywhere beside it, may be an interruption of its own.
    """
    for span in spans:
        if max(span.after - span.before, span.end_after - span.end_before) > EDGE_S:
            return "a switch took longer than 1 ms"
        if any(_touches(stalls, edge - reach, edge + reach) for edge in (span.before, span.end_before)):
            return "the server stalled over 5 ms at a switch"
    if _touches(stalls, spans[0].before - reach, spans[-1].end_after + reach, timeout / 2):
        return "the server stalled over half a timeout"
    return None


def read(script: Sequence[Episode], said: dict[str, Any], *, interval: float, timeout: float) -> list[Truth]:
    """Return the truth of every scripted interruption."""
    edges: dict[int, list[dict[str, Any]]] = {}
    for edge in said["edges"]:
        edges.setdefault(int(edge["label"]), []).append(edge)
    found = []
    for episode in script:
        its = edges.get(episode.label, [])
        if len(its) != 2 * len(episode.spans):
            raise ValueError(
                f"interruption {episode.label} has {len(its)} switches instead of {2 * len(episode.spans)}"
            )
        pairs = zip(its[::2], its[1::2], strict=True)
        spans = tuple(Span(a["before"], a["after"], b["before"], b["after"]) for a, b in pairs)
        begin, end = spans[0].before, spans[-1].end_after
        decided = tuple((t, bool(f)) for t, f in said["decisions"].get(episode.target, ()) if begin <= t <= end)
        reason = doubt(spans, said["stalls"], interval + timeout, timeout)
        found.append(Truth(episode.label, episode.target, episode.shape, spans, reason, decided))
    return found
