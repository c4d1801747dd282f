# SPDX-License-Identifier: MIT
"""Kill the runner of a patch day in the middle of a step."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from pytest_harehearse.events import Event, StepStarted
from pytest_harehearse.streams import read_events

#: So long into a step, in seconds.
INTO_S = 0.5


def events_of(store: Path) -> list[Event]:
    """Return the events of the latest run of a store."""
    found = sorted((store / "runs").glob("*/events.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    return list(read_events(found[-1])) if found else []


def kill_in(runner: subprocess.Popen[str], store: Path, name: str, turn: int, within: float = 120.0) -> None:
    """Kill the whole group in the middle of the step of that name, the ``turn``-th one."""
    deadline = time.monotonic() + within
    while True:
        begun = [event for event in events_of(store) if isinstance(event, StepStarted) and event.name == name]
        if len(begun) >= turn:
            break
        assert runner.poll() is None, runner.stdout.read() if runner.stdout else ""
        assert time.monotonic() < deadline, f"{name} did not begin"
        time.sleep(0.02)
    time.sleep(INTO_S)
    os.killpg(runner.pid, signal.SIGKILL)
    runner.communicate()
