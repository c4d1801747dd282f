# SPDX-License-Identifier: MIT
"""The loop that everybody writes: date, curl, sleep 0.1."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tests.bench import processes
from tests.bench.others.base import Heard, Other, wall_offset
from tests.bench.others.samples import Sample
from tests.bench.script import Episode

#: It also ends when the bench is gone.
LOOP = (
    "while kill -0 {pid} 2>/dev/null; do date +%s.%N; "
    "curl -s -o /dev/null -m 1 -w '%{{http_code}}\\n' {url}; sleep 0.1; done"
)


def parse(text: str, offset: float) -> list[Sample]:
    """Read pairs of lines, time and status; the last may be torn. 000 is curl's word for no answer."""
    lines = text.split()
    pairs = zip(lines[::2], lines[1::2], strict=False)
    return [Sample(float(at) + offset, status[0] in "23") for at, status in pairs if len(status) == 3]


class Curl(Other):
    """curl in a loop."""

    name = "curl loop"
    how = "while true; do date +%s.%N; curl -s -o /dev/null -m 1 -w '%{http_code}\\n' URL; sleep 0.1; done"
    period: ClassVar[float] = 0.1

    @classmethod
    def limitation(cls) -> str | None:
        """Return why it cannot run here."""
        return None if shutil.which("curl") and shutil.which("bash") else "curl or bash is not installed"

    def start(self, url: str, folder: Path, script: Sequence[Episode], lasts: float) -> None:
        """Start the loop."""
        self._file = folder / "curl.txt"
        with self._file.open("wb") as out:
            loop = LOOP.format(pid=os.getpid(), url=url)
            self._process = processes.spawn(["bash", "-c", loop], stdout=out, stderr=subprocess.DEVNULL)

    def stop(self) -> Heard:
        """End the loop."""
        cpu = processes.end(self._process)
        return Heard(parse(self._file.read_text(), wall_offset()), cpu)

    def close(self) -> None:
        """End the loop, if it runs still."""
        processes.end(self._process)
