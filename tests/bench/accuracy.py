# SPDX-License-Identifier: MIT
"""Bench *accuracy*: error against a scripted truth, ours and others': ``python -m tests.bench.accuracy``.

Ten targets follow scripts of interruptions of every shape, 20 ms to 20 s, and are measured at 100 Hz with a timeout of
30 ms. Beside it, in the same run, each other tool asks a target of its own, with shapes that it can see. What is true
and when it is not certain stands in ``server.py``, how ours is judged in ``judge.py``.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench import results, script, trial
from tests.bench.judge import Verdict, wrong
from tests.bench.others.together import Row, Together
from tests.bench.states import INTERVAL_S, SILENT, TIMEOUT_S, State, allowed_width
from tests.bench.stats import quantile, share, spread
from tests.bench.table import markdown, ms, number, percent

COUNT, TARGETS = 1120, 10
GAP_S = (0.4, 0.9)
#: Shapes whose truth is a duration of not being served.
TIMED = tuple(shape for shape in script.INTERRUPTIONS if shape != State.BROWN_OUT.value)


def make_script(count: int, targets: int, seed: int, longest: float | None = None) -> list[script.Episode]:
    """Return ours: interruptions of every shape equally often, and half as often what is none (sluggish)."""
    each = -(-count // len(script.INTERRUPTIONS))
    counts = {**dict.fromkeys(script.INTERRUPTIONS, each), State.SLUGGISH.value: -(-each // 2)}
    return script.make([f"t{n}" for n in range(targets)], counts, seed=seed, gap=GAP_S, longest=longest)


def ours_rows(found: trial.Trial) -> list[list[object]]:
    """Return the rows of the first table that are ours, one an estimate."""
    used = [v for v in found.verdicts if v.used and v.truth.shape in TIMED]
    judged = [v.in_bounds for v in found.verdicts if v.in_bounds is not None and v.truth.shape in script.INTERRUPTIONS]
    cost = 1000 * found.meter_cpu / max(1, found.attempts)
    rows: list[list[object]] = []
    estimates = {
        "best single number": [v.point for v in used],
        "middle of the bounds": [v.middle for v in used],
        "upper bound": [v.upper for v in used],
    }
    for name, values in estimates.items():
        pairs = zip(values, used, strict=True)
        errors = spread(value - v.truth.middle for value, v in pairs if value is not None)
        missed = sum(value is None for value in values)
        first = not rows
        rows.append([
            f"ours, 10 ms: {name}",
            errors.n + missed,
            ms(errors.p50),
            ms(errors.p99),
            ms(errors.worst),
            f"{percent(share(judged))} of {len(judged)}" if first else "",
            f"{number(cost, 3)} s" if first else "",
        ])  # fmt: skip
    return rows


def others_row(row: Row) -> list[object]:
    """Return a tool's row of the first table."""
    errors = row.errors
    cost = number(1000 * row.cpu / row.attempts, 3) if row.attempts else "–"
    return [
        f"{row.name}: {row.reading}",
        errors.n,
        ms(errors.p50),
        ms(errors.p99),
        ms(errors.worst),
        "states none",
        f"{cost} s",
    ]


def shape_row(shape: str, verdicts: Sequence[Verdict]) -> tuple[list[object], dict[str, Any]]:
    """Return a shape's row of the second table, and the same as data."""
    used = [v for v in verdicts if v.used]
    widths = sorted(v.width for v in used if v.width is not None)
    allowed = allowed_width(shape)
    data = {
        "scripted": len(verdicts),
        "judged": len(used),
        "in_bounds": share(bool(v.in_bounds) for v in used),
        "width_p50": quantile(widths, 0.5) if widths else None,
        "width_p99": quantile(widths, 0.99) if widths else None,
        "allowed": allowed,
        "within_allowed": share(w <= allowed for w in widths) if allowed is not None else None,
        "within_allowed_and_5ms": share(w <= allowed + 0.005 for w in widths) if allowed is not None else None,
    }
    more = data["within_allowed_and_5ms"] if shape in SILENT else None
    row = [
        shape,
        len(verdicts),
        len(used),
        percent(data["in_bounds"]),
        ms(data["width_p50"]),
        ms(data["width_p99"]),
        ms(allowed),
        percent(data["within_allowed"]),
        percent(more),
    ]
    return row, data


def _plain(verdict: Verdict) -> dict[str, Any]:
    found = verdict.truth
    return {
        "label": found.label,
        "shape": found.shape,
        "target": found.target,
        "begin": found.begin,
        "truth": [found.shortest, found.longest],
        "lower": verdict.lower,
        "upper": verdict.upper,
        "point": verdict.point,
        "in_bounds": verdict.in_bounds,
        "uncertain": found.uncertain,
        "unknown": verdict.unknown,
    }


def _brown_out_note(verdicts: Sequence[Verdict]) -> str:
    brown = [v for v in verdicts if v.truth.shape == State.BROWN_OUT and v.used]
    failed, asked = sum(v.failed for v in brown), sum(v.asked for v in brown)
    decided = [failed for v in brown for _, failed in v.truth.decisions]
    said = failed / asked if asked else None
    return (
        f"brown-out: error ratio measured {percent(said)} ({failed} of {asked}), decided by the server "
        f"{percent(share(decided))} ({sum(decided)} of {len(decided)}); in bounds there: as many failures as the "
        "server decided, no interruption found apart from it, and a lower bound that does not exceed it"
    )


