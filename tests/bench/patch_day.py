# SPDX-License-Identifier: MIT
"""Bench *patch_day*: what does the workflow cost beyond its bare steps, and what do users feel? ``python -m tests.bench.patch_day``.

On an LXD lab that is up (``harehearse lab up lab``; another one: HAREHEARSE_BENCH_LAB), in turns: standby first by hand with
the commands of the workflow and its waits; the workflow; standby first and in place in one run, with probes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench import patch_by_hand, results
from tests.bench.table import markdown, number

ROUNDS = 3
#: Must be reached: the workflow's time by the sum of its bare steps.
AGAINST_HAND = 1.3
RUN_S = 900.0
#: Which of the tests below are run, by their names.
BARE, FELT = "bare", "felt"
TESTS = """
import json, os, time
from pathlib import Path

LIMITS = {"soak": "0s", "back": "5min", "reboot": "5min"}


def keep(name, found):
    Path(os.environ["BENCH_OUT"], name + ".json").write_text(json.dumps(found))


def test_bare(patching):
    begun = time.monotonic()
    day = patching.standby_first(patching.reboot(), prove_switchover=False, **LIMITS)
    keep("bare", {"took": day.took, "whole": time.monotonic() - begun})


def felt(name, seen):
    found = seen.interruption
    keep(name, {"lower": found.lower, "upper": found.upper})


def test_felt_standby_first(probes, patching):
    with probes.watch() as seen:
        patching.standby_first(patching.reboot(), prove_switchover=False, **LIMITS)
    felt("standby_first", seen)


def test_felt_in_place(probes, patching):
    with probes.watch() as seen:
        patching.in_place(patching.reboot())
    felt("in_place", seen)
"""


def rehearse(folder: Path, environment: str, which: str) -> dict[str, Any]:
    """Run some of the tests as a user does; return what they kept."""
    with tempfile.TemporaryDirectory(prefix="bench-patch-day-") as made:
        home = Path(made)
        (home / "test_patch.py").write_text(TESTS)
        (home / "pytest.ini").write_text("[pytest]\n")
        done = subprocess.run(
            [
                sys.executable, "-m", "pytest", "test_patch.py", "-q", "-p", "no:cacheprovider", "-k", f"test_{which}",
                "--harehearse-config", str(folder / "harehearse.toml"), "--harehearse-env", environment,
                "--harehearse-store", str(home / "store"),
            ],
            cwd=home, env={**os.environ, "BENCH_OUT": made}, capture_output=True, text=True, timeout=RUN_S, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"the rehearsal {which} ended with {done.returncode}:\n{done.stdout[-4000:]}")
        return {path.stem: json.loads(path.read_text()) for path in home.glob("*.json")}


def by_part(took: Mapping[str, float], order: Sequence[str]) -> dict[str, float]:
    """Return seconds by place and kind of step, for nodes change their parts: "reboot, 2nd" is that of the second node."""
    found: dict[str, float] = {}
    for step, seconds in took.items():
        kind, _, node = step.partition(" ")
        part = (
            f"{kind} {node}" if kind == "gate" else f"{kind}, node {order.index(node) + 1}" if node in order else kind
        )
        found[part] = found.get(part, 0.0) + seconds
    return found


def turns(took: Mapping[str, float]) -> list[str]:
    """Return the nodes in the order in which they were patched."""
    return [step.partition(" ")[2] for step in took if step.startswith("drain ")]


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of each part, in the order of the first round."""
    return {part: statistics.median(one.get(part, 0.0) for one in rounds) for part in rounds[0]}


def compared(hand: Mapping[str, float], ours: Mapping[str, float]) -> list[list[object]]:
    """Return the rows: each part of the workflow beside the same one by hand, the costliest beyond it first."""
    parts = sorted({*hand, *ours}, key=lambda part: hand.get(part, 0.0) - ours.get(part, 0.0))
    rows: list[list[object]] = []
    for part in parts:
        bare, taken = hand.get(part), ours.get(part, 0.0)
        rows.append([part, number(bare) if bare is not None else "–", number(taken), number(taken - (bare or 0.0))])
    return rows


def felt_ratio(first: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return in place by standby first, at least and at most; None where a bound is missing or nought."""
    least = other["lower"] / first["upper"] if first["upper"] else None
    most = other["upper"] / first["lower"] if first["lower"] and other["upper"] is not None else None
    return least, most


def run(folder: Path, environment: str, rounds: int = ROUNDS) -> results.Result:
    """Run everything in turns."""
    hand: list[dict[str, float]] = []
    ours: list[dict[str, float]] = []
    wholes: list[float] = []
    felt: list[dict[str, Any]] = []
    for at in range(rounds):
        print(f"patch day, {at + 1} of {rounds}", flush=True)
        person = patch_by_hand.ByHand(str(folder), environment)
        try:
            took = person.standby_first()
        finally:
            person.close()
        hand.append(by_part(took, turns(took)))
        bare = rehearse(folder, environment, BARE)["bare"]
        ours.append(by_part(bare["took"], turns(bare["took"])))
        wholes.append(bare["whole"])
        felt.append(rehearse(folder, environment, FELT))
    return told(environment, hand, ours, wholes, felt)


def told(
    environment: str, hand: Sequence[Mapping[str, float]], ours: Sequence[Mapping[str, float]], wholes: Sequence[float],
    felt: Sequence[Mapping[str, Any]],
) -> results.Result:  # fmt: skip
    """Return the tables and what was reached."""
    by_hand, whole = statistics.median(sum(one.values()) for one in hand), statistics.median(wholes)
    ratio = whole / by_hand
    result = results.Result("patch_day")
    rows = [*compared(medians(hand), medians(ours)), ["all", number(by_hand), number(whole), number(whole - by_hand)]]
    each = [
        [at, *(f"{number(one[name]['lower'], 3)} to {number(one[name]['upper'], 3)}" for name in ("standby_first", "in_place")),
         " to ".join(number(bound, 1) for bound in felt_ratio(one["standby_first"], one["in_place"]))]
        for at, one in enumerate(felt, 1)
    ]  # fmt: skip
    result.tables = [
        (f"{environment}: seconds of standby first, medians of {len(hand)}", markdown(["step", "by hand", "workflow", "more"], rows)),
        ("Seconds that users felt, at least to at most, both in one run",
         markdown(["round", "standby first", "in place", "in place by standby first"], each)),
    ]  # fmt: skip
    reached = "reached" if ratio <= AGAINST_HAND else "NOT reached"
    result.notes = [
        f"workflow by the sum of its bare steps, at most {AGAINST_HAND}: {reached} ({ratio:.2f})",
        "by hand: the same commands and the same waits, by a person who needs no time to type or to think",
    ]
    result.data = {
        "environment": environment, "hand": list(hand), "workflow": list(ours), "wholes": list(wholes), "felt": list(felt), "ratio": ratio,
    }  # fmt: skip
    return result


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--project", type=Path, default=Path.cwd(), help="the folder of harehearse.toml")
    parser.add_argument("--out", type=Path, default=Path("bench-results"))
    options = parser.parse_args()
    what = results.begin("tests.bench.patch_day")
    environment = os.environ.get("HAREHEARSE_BENCH_LAB", "lab")
    results.write(run(options.project.resolve(), environment, options.rounds), what, options.out)


if __name__ == "__main__":
    main()
