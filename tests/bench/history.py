# SPDX-License-Identifier: MIT
"""Bench *history*: how long does a gate ask a history of 100 000 rehearsals? ``python -m tests.bench.history``.

The rows are put in as they are, without run directories: what is timed is the question of one cluster, its parsing and
every gate that rehearsals decide, in a process that has just begun, as ``harehearse gate`` is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from tests.bench import results
from tests.bench.table import markdown, number

from pytest_harehearse.history.gate import rehearsed
from pytest_harehearse.history.gate.rehearsed import Rehearsals
from pytest_harehearse.history.index import codec
from pytest_harehearse.history.index.history import History
from pytest_harehearse.history.index.measured import Measured, PatchMeasured, ServiceMeasured
from pytest_harehearse.history.index.runs import together
from pytest_harehearse.history.index.tables import rehearsals, runs
from pytest_harehearse.inventory.model import Cluster, Gates, Node

MANY = 100_000
CLUSTERS = 50
SCENARIOS = 10
#: Must be reached, in seconds.
LIMIT_S = 1.0
ROUNDS = 5
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PARTS = {"scenario": "s", "steps": "t", "patch": "reboot", "inventory": "i", "version": "0.1.0"}
DAY = PatchMeasured("standby first", "reboot", "f", PARTS, went_through=True, whole=40.0, prepatch=True, way_back=7.0)
SERVICES = tuple(
    ServiceMeasured(name, "http", "read", "new", valid=True, lower=2.1, upper=2.3, outages=1, every=0.02, longest=2.3)
    for name in ("page", "tcp", "ping", "held")
)


def one(number_of: int, many: int) -> Measured:
    """Return a rehearsal: ten scenarios in turn on each of fifty clusters, spread over three years."""
    cluster = f"lab/c{number_of % CLUSTERS:02d}"
    scenario = f"scenarios/test_{number_of // CLUSTERS % SCENARIOS}.py::test_failover_switchover"
    run = number_of // (CLUSTERS * SCENARIOS)
    at = NOW - timedelta(days=3 * 365) * (1 - number_of / many) - timedelta(hours=1)
    return Measured(
        f"r-{run:06d}", f"t{number_of}", f"{scenario}[{cluster}]", scenario, cluster, "lab", at, "passed", None, 30.0,
        SERVICES, {"detect": 1.0, "stop": 0.3, "start": 0.8, "answer": 0.2}, (DAY,), dual=0.0, version="0.1.0", host="h",
        key=f"k{run:06d}",
    )  # fmt: skip


def fill(history: History, many: int) -> float:
    """Put in so many rehearsals; return how long it took, in seconds."""
    began = time.monotonic()
    with history.database.writing() as connection:
        found: dict[str, list[dict[str, object]]] = {}
        for number_of in range(many):
            measured = one(number_of, many)
            text = codec.encode(measured)
            found.setdefault(measured.key, []).append(
                {
                    "key": measured.key, "rehearsal": measured.rehearsal, "cluster": measured.cluster,
                    "scenario": measured.scenario, "at": codec.instant(measured.at), "verdict": "passed",
                    "interruption": 2.3, "document": text, "sha256": codec.digest(text),
                }
            )  # fmt: skip
        for key, rows in found.items():
            run = {
                "key": key, "run": f"r-{key}", "at": rows[0]["at"], "host": "h", "version": "0.1.0", "verdict": "passed",
                "store": "elsewhere", "rehearsals_sha256": together(str(row["sha256"]) for row in rows), "sha256": "",
                "size": 0, "mtime_ns": 0,
            }  # fmt: skip
            connection.execute(runs.insert(), [run])
            connection.execute(rehearsals.insert(), rows)
    return time.monotonic() - began


def ask(store: Path, url: str | None) -> None:
    """Ask once, as a gate does, and print how long that took and how many rehearsals there were."""
    began = time.monotonic()
    cluster = Cluster("lab", "c07", "lab", "pacemaker", (Node("n1"), Node("n2")), gates=Gates(interruption=5.0))
    with History(store, url) as history:
        damaged = history.damaged_since(NOW - timedelta(days=30), [cluster.id])
        found = tuple(history.rehearsals(cluster=cluster.id))
        known = Rehearsals(cluster, cluster, NOW, found, damaged, "pytest")
        gates = rehearsed.gates(known)
    took = time.monotonic() - began
    assert not damaged
    assert len(gates) == 8
    sys.stdout.write(f"{took} {len(found)} {sum(gate.answer == 'GO' for gate in gates)}\n")


def run(many: int = MANY, rounds: int = ROUNDS) -> results.Result:
    """Fill a history and ask it."""
    with tempfile.TemporaryDirectory(prefix="harehearse-bench-") as folder:
        store = Path(folder)
        with History(store) as history:
            filled = fill(history, many)
            with history.database.reading() as connection:
                there = connection.execute(sa.select(sa.func.count()).select_from(rehearsals)).scalar_one()
        size = (store / "history.sqlite").stat().st_size
        words = [sys.executable, "-m", "tests.bench.history", "--ask", str(store)]
        said = [
            subprocess.run(words, check=True, capture_output=True, text=True, timeout=300).stdout.split()
            for _ in range(rounds)
        ]
    times = sorted(float(words[0]) for words in said)
    middle, worst = times[len(times) // 2], times[-1]
    table = markdown(
        ["history", "rehearsals", "size", "filled in", "of the cluster", "asked, median", "asked, worst"],
        [
            [
                "SQLite",
                there,
                f"{size / 1e6:.0f} MB",
                f"{filled:.1f} s",
                said[0][1],
                f"{number(middle)} s",
                f"{number(worst)} s",
            ]
        ],
    )
    reached = "reached" if worst <= LIMIT_S else "NOT reached"
    return results.Result(
        "history",
        [("The question of one cluster, in a process that has just begun", table)],
        [f"must be reached: {LIMIT_S:g} s; {reached}"],
        {"asked_worst_s": worst, "asked_median_s": middle, "limit_s": LIMIT_S, "rehearsals": there},
    )


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench-results"))
    parser.add_argument("--ask", type=Path, help="ask this store once; the bench calls itself so")
    parser.add_argument("--many", type=int, default=MANY)
    options = parser.parse_args()
    if options.ask:
        ask(options.ask, None)
        return
    results.write(run(options.many), results.begin("tests.bench.history"), options.out)


if __name__ == "__main__":
    main()
