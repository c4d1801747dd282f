# SPDX-License-Identifier: MIT
"""The history of clusters for people and programs: one line a scenario, and since which run it is another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from pytest_harehearse.history.index.codec import instant
from pytest_harehearse.history.series import Series
from pytest_harehearse.history.summary import Verdict
from pytest_harehearse.history.trend import Change
from pytest_harehearse.report import wording
from pytest_harehearse.units import show

_BARS: Final = "▁▂▃▄▅▆▇█"
#: So many of the latest rehearsals are drawn.
_DRAWN: Final = 12


def name(scenario: str) -> str:
    """Return a scenario as people call it: the test's name without its file and prefix."""
    return wording.plain(scenario.rpartition("::")[2].removeprefix("test_failover_").removeprefix("test_"))


def bars(values: Sequence[float | None]) -> str:
    """Return values as a row of bars from nought to their largest; "?" where one is not known."""
    most = max((value for value in values if value is not None), default=0.0)
    return "".join(
        "?" if value is None else _BARS[round(value / most * (len(_BARS) - 1)) if most else 0] for value in values
    )


def difference(seconds: float | None) -> str:
    """Return a difference with its sign."""
    if seconds is None:
        return wording.NONE
    return f"{'−' if seconds < 0 else '+'}{show(abs(seconds))}" if seconds else "±0 s"


def changed(change: Change) -> str:
    """Return a change in words: "slower since run r-… by 1.80 s"."""
    word = "slower" if change.seconds > 0 else "faster"
    return (
        f"{word} since run {wording.plain(change.run)} by {show(abs(change.seconds))} (by chance: {change.chance:.1%})"
    )


def lines(series: Sequence[Series], problems: Mapping[str, str], last: int) -> list[str]:
    """Return the history of clusters for a terminal."""
    found: list[str] = []
    for cluster, group in groupby(series, key=lambda one: one.cluster):
        mine = list(group)
        kind = "PRODUCTION" if mine[0].kind == "production" else mine[0].kind
        count = sum(len(one.rehearsals) for one in mine)
        found.append(f"{wording.plain(cluster)} ({kind}): {wording.plural(count, 'rehearsal')}")
        head = ("scenario", "last", "verdict", "down, at most", f"Δ last {last}", "median", "worst", "")
        rows = [head, *(_row(one) for one in mine)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        for row, one in zip(rows, (None, *mine), strict=True):
            found.append("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
            found += [f"    {line}" for line in (_told(one) if one else ())]
    found += [f"? {wording.plain(run)} is not in it: {wording.plain(why)}" for run, why in problems.items()]
    return found


def _row(one: Series) -> tuple[str, ...]:
    last = one.last
    drawn = bars([each.interruption for each in one.rehearsals[-_DRAWN:]])
    return (
        name(one.scenario), f"{last.at:%Y-%m-%d}", f"{wording.sign(last.verdict)} {last.verdict}", show(last.interruption),
        difference(one.trend.against_last if last.interruption is not None else None), show(one.usual), show(one.worst),
        drawn,
    )  # fmt: skip


def _told(one: Series) -> list[str]:
    found = []
    if one.trend.change is not None:
        found.append(changed(one.trend.change))
    bad = [f"{count} {verdict}" for verdict, count in sorted(one.verdicts.items()) if verdict != Verdict.PASSED]
    if bad:
        found.append(f"of {len(one.rehearsals)}: {', '.join(bad)}")
    if one.not_known:
        found.append(f"interruption not known of {one.not_known}; they are in no median")
    if one.last.verdict != Verdict.PASSED and one.last.reason:
        found.append(f"last: {wording.plain(one.last.reason)}")
    return found


def document(series: Sequence[Series], problems: Mapping[str, str], where: str) -> dict[str, Any]:
    """Return the history as the JSON object that other programs rely on; lengths in seconds."""
    return {
        "schema": 1,
        "history": where,
        "series": [_plain(one) for one in series],
        "not_indexed": dict(problems),
    }


def _plain(one: Series) -> dict[str, Any]:
    change = one.trend.change
    return {
        "cluster": one.cluster,
        "kind": one.kind,
        "scenario": one.scenario,
        "verdicts": one.verdicts,
        "not_known": one.not_known,
        "median": one.usual,
        "worst": one.worst,
        "against_last": one.trend.against_last,
        "change": None if change is None else {"run": change.run, "by": change.seconds, "chance": change.chance},
        "no_change_because": one.trend.problem,
        "rehearsals": [
            {
                "run": each.run,
                "host": each.host,
                "at": instant(each.at),
                "verdict": each.verdict,
                "reason": each.reason,
                "lower": each.worst.lower if each.worst is not None and each.worst.valid else None,
                "upper": each.interruption,
            }
            for each in one.rehearsals
        ],
    }