def _counts(reasons: Counter[str]) -> str:
    return f"{reasons.total()}" + "".join(f"; {count}: {reason}" for reason, count in reasons.items())


def _notes(found: trial.Trial) -> list[str]:
    longest = max((b - a for a, b in found.server_stalls), default=0.0)
    beside = f", {found.phantoms_unsettled} of them beside a stall of the scripted server" if found.phantoms else ""
    cores = f"{percent(found.server_cpu / found.took)} at {found.server_priority} priority"
    notes = [
        f"ours: {found.attempts} attempts in {found.took:.0f} s, {found.not_sent} not sent, lag p99 {ms(found.lag['p99'])}",
        (
            f"processor: meter {percent(found.meter_cpu / found.took)} of a core, scripted server {cores}; machine "
            f"{found.busy / found.took:.2f} cores busy, {found.steal:.2f} s stolen by the host"
        ),
        f"interruptions found that touch no scripted one: {found.phantoms}{beside}",
        (
            f"discarded, for their truth is not certain: {_counts(found.discarded)} (the scripted server stood still for "
            f"more than 5 ms {len(found.server_stalls)} times, at most {ms(longest)})"
        ),
        f"called unknown by the meter itself: {_counts(found.unknown)}",
        (
            "sluggish is no interruption: in bounds when none was found and the bounds of the slow time hold the truth; its "
            "width is that of the slow time"
        ),
        _brown_out_note(found.verdicts),
    ]
    notes += wrong(found.verdicts)
    if found.problem:
        notes.append(f"the meter: {found.problem}")
    return notes


def _others_notes(rows: Sequence[Row], left_out: dict[str, str]) -> list[str]:
    notes = [
        f"{row.name}: {row.how}. Read as “{row.reading}”, the better way for it (median of the other: "
        f"{', '.join(ms(value) for value in row.other.values())}); {row.missed} not noticed at all, {row.discarded} discarded"
        for row in rows
    ]
    notes += [note for row in rows for note in row.notes]
    return notes + [f"{name}: left out, {reason}" for name, reason in left_out.items()]


def run(
    count: int = COUNT, targets: int = TARGETS, *, seed: int = 1, longest: float | None = None, others: bool = True
) -> results.Result:
    """Run it."""
    ours = make_script(count, targets, seed, longest)
    lasts = max(episode.end for episode in ours)
    print(f"accuracy: {len(ours)} scripted spans of time on {targets} targets, {lasts:.0f} s", flush=True)
    together = Together(lasts, seed=seed) if others else None
    with tempfile.TemporaryDirectory(prefix="bench-accuracy-") as name:
        folder = Path(name)
        found = trial.play(
            ours,
            folder,
            others=together.scripts if together else None,
            beside=(lambda server: together.beside(server, folder)) if together else None,
            go=together.go if together else None,
        )
        rows = together.rows(found.said) if together else []
    result = results.Result("accuracy")
    head = ["tool: reading", "interruptions", "error median", "p99", "worst", "truth in stated bounds", "CPU per 1000"]
    first = markdown(head, ours_rows(found) + [others_row(row) for row in rows])
    second, shapes = [], {}
    for shape in script.DURATIONS:
        its = [v for v in found.verdicts if v.truth.shape == shape]
        row, shapes[shape] = shape_row(shape, its)
        second.append(row)
    head = [
        "shape",
        "scripted",
        "judged",
        "in bounds",
        "width p50",
        "p99",
        "allowed",
        "within allowed",
        "within + 5 ms",
    ]
    result.tables = [
        ("Error against the truth, size", first),
        (
            f"Ours by shape, {INTERVAL_S * 1000:.0f} ms interval, {TIMEOUT_S * 1000:.0f} ms timeout",
            markdown(head, second),
        ),
    ]
    result.notes = [*_notes(found), *_others_notes(rows, together.left_out if together else {})]
    result.data = {
        "ours": {"attempts": found.attempts, "cpu_s": found.meter_cpu, "lag": found.lag, "not_sent": found.not_sent,
                 "phantoms": found.phantoms, "discarded": found.discarded.total(), "unknown": found.unknown.total()},
        "shapes": shapes,
        "others": [dataclasses.asdict(row) for row in rows],
        "left_out": together.left_out if together else {},
        "interruptions": [_plain(v) for v in found.verdicts],
    }  # fmt: skip
    return result


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=COUNT, help="scripted interruptions of ours")
    parser.add_argument("--targets", type=int, default=TARGETS)
    parser.add_argument("--longest", type=float, help="no interruption longer than this (seconds)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ours-only", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("bench-results"))
    options = parser.parse_args()
    what = results.begin("tests.bench.accuracy")
    found = run(
        options.count, options.targets, seed=options.seed, longest=options.longest, others=not options.ours_only
    )
    results.write(found, what, options.out)


if __name__ == "__main__":
    main()
