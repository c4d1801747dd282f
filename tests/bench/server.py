# SPDX-License-Identifier: MIT
"""The parent's side of the scripted service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from types import TracebackType
from typing import Self

from tests.bench.script import Step, Truth

#: "too slow" answers after this (seconds): later than any deadline used here.
TOO_SLOW_S = 0.2


def cpu(pid: int) -> float:
    """Return the processor seconds of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss(pid: int) -> int:
    """Return the resident memory of a process in KiB."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


class Server:
    """A running scripted service; use it in a ``with`` block."""

    def __init__(self, scripts: Mapping[str, Sequence[Step]], *, lead: float = 2.0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.scripted_server"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        targets = {name: [[s.at, s.length, s.shape] for s in script] for name, script in scripts.items()}
        self._process.stdin.write(json.dumps({"targets": targets, "slow": TOO_SLOW_S, "lead": lead}) + "\n")
        self._process.stdin.flush()
        self.ports: dict[str, int] = self._line()["ports"]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def url(self, name: str) -> str:
        """Return the URL of a target."""
        return f"http://127.0.0.1:{self.ports[name]}/"

    def truth(self) -> dict[str, list[Truth]]:
        """Wait until every script is carried out; return what was done."""
        return {name: _truths(rows) for name, rows in self._line()["truth"].items()}

    def _line(self) -> dict[str, dict]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the scripted server ended")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _truths(rows: list[list]) -> list[Truth]:
    found = []
    for _, group in groupby(rows, key=lambda row: row[0]):
        parts = list(group)
        least = sum(ending - begun for _, _, _, begun, ending, _ in parts)
        most = sum(ended - began for _, _, began, _, _, ended in parts)
        found.append(Truth(parts[0][1], parts[0][2], parts[-1][5], least, most, len(parts)))
    return found
