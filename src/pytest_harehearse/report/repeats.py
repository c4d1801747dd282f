# SPDX-License-Identifier: MIT
"""What repeats came to, in words; the same in terminal, page and Markdown."""

from __future__ import annotations

from pytest_harehearse.history.repeats import Repeats, repeats
from pytest_harehearse.history.summary import RunSummary
from pytest_harehearse.units import show

TITLE = "repeated, each at a random phase of the cluster's timers"


def lines(summary: RunSummary) -> list[tuple[str, str]]:
    """Return what was repeated, and what that came to; empty: nothing was."""
    return [(f"{one.cluster} {_name(one)}", sentence(one)) for one in repeats(summary)]


def sentence(one: Repeats) -> str:
    """Return what the repeats of one scenario came to for one service."""
    passed = f"{one.passed} of {one.asked} passed"
    if one.judged < one.asked:
        passed += f", {one.asked - one.judged} not known"
    if not one.service:
        return f"{passed}; no service was watched"
    if not one.measured:
        return f"{passed}; {one.service}: not measured to its end"
    told = f"{one.service}: median {show(one.median or 0.0)}, worst {show(max(one.measured))}, all {_all(one.measured)}"
    if one.longer is None:
        missing = one.asked - len(one.measured)
        return f"{passed}; {told}; {missing} of them not measured to the end, so nothing is known of the next one"
    return f"{passed}; {told}; of further ones at most {one.longer:.0%} take longer than that worst (95 % sure)"


def _all(values: tuple[float, ...]) -> str:
    shown = [show(value) for value in sorted(values)]
    return ", ".join(shown) if len(shown) <= 12 else f"{', '.join(shown[:4])}, … {', '.join(shown[-4:])}"


def _name(one: Repeats) -> str:
    return one.scenario.rpartition("::")[2]
