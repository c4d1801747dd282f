# SPDX-License-Identifier: MIT
"""The processes of a lab: found by where they live, ended by pid, never by name.

Every process of a lab works in a folder below the lab's home; PostgreSQL's children overwrite their command line and
environment, but not their working directory. A pid may be used again by the time it is signalled, so a pidfd is
opened first and the folder checked after that: the signal then reaches the process that was checked, or nobody.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Found:
    """A living process below a folder."""

    pid: int
    cwd: Path
    command: str


def _cwd(pid: int) -> Path | None:
    try:
        # The kernel marks a removed folder; the process in it is still the lab's.
        return Path(str(Path(f"/proc/{pid}/cwd").readlink()).removesuffix(" (deleted)"))
    except OSError:
        return None


def _living(pid: int) -> bool:
    """A zombie is not alive, whatever ``kill -0`` says."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def below(home: Path) -> list[Found]:
    """Return the living processes that work in ``home`` or below, as far as this user may see them."""
    found = []
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        cwd = _cwd(pid)
        if pid != os.getpid() and cwd is not None and cwd.is_relative_to(home) and _living(pid):
            found.append(Found(pid, cwd, _command(pid)))
    return found


def send(process: Found, number: signal.Signals) -> bool:
    """Signal the process if it still is the one that was found; return whether it was signalled."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        if _cwd(process.pid) != process.cwd:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def reap(pids: Iterable[int]) -> None:
    """Collect ended children of this process, so that they do not linger as zombies."""
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue


def kill_all(home: Path, within: float = 10.0) -> list[int]:
    """SIGKILL everything below ``home`` until nothing is left; return the pids ended.

    Raises:
        TimeoutError: when something is still alive at the deadline; names it.
    """
    ended: dict[int, None] = {}
    deadline = time.monotonic() + within
    while left := below(home):
        for process in left:
            if send(process, signal.SIGKILL):
                ended[process.pid] = None
        reap(ended)
        if time.monotonic() > deadline:
            names = ", ".join(f"{p.pid} ({p.command[:60]})" for p in left)
            raise TimeoutError(f"still alive after {within:.0f} s: {names}")
        time.sleep(0.02)
    return list(ended)


def started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot: with its pid, its identity. None: it is not alive."""
    if not _living(pid):
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
