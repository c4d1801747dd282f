# SPDX-License-Identifier: MIT
"""Bench *isolation*: does what the test does move a probe? ``python -m tests.bench.isolation``.

The same script twice at 10 services × 100 Hz: on a quiet machine, and while this process's main thread runs a busy loop
of pure Python and another process copies a large file by paramiko through a real sshd on loopback.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench import processes, results, script, trial
from tests.bench.accuracy import make_script
from tests.bench.judge import wrong
from tests.bench.scripted import ScriptedServer
from tests.bench.stats import share, spread
from tests.bench.table import markdown, ms, percent

COUNT, TARGETS, LONGEST_S = 64, 10, 10.0
#: How long the copying may take to begin and to end (seconds).
START_S, END_S = 30.0, 10.0
#: Must be reached with a busy parent.
LAG_P99_S = 0.005


def spin(server: ScriptedServer, within: float) -> None:
    """Wait for the script's end in a busy loop."""
    ends, x = time.monotonic() + within, 0
    while not server.has_finished:
        for _ in range(1000):
            x += 1
        if time.monotonic() > ends:
            raise TimeoutError(f"the scripted server did not finish within {within:.0f} s")


@contextlib.contextmanager
def copying(told: dict[str, Any]) -> Iterator[None]:
    """Copy a large file meanwhile; puts what it said into ``told``."""
    with tempfile.TemporaryDirectory(prefix="bench-copying-") as folder:
        process = processes.module("copying", folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            first = processes.line(process, START_S)
            told.update(json.loads(first or b'{"skipped": "the copying process said nothing; its error is above"}'))
            yield
            process.stdin.close()
            # The last line; nothing when it was skipped.
            told.update(json.loads(processes.line(process, END_S) or b"{}"))
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            # It ends with its stdin, and sshd before it.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
            processes.end(process)
            process.stdout.close()


def row(name: str, found: trial.Trial) -> list[object]:
    """Return a case's row."""
    its = [v for v in found.verdicts if v.truth.shape in script.INTERRUPTIONS]
    judged = [v.in_bounds for v in its if v.in_bounds is not None]
    widths = spread(v.width for v in its if v.used and v.width is not None and v.truth.shape == "refuse")
    return [
        name,
        found.attempts,
        found.not_sent,
        ms(found.lag["p50"]),
        ms(found.lag["p99"]),
        ms(found.lag["worst"]),
        f"{percent(share(judged))} of {len(judged)}",
        ms(widths.p50),
        found.unknown.total(),
        found.discarded.total(),
        found.phantoms,
        f"{found.busy / found.took:.2f}",
    ]


HEAD = [
    "parent", "attempts", "not sent", "lag p50", "lag p99", "lag worst", "truth in bounds", "width (refuse) p50",
    "unknown", "discarded", "phantoms", "cores busy",
]  # fmt: skip


def run(count: int = COUNT, *, longest: float = LONGEST_S, seed: int = 2) -> results.Result:
    """Run both cases."""
    plan = make_script(count, TARGETS, seed, longest)
    told: dict[str, Any] = {}
    cases = {}
    for name in ("quiet", "busy"):
        print(f"isolation, {name}: {max(e.end for e in plan):.0f} s", flush=True)
        with tempfile.TemporaryDirectory(prefix="bench-isolation-") as folder:
            busy = {"beside": lambda _: copying(told), "wait": spin} if name == "busy" else {}
            cases[name] = trial.play(plan, Path(folder), **busy)  # type: ignore[arg-type]
    result = results.Result("isolation")
    result.tables = [
        (
            f"{TARGETS} services × 100 Hz, http; the same {len(plan)} scripted spans in both cases",
            markdown(HEAD, [row(name, found) for name, found in cases.items()]),
        )
    ]
    if "skipped" in told:
        result.notes.append(f"busy: the main thread in a loop only; nothing was copied, {told['skipped']}")
    elif "mib" in told:
        speed = told["mib"] / told["seconds"]
        result.notes.append(
            f"busy: the main thread in a loop, and {told['mib']:.0f} MiB copied by paramiko ({speed:.0f} MiB/s)"
        )
    else:
        result.notes.append("busy: the main thread in a loop; how much was copied is unknown, the copying broke off")
    result.notes.append(
        f"the scripted server ran at {cases['busy'].server_priority} priority; the meter asks for what it may have, see "
        "probes/priority.py; all else is ordinary"
    )
    p99 = cases["busy"].lag["p99"]
    reached = "reached" if p99 is not None and p99 <= LAG_P99_S else "NOT reached"
    result.notes.append(f"lag p99 of at most {ms(LAG_P99_S)} with a busy parent: {reached} ({ms(p99)})")
    for name, found in cases.items():
        result.notes += [f"{name}, unknown: {count}: {reason}" for reason, count in found.unknown.items()]
        result.notes += [f"{name}, discarded: {count}: {reason}" for reason, count in found.discarded.items()]
        result.notes += [f"{name}, {note}" for note in wrong(found.verdicts)]
        if found.problem:
            result.notes.append(f"{name}: {found.problem}")
    result.data = {
        name: {"lag": found.lag, "attempts": found.attempts, "not_sent": found.not_sent, "phantoms": found.phantoms,
               "in_bounds": share(v.in_bounds for v in found.verdicts if v.in_bounds is not None),
               "unknown": found.unknown, "discarded": found.discarded, "stalls": found.stalls}
        for name, found in cases.items()
    } | {"copied": told}  # fmt: skip
    return result


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=COUNT, help="scripted interruptions")
    parser.add_argument("--longest", type=float, default=LONGEST_S, help="no interruption longer than this (seconds)")
    parser.add_argument("--out", type=Path, default=Path("bench-results"))
    options = parser.parse_args()
    what = results.begin("tests.bench.isolation")
    results.write(run(options.count, longest=options.longest), what, options.out)


if __name__ == "__main__":
    main()
