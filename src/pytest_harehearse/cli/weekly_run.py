# SPDX-License-Identifier: MIT
"""Run one command of the weekly run with a deadline; one that must be stopped is given the time to undo what it did."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Final, Protocol

from pytest_harehearse.cli.weekly_plan import Ended
from pytest_harehearse.units import show

#: How long a command may take to end after each signal, in seconds: a rehearsal undoes its faults on the first.
GRACE: Final = ((signal.SIGINT, 120.0), (signal.SIGTERM, 20.0), (signal.SIGKILL, 10.0))


class Run(Protocol):
    """Runs what follows the interpreter on its command line."""

    def __call__(self, command: Sequence[str], *, within: float, capture: bool, environ: Mapping[str, str]) -> Ended:
        """Return how it ended; ``within`` is seconds, and without ``capture`` it writes where we do."""
        ...


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the weekly run as Ctrl-C does: labs are removed, the summary is written."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(command: Sequence[str], *, within: float, capture: bool, environ: Mapping[str, str]) -> Ended:
    """Run a module of this interpreter; see :class:`Run`.

    Raises:
        KeyboardInterrupt: we were stopped; the command has ended by then.
    """
    pipe = subprocess.PIPE if capture else None
    try:
        # A session of its own: Ctrl-C comes to us, and we hand it on once.
        process = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, errors="replace",
            env={**os.environ, **environ}, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return Ended(None, why=f"could not be started: {error}")
    with process:
        try:
            out, err = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            out, err = _stop(process)
            return Ended(None, out, err, f"was stopped: it had not ended within {show(within)}")
        except KeyboardInterrupt:
            _stop(process)
            raise
    return Ended(process.returncode, out or "", err or "")


def _stop(process: subprocess.Popen[str]) -> tuple[str, str]:
    """End a command, at first gently; return what it said."""
    for number, within in GRACE:
        with contextlib.suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            out, err = process.communicate(timeout=within)
            return out or "", err or ""
    return "", ""
