# SPDX-License-Identifier: MIT
"""Processes of the bench: none outlives it, whatever ends it."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own that is killed when the bench is gone."""
    return subprocess.Popen(list(command), start_new_session=True, preexec_fn=_die_with_parent, **options)  # noqa: PLW1509


def module(name: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start a module of the bench as a process."""
    return spawn([sys.executable, "-m", f"tests.bench.{name}", *arguments], **options)


def line(process: subprocess.Popen[bytes], within: float) -> bytes:
    """Return the next line that a process says on its pipe; nothing when it says none within so many seconds.

    For processes that say one line and then wait: what is read ahead would not be seen again.
    """
    assert process.stdout is not None
    return process.stdout.readline() if select.select([process.stdout], [], [], within)[0] else b""


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM, within: float = 20.0) -> float:
    """End a process and all of its session; return the processor seconds of it and the children it waited for."""
    if process.returncode is not None:
        return 0.0
    try:
        os.killpg(process.pid, how)
        used = _wait(process, within)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return used


def _wait(process: subprocess.Popen[bytes], within: float) -> float:
    ends = time.monotonic() + within
    while time.monotonic() < ends:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return used.ru_utime + used.ru_stime
        time.sleep(0.02)
    return 0.0
