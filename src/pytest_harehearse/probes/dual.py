# SPDX-License-Identifier: MIT
"""Two actives at once: proved when two nodes say "I am the active one" at the same instant. Pure functions.

A node's "yes" proves it active at some instant between the sending and the end of that ask; between two of its answers
"yes" with no other answer in between it counts as active. Two nodes are proved active at once when those spans overlap,
or when one whole ask that was answered "yes" lies within the other's span. Such a span lasted *at least* that overlap,
and *at most* from the last answer "no" of either before it to the first one after it.

A service's numbered writes prove it too: acknowledged by one responder, then by another, and at once by the first again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from typing import Final, Self

from pytest_harehearse.probes.attempts import Attempt, AttemptsFile, Outcome, Write
from pytest_harehearse.probes.validity import longest_blind

#: Answers that say "no" for certain; silence says nothing.
_NO: Final = frozenset({Outcome.READ_ONLY, Outcome.REFUSED})


@dataclass(frozen=True, slots=True)
class Dual:
    """Two nodes were active at once, within ``start`` and ``end`` (monotonic seconds), for at least ``lower`` seconds."""

    nodes: tuple[str, str]
    start: float
    end: float
    lower: float

    @property
    def upper(self) -> float:
        """At most this many seconds."""
        return self.end - self.start


class DualActive(timedelta):
    """How long two nodes were active at once: the upper bound, as limits are judged; nought when that was never seen."""

    spans: tuple[Dual, ...]

    @classmethod
    def of(cls, spans: Iterable[Dual]) -> Self:
        """Return the time of all spans; those that overlap are counted once."""
        ordered = tuple(sorted(spans, key=lambda d: (d.start, d.end, d.nodes)))
        whole, reach = 0.0, float("-inf")
        for span in ordered:
            whole += max(0.0, span.end - max(span.start, reach))
            reach = max(reach, span.end)
        made = cls(seconds=whole)
        made.spans = ordered
        return made

    @property
    def lower(self) -> float:
        """Seconds that are proved, at least: those of the longest span."""
        return max((span.lower for span in self.spans), default=0.0)

    @property
    def upper(self) -> float:
        """The same as ``total_seconds()``."""
        return self.total_seconds()


@dataclass(frozen=True, slots=True)
class _Run:
    """A node's answers "yes" in a row."""

    asks: tuple[tuple[float, float], ...]
    #: Before and after it the node was not active: its last "no" before, its first "no" after, or the watch's ends.
    after: float
    until: float

    @property
    def sure(self) -> tuple[float, float] | None:
        """The span between its first and its last "yes"; None when they are too close to tell."""
        start, end = min(done for _, done in self.asks), max(sent for sent, _ in self.asks)
        return (start, end) if start <= end else None


def _runs(attempts: Sequence[Attempt]) -> list[_Run]:
    ordered = sorted((a for a in attempts if a.outcome.up or a.outcome.down), key=lambda a: (a.sent, a.n))
    found: list[_Run] = []
    first = min((a.sent for a in ordered), default=0.0)
    last = max((a.done for a in ordered), default=0.0)
    index = 0
    while index < len(ordered):
        if not ordered[index].outcome.up:
            index += 1
            continue
        end = index
        while end < len(ordered) and ordered[end].outcome.up:
            end += 1
        before = (a.sent for a in reversed(ordered[:index]) if a.outcome in _NO)
        behind = (a.done for a in ordered[end:] if a.outcome in _NO)
        asks = tuple((a.sent, a.done) for a in ordered[index:end])
        found.append(_Run(asks, next(before, first), next(behind, last)))
        index = end
    return found


def _within(asks: Iterable[tuple[float, float]], span: tuple[float, float] | None) -> bool:
    return span is not None and any(span[0] <= sent and done <= span[1] for sent, done in asks)


def _both(nodes: tuple[str, str], one: _Run, other: _Run) -> Dual | None:
    overlap = 0.0
    if one.sure and other.sure:
        overlap = min(one.sure[1], other.sure[1]) - max(one.sure[0], other.sure[0])
    if overlap <= 0 and not _within(one.asks, other.sure) and not _within(other.asks, one.sure):
        return None
    start, end = max(one.after, other.after), min(one.until, other.until)
    return Dual(nodes, start, end, max(0.0, overlap))


def claimed(claims: Mapping[str, Sequence[Attempt]]) -> tuple[Dual, ...]:
    """Return every span in which two nodes are proved active at once.

    Args:
        claims: node → the asks whether it is active: served means yes.
    """
    runs = {node: _runs(attempts) for node, attempts in claims.items()}
    return tuple(
        found
        for first, second in combinations(sorted(runs), 2)
        for one in runs[first]
        for other in runs[second]
        if (found := _both((first, second), one, other)) is not None
    )


def written(attempts: Iterable[Attempt], every: float) -> tuple[Dual, ...]:
    """Return every span in which two responders acknowledged a service's writes in turns.

    Two acknowledgements by the same responder that are closer than a meter may be blind leave no time for a switchover
    there and back; one by another responder between them proves that both took writes.
    """
    acked = sorted((a for a in attempts if a.write is Write.ACKED and a.by), key=lambda a: (a.sent, a.n))
    found: list[Dual] = []
    last: dict[str, Attempt] = {}
    previous: Attempt | None = None
    for attempt in acked:
        before = last.get(attempt.by)
        if (
            previous is not None
            and before is not None
            and previous.by != attempt.by
            and attempt.sent - before.done <= longest_blind(every)
        ):
            first, second = sorted((attempt.by, previous.by))
            found.append(Dual((first, second), before.sent, attempt.done, 0.0))
        last[attempt.by] = previous = attempt
    return tuple(found)


def dual_limitation(claims: Mapping[str, AttemptsFile]) -> str | None:
    """Return why it is not known whether two nodes were active at once; None when it is.

    A node that stays silent is no reason: what nobody can reach says yes to nobody.
    """
    if not claims:
        return "this manager's nodes cannot be asked whether they are active"
    for node, file in claims.items():
        wrong = next((a for a in file.attempts if a.outcome is Outcome.MISCONFIGURED), None)
        if wrong is not None:
            return f"{node} cannot be asked: {wrong.error}"
        if not file.complete:
            return f"the meter did not end by itself while it asked {node}"
        longest = max((end - start for start, end in (*file.stalls, *file.control)), default=0.0)
        if longest > longest_blind(float(file.header["every"])) or file.suspended:
            return f"the runner itself stalled for {max(longest, file.suspended):.2f} s"
    return None


def found_dual(claims: Mapping[str, AttemptsFile], services: Mapping[str, AttemptsFile]) -> DualActive:
    """Return how long two nodes were active at once, by their own word and by the services' writes."""
    spans = list(claimed({node: file.attempts for node, file in claims.items()}))
    for file in services.values():
        spans += written(file.attempts, float(file.header["every"]))
    return DualActive.of(spans)
