# SPDX-License-Identifier: MIT
"""A healthy service, measured for long on a busy machine: ``python -m tests.bench.phantom --for 60min``.

Every interruption it reports is a phantom. Two processes burn both cores most of the time meanwhile.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
import time
from pathlib import Path

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.meter import Meter
from pytest_harehearse.probes.seen import Seen
from pytest_harehearse.units import seconds, show
from tests.bench.result import Result, write
from tests.bench.server import Server, cpu, rss

EVERY_S, TIMEOUT_S = 0.05, 0.5
BUSY = 0.7


def burn(until: float) -> None:
    """Use a core in bursts of up to a second, for :data:`BUSY` of the time."""
    dice = random.Random()
    while time.monotonic() < until:
        burst = dice.uniform(0.05, 1.0)
        ends = time.monotonic() + burst
        while time.monotonic() < ends:
            sum(range(1000))
        time.sleep(burst * (1 - BUSY) / BUSY)


def run(length: float, services: int = 10) -> Result:
    """Measure ``services`` healthy services for ``length`` seconds."""
    until = time.monotonic() + length + 5
    burners = [multiprocessing.Process(target=burn, args=(until,), daemon=True) for _ in range(2)]
    with tempfile.TemporaryDirectory() as folder, Server({f"s{n}": [] for n in range(services)}) as server:
        watched = [Service(n, "http", server.url(n), every=EVERY_S, timeout=TIMEOUT_S) for n in server.ports]
        for burner in burners:
            burner.start()
        with Meter.start(watched, Path(folder), "") as meter:
            time.sleep(min(60.0, length / 10))
            early = rss(meter.pid)
            time.sleep(max(0.0, until - 5 - time.monotonic()))
            late, spent = rss(meter.pid), cpu(meter.pid)
        seen = Seen.from_files(meter.files)
        for burner in burners:
            burner.terminate()
            burner.join()
    found = [one.measurement for one in seen.services.values()]
    lags = [one.lag for one in found if one.lag]
    return Result(
        "phantom",
        ["measured", "services", "attempts", "phantom interruptions", "not soundly measured", "not sent",
         "lag p99", "CPU of the meter", "memory after a minute", "memory at the end"],
        [[show(length), services, sum(m.attempts for m in found), sum(len(m.outages) for m in found),
          "; ".join(sorted({m.reason for m in found if m.reason})) or "none", sum(m.not_sent for m in found),
          f"{max(lag.p99 for lag in lags) * 1000:.1f} ms", f"{spent / length:.0%} of a core",
          f"{early / 1024:.1f} MiB", f"{late / 1024:.1f} MiB"]],
    )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--for", dest="length", default="60min", type=seconds)
    parser.add_argument("--out", default="bench-results", type=Path)
    arguments = parser.parse_args()
    write([run(arguments.length)], arguments.out, "phantom")
