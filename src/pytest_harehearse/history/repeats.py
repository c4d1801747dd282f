# SPDX-License-Identifier: MIT
"""What repeats of a rehearsal at random phases come to: their distribution, and how far the next one may be trusted."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from pytest_harehearse.history.gate.rehearsed import bound
from pytest_harehearse.history.index.project import scenario
from pytest_harehearse.history.summary import RehearsalSummary, RunSummary, Verdict


@dataclass(frozen=True, slots=True)
class Repeats:
    """The repeats of one scenario on one cluster, for one service that all of them watched."""

    cluster: str
    scenario: str
    #: How many were asked for, how many were done and judged, and how many of these passed.
    asked: int
    judged: int
    passed: int
    service: str = ""
    #: Upper bounds of the interruption in seconds, in the order in which they were measured; None: it did not end, or is not sound.
    uppers: tuple[float | None, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether every repeat was measured to its end."""
        return len(self.uppers) == self.asked and None not in self.uppers

    @property
    def measured(self) -> tuple[float, ...]:
        """What was measured to its end."""
        return tuple(one for one in self.uppers if one is not None)

    @property
    def median(self) -> float | None:
        """Of what was measured; None: nothing was."""
        return statistics.median(self.measured) if self.measured else None

    @property
    def longer(self) -> float | None:
        """At most this share of further ones takes longer than the worst of these (95 % sure); None: not all were measured.

        n independent ones none of which exceeded it leave 1 - 0.05^(1/n) possible; see ``history.gate.rehearsed.bound``.
        """
        return bound(len(self.uppers)) if self.sound else None


def repeats(summary: RunSummary) -> tuple[Repeats, ...]:
    """Return what each repeated scenario came to, service by service, in the order of the run. Pure."""
    groups: dict[tuple[str, str, str], list[RehearsalSummary]] = {}
    for one in summary.rehearsals:
        if one.repeats:
            name = scenario(one.nodeid, one.cluster, one.repeat, one.repeats)
            groups.setdefault((one.runner, one.cluster, name), []).append(one)
    found: list[Repeats] = []
    for (_, cluster, name), group in groups.items():
        judged = sum(one.verdict in {Verdict.PASSED, Verdict.FAILED} for one in group)
        counts = (group[0].repeats, judged, sum(one.verdict is Verdict.PASSED for one in group))
        services = dict.fromkeys((service.name, service.mode) for one in group for service in one.services)
        found += [
            Repeats(cluster, name, *counts, service, _uppers(group, service, mode)) for service, mode in services
        ] or [Repeats(cluster, name, *counts)]
    return tuple(found)


def _uppers(group: list[RehearsalSummary], name: str, mode: str) -> tuple[float | None, ...]:
    """Return the longest watch of the service in each rehearsal that has one: users feel their sum, a limit judges each."""
    found: list[float | None] = []
    for one in group:
        mine = [service for service in one.services if (service.name, service.mode) == (name, mode)]
        if mine:
            ends = [service.total_upper if service.valid else None for service in mine]
            found.append(None if None in ends else max(end for end in ends if end is not None))
    return tuple(found)
