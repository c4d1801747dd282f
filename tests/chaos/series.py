# SPDX-License-Identifier: MIT
"""Many rounds on one lab, and the table of what came of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.bench.table import markdown
from tests.chaos.ground import Ground
from tests.chaos.options import possible
from tests.chaos.residue import Baseline
from tests.chaos.round import Result, choose_round, play

Say = Callable[[str], None]
REDUNDANT_S = 120.0


@dataclass
class Series:
    """The rounds of one environment."""

    ground: str
    seed: int
    results: list[Result] = field(default_factory=list)
    #: Fault → why it cannot be struck there.
    left_out: dict[str, str] = field(default_factory=dict)
    took_s: float = 0.0

    @property
    def bad(self) -> list[Result]:
        """The rounds that left something."""
        return [result for result in self.results if result.findings]

    @property
    def killed(self) -> int:
        """How many rehearsals were killed; the others had ended by themselves."""
        return sum(result.killed for result in self.results)


def told(result: Result) -> str:
    """Return what came of a round, in lines."""
    clean = "–" if result.clean_s is None else f"{result.clean_s:.1f} s"
    whole = "–" if result.whole_s is None else f"{result.whole_s:.1f} s"
    line = f"{result.choice}: killed while {result.doing}, clean after {clean}, whole after {whole}"
    if not result.findings:
        return line
    return "\n".join([line, *(f"    FOUND {one}" for one in result.findings), f"    again: {result.choice.command}"])


def play_series(
    ground: Ground, name: str, *, seed: int, rounds: int, say: Say, faults: Sequence[str] = (), only: int | None = None,
    every: int = 3,
) -> Series:  # fmt: skip
    """Play until so many rehearsals were killed; a lab that a round left broken is healed before the next.

    Args:
        ground: the lab; it is up.
        name: of the environment, for the command that repeats a round.
        seed: of everything that is left to chance.
        rounds: how many rehearsals are to be killed.
        say: is told each round.
        faults: only these; default: every one that can be struck there.
        only: only the round of that number.
        every: every so many rounds ``harehearse recover`` is run at once.
    """
    series = Series(name, seed)
    began = time.monotonic()
    ground.free()
    if (lacking := ground.until_redundant(REDUNDANT_S)) is not None:
        say(f"{name} is not whole before the first round ({lacking}): made anew")
        ground.anew()
    able, series.left_out = possible(ground.scene(), faults)
    if not able:
        raise RuntimeError(f"no fault can be struck on {name}: {series.left_out}")
    baseline = Baseline(ground)
    number = only or 1
    # Some end before their instant comes; they are no kills, and must not go on for ever.
    while series.killed < rounds and len(series.results) < 2 * rounds + 2:
        choice = choose_round(name, seed, number, able, every=every)
        result = play(ground, choice, baseline)
        series.results.append(result)
        say(told(result))
        if result.findings:
            ground.anew()
            baseline = Baseline(ground)
        if only is not None:
            break
        number += 1
    series.took_s = time.monotonic() - began
    return series


def table(several: Sequence[Series]) -> str:
    """Return fault × environment: rounds, in which step they were killed, by what they healed, what stayed."""
    rows = []
    for series in several:
        for fault in sorted({result.choice.fault for result in series.results}):
            mine = [result for result in series.results if result.choice.fault == fault and result.killed]
            doing = [result.doing for result in mine]
            steps = ", ".join(f"{step} {doing.count(step)}" for step in dict.fromkeys(sorted(doing)))
            good = [result for result in mine if not result.findings]
            rows.append(
                [
                    fault, series.ground, len(mine), steps,
                    sum(not result.struck for result in good),
                    sum(result.struck and not result.choice.recover for result in good),
                    sum(result.struck and result.choice.recover for result in good),
                    len(mine) - len(good),
                ]
            )  # fmt: skip
    head = ["fault", "where", "killed", "while", "nothing to heal", "healed by timer", "healed by recover", "residual"]
    return markdown(head, rows)


def summary(several: Sequence[Series]) -> str:
    """Return the table, and what was left out."""
    lines = [table(several), ""]
    for series in several:
        clean = [r.clean_s for r in series.results if r.struck and r.clean_s is not None and not r.choice.recover]
        last = f"; the last trace was gone {max(clean):.1f} s after the kill at the latest" if clean else ""
        lines.append(
            f"{series.ground}: {series.killed} killed in {series.took_s:.0f} s, seed {series.seed}, "
            f"{len(series.bad)} with residue{last}"
        )
        if series.left_out:
            lines.append("  not struck there: " + "; ".join(f"{name} ({why})" for name, why in series.left_out.items()))
        lines += [f"  again: {result.choice.command}" for result in series.bad]
    return "\n".join(lines)
