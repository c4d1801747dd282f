# SPDX-License-Identifier: MIT
"""Two runs at the same cluster at once, from different stores: exactly one strikes, the other says who holds it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.chaos.ground import Ground
from tests.chaos.instants import Stream
from tests.chaos.round import begin, kill

#: Longer than the second waits for the first.
HOLD_S: Final = 8.0
_TEST: Final = f"""
import time

def test_one(cluster, faults):
    with faults.stack_kill(cluster.standbys[0]):
        time.sleep({HOLD_S})
"""


def both_at_once(ground: Ground) -> list[str]:
    """Begin two at the same instant; return what is wrong with how they ended."""
    folder = Path(tempfile.mkdtemp(prefix="harehearse-chaos-"))
    runs: list[subprocess.Popen[bytes]] = []
    try:
        runs.extend(begin(ground, folder / name, _TEST) for name in ("first", "second"))
        statuses = sorted(run.wait(timeout=120) for run in runs)
        struck, words = [], []
        for name in ("first", "second"):
            stream = Stream(folder / name / "store")
            struck.append(stream.read() == "ended" and stream.actions > 0)
            words.append(" ".join((folder / name / "said").read_text(errors="replace").split()))
    finally:
        for run in runs:
            kill(run)
        shutil.rmtree(folder, ignore_errors=True)
    wrong = []
    if struck.count(True) != 1 or statuses != [0, 1]:
        wrong.append(f"{struck.count(True)} of two struck, with status {statuses}: {' | '.join(words)[-1500:]}")
    elif not re.search(
        r"is being rehearsed (on )?by run r-\S+ .*since 2\S+ .*until .*one rehearsal at a time",
        words[struck.index(False)],
    ):
        wrong.append(f"it is not said who holds it: {words[struck.index(False)][-800:]}")
    return wrong
