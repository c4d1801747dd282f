# SPDX-License-Identifier: MIT
"""One round: a rehearsal with one fault is begun, killed with all of its group, and what stays is looked for."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos.ground import Ground
from tests.chaos.instants import DOING, Instant, Stream, choose, wait_for
from tests.chaos.options import DEAD_MAN_S, how
from tests.chaos.residue import Baseline, of_run

#: What a busy machine may add to a dead-man's time until the last trace is gone.
ALLOWANCE_S: Final = 40.0
#: After a recover there is nothing to wait for but a watcher's last look.
SOON_S: Final = 15.0
REDUNDANT_S: Final = 150.0

_TEST: Final = '''"""Strikes one fault, and is killed."""

import time


def test_it_is_killed(cluster, faults):
    """Holds the fault until it is killed, or undoes it."""
    role = {role!r}
    node = cluster.active if role == "active" else cluster.standbys[0]
    with faults.{fault}(node, **{options!r}):
        time.sleep({hold!r})
'''


@dataclass(frozen=True, slots=True)
class Choice:
    """What chance made of a round; the same for the same seed, number and list of faults."""

    ground: str
    seed: int
    number: int
    fault: str
    role: str
    hold: float
    instant: Instant
    #: True: ``harehearse recover`` is run at once, instead of waiting for the timers.
    recover: bool

    @property
    def command(self) -> str:
        """What repeats it."""
        return f"python -m tests.chaos {self.ground} --seed {self.seed} --round {self.number} --fault {self.fault}"

    def __str__(self) -> str:
        by = "recover" if self.recover else "timer"
        return f"{self.ground} #{self.number} {self.fault} on the {self.role}, killed {self.instant}, then {by}"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a round."""

    choice: Choice
    #: What was going on at the kill; "ended": it had come to its end by itself.
    doing: str
    #: What was left right after the kill: empty when there was nothing to heal.
    struck: bool
    #: Until the last trace was gone, and until the cluster was whole (seconds since the kill).
    clean_s: float | None
    whole_s: float | None
    #: What stayed, or went wrong; empty: the round is good.
    findings: tuple[str, ...] = ()

    @property
    def killed(self) -> bool:
        """Whether there was something left to kill."""
        return self.doing != "ended"


def choose_round(ground: str, seed: int, number: int, faults: Sequence[str], *, every: int = 3) -> Choice:
    """Return a round by chance; each fault comes as often as the others, every so many rounds recover is used."""
    order = list(faults)
    cycle = (number - 1) // len(order)
    random.Random(f"{seed}/{ground}/{cycle}").shuffle(order)
    fault = order[(number - 1) % len(order)]
    chance = random.Random(f"{seed}/{ground}/{number}")
    hold = chance.uniform(0.3, 2.5)
    wanted = how(fault).role
    role = chance.choice(["active", "standby"]) if wanted == "either" else wanted
    return Choice(ground, seed, number, fault, role, hold, choose(chance, hold), recover=chance.random() < 1 / every)


def play(ground: Ground, choice: Choice, baseline: Baseline) -> Result:
    """Play one round. What it finds is told, never raised; the lab is as the round left it."""
    folder = Path(tempfile.mkdtemp(prefix="harehearse-chaos-"))
    try:
        return _play(ground, choice, baseline, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def begin(ground: Ground, folder: Path, test: str, *options: str) -> subprocess.Popen[bytes]:
    """Start a pytest on a test of that text, in a session and group of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_chaos.py").write_text(test)
    words = [
        "-m", "pytest", "-p", "no:cacheprovider", str(folder / "test_chaos.py"), "--rootdir", str(folder),
        "--harehearse-config", str(ground.inventory), "--harehearse-env", ground.environment,
        "--harehearse-store", str(folder / "store"), *options,
    ]  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    with (folder / "said").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, *words], cwd=folder, env=kept, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL a process with all of its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)


def _play(ground: Ground, choice: Choice, baseline: Baseline, folder: Path) -> Result:
    test = _TEST.format(role=choice.role, fault=choice.fault, options=how(choice.fault).options, hold=choice.hold)
    process = begin(ground, folder, test)
    stream = Stream(folder / "store")
    try:
        in_time = wait_for(choice.instant, stream, process)
    finally:
        kill(process)
    killed = time.monotonic()
    doing = DOING[stream.read()] if in_time else "ended"
    findings: list[str] = []
    if not in_time and process.returncode != 0:
        tail = (folder / "said").read_text(errors="replace").strip().splitlines()[-12:]
        findings.append(f"the run ended by itself with status {process.returncode}: " + " | ".join(tail))
    left = baseline.left(ground)
    lacking = ground.state().redundancy_limitation()
    struck = bool(left) or lacking is not None
    if choice.recover and in_time:
        findings += recover(ground, folder / "elsewhere")
        limit = killed + (time.monotonic() - killed) + SOON_S
    else:
        limit = killed + DEAD_MAN_S + ALLOWANCE_S
    clean_s, left = _until(lambda: [*baseline.left(ground), *of_run(folder)], killed, limit)
    findings += [f"left after {time.monotonic() - killed:.0f} s: {one}" for one in left]
    whole_s, short = _until(
        lambda: [one for one in [ground.state().redundancy_limitation()] if one], killed, killed + REDUNDANT_S
    )
    findings += [f"not whole after {REDUNDANT_S:.0f} s: {one}" for one in short]
    # A node that was fenced or powered on late may bring something back, or something of a strike may come late.
    if not findings:
        findings += [f"back again: {one}" for one in baseline.left(ground)]
    ground.free()
    return Result(choice, doing, struck, clean_s, whole_s, tuple(findings))


def recover(ground: Ground, empty: Path) -> list[str]:
    """Run ``harehearse recover`` from an empty folder that knows the inventory alone; return what is wrong with it."""
    empty.mkdir()
    said = ground.command("recover", ground.identity, "--config", str(ground.inventory), cwd=empty, within=180)
    if said.returncode != 0:
        tail = (said.stdout + said.stderr).strip().splitlines()[-8:]
        return [f"harehearse recover ended with status {said.returncode}: " + " | ".join(tail)]
    return []


def _until(left: Callable[[], list[str]], since: float, limit: float) -> tuple[float | None, list[str]]:
    """Wait until nothing is left; return after how long, or what was left at the end."""
    while found := left():
        if time.monotonic() > limit:
            return None, found
        time.sleep(0.3)
    return time.monotonic() - since, []
