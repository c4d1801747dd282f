# SPDX-License-Identifier: MIT
"""Load on every core in bursts, for part of the time: ``python -m tests.bench.load PART``; it ends with stdin."""

from __future__ import annotations

import os
import random
import select
import signal
import sys
import time

#: Shortest and longest burst (seconds).
BURST_S = (0.02, 1.0)


def burn(part: float) -> None:
    """Compute in bursts, and rest so that ``part`` of the time is spent computing."""
    dice = random.Random()
    while True:
        length = dice.uniform(*BURST_S)
        ends, x = time.monotonic() + length, 0
        while time.monotonic() < ends:
            for _ in range(2000):
                x += 1
        if select.select([0], [], [], length * (1 - part) / part)[0]:
            return


def main() -> None:
    """Load all cores that may be used."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    children = []
    for _ in range(len(os.sched_getaffinity(0)) - 1):
        pid = os.fork()
        if pid == 0:
            burn(float(sys.argv[1]))
            os._exit(0)
        children.append(pid)
    burn(float(sys.argv[1]))
    for pid in children:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
