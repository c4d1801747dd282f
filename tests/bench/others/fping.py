# SPDX-License-Identifier: MIT
"""fping -p 10 -o in a network namespace of its own, whose kernel stops answering pings by script.

fping asks an address, not a service, so it gets an address that can be cut: loopback of a namespace without a name,
which is gone with its last process. No rule is set and no interface made; a switch is one write to
``net.ipv4.icmp_echo_ignore_all`` of that namespace.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tests.bench import processes
from tests.bench.others.base import Heard, Other, wall_offset
from tests.bench.others.samples import Sample
from tests.bench.script import Episode

_LINE = re.compile(r"^\[(\d+\.\d+)\] \S+ +: \[(\d+)\], (timed out|\d+ bytes)")
_TOTAL = re.compile(r"outage\(ms\) = (\d+)")


def parse(text: str, offset: float) -> tuple[list[Sample], float | None]:
    """Read fping's lines; return the samples and the outage (seconds) that ``-o`` states for the whole run."""
    samples, total = [], None
    for line in text.splitlines():
        if match := _LINE.match(line):
            samples.append(Sample(float(match[1]) + offset, match[3] != "timed out"))
        elif match := _TOTAL.search(line):
            total = int(match[1]) / 1000
    return sorted(samples, key=lambda s: s.at), total


def _unshare() -> list[str] | None:
    """Return how a namespace is made here; None when it cannot be."""
    for command in (["unshare", "-n"], ["unshare", "-rn"]):
        if (
            shutil.which("unshare")
            and subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0
        ):
            return command
    return None


class Fping(Other):
    """fping."""

    name = "fping -p 10 -o"
    how = "fping -l -D -o -p 10 ADDRESS; the echo answers of the address are switched off (pings only)"
    period: ClassVar[float] = 0.01
    served = False

    @classmethod
    def limitation(cls) -> str | None:
        """Return why it cannot run here."""
        if not shutil.which("fping"):
            return "fping (Debian) is not installed"
        if not shutil.which("ip"):
            return "ip (Debian: iproute2) is not installed"
        if _unshare() is None:
            return "neither root nor unprivileged network namespaces, so no address that can be cut"
        return None

    def start(self, url: str, folder: Path, script: Sequence[Episode], lasts: float) -> None:
        """Start the namespace and fping in it."""
        self._file, self._said = folder / "fping.txt", folder / "fping-truth.json"
        steps = [
            (at, value, e.label) for e in script for span in e.spans for at, value in zip(span, ("1", "0"), strict=True)
        ]
        spec = {"steps": steps, "file": str(self._file), "truth": str(self._said)}
        command = [*(_unshare() or []), sys.executable, "-m", "tests.bench.others.pinged"]
        # Not killed with the bench but told by the end of stdin, so that it ends fping first.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self._tell(spec)
        if processes.line(self._process, 10.0) != b"ready\n":
            raise RuntimeError("fping could not be started in its namespace; its error is above")

    def _tell(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write((json.dumps(what) + "\n").encode())
        self._process.stdin.flush()

    def go(self, begin: float) -> None:
        """Begin the script."""
        self._tell({"go": begin})

    def stop(self) -> Heard:
        """End fping and read what it said."""
        self._process.communicate(timeout=20.0)
        said = json.loads(self._said.read_text())
        samples, total = parse(self._file.read_text(errors="replace"), wall_offset())
        summed = self.period * sum(not sample.good for sample in samples)
        notes = (
            []
            if total is None
            else [f"{self.name}: its -o states {total:.2f} s in all; its lines add up to {summed:.2f} s"]
        )
        return Heard(samples, said["cpu"], notes, said)

    def close(self) -> None:
        """End it, if it runs still."""
        processes.end(self._process)
