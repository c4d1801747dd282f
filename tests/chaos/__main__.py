# SPDX-License-Identifier: MIT
"""Kill rehearsals at random instants: ``python -m tests.chaos [valkey patroni lxd] [--seed S] [--rounds N | --round N]``."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.both import both_at_once
from tests.chaos.ground import NAMES, Ground
from tests.chaos.series import REDUNDANT_S, Series, play_series, summary

#: Environment → how many rehearsals are killed there by default.
ROUNDS = {"valkey": 90, "patroni": 30, "lxd": 80}
#: How often two runs want the same cluster at once.
TRIES = 10


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("where", nargs="*", metavar="|".join(NAMES), help="default: all of them")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="default: another one every time")
    parser.add_argument("--rounds", type=int, help="in each environment; default: 90, 30 and 80")
    parser.add_argument("--round", type=int, help="only the round of this number")
    parser.add_argument("--fault", action="append", default=[], help="only this fault; repeatable")
    parser.add_argument("--recover", type=int, default=3, metavar="K", help="every K-th round recovers at once")
    parser.add_argument("--lab", metavar="FILE:ENV", help="an inventory's lab that is up already; it is left up")
    options = parser.parse_args(words)
    # Not argparse's choices: some of its versions hold the empty list itself against them.
    for name in options.where:
        if name not in NAMES:
            parser.error(f"no environment {name!r}: one of {', '.join(NAMES)}")
    options.where = options.where or list(NAMES)
    return options


def main() -> int:
    """Read the command line and play."""
    options = arguments()
    # As Ctrl-C: the lab is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    several: list[Series] = []
    wrong: list[str] = []
    for name in options.where:
        folder = Path(tempfile.mkdtemp(prefix="harehearse-chaos-lab-"))
        file, _, environment = (options.lab or "").rpartition(":")
        ground = Ground(Path(file).resolve(), environment, theirs=True) if file else Ground.make(name, folder)
        try:
            ground.up()
            several.append(
                play_series(
                    ground, name, seed=options.seed, rounds=options.rounds or ROUNDS[name], say=_say,
                    faults=options.fault, only=options.round, every=options.recover,
                )
            )  # fmt: skip
            if name == "valkey" and options.round is None and not options.fault:
                wrong = _both(ground)
        finally:
            ground.down()
            shutil.rmtree(folder, ignore_errors=True)
    _say("\n" + "\n".join([summary(several), *wrong]))
    return 1 if wrong or any(series.bad for series in several) else 0


def _both(ground: Ground) -> list[str]:
    """Let two runs want the cluster at once, several times; return what was wrong."""
    wrong = []
    for attempt in range(1, TRIES + 1):
        ground.free()
        ground.until_redundant(REDUNDANT_S)
        found = both_at_once(ground)
        _say(f"two at once, {attempt} of {TRIES}: {'; '.join(found) or 'one struck, the other said who holds it'}")
        wrong += found
    return wrong


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
