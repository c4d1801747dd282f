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
from collections.abc import Callable, Iterable
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


def speaking_of(folder: Path) -> list[Found]:
    """Return the living processes whose command line names ``folder``: monitors of containers work elsewhere."""
    found = []
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        command = _command(pid)
        if pid != os.getpid() and f"{folder}/" in command and _living(pid):
            found.append(Found(pid, _cwd(pid) or Path("/"), command))
    return found


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


def end_all(
    home: Path, within: float = 20.0, *, serves: Callable[[Found], bool] = lambda _: False,
    stop: signal.Signals = signal.SIGTERM,
) -> list[int]:  # fmt: skip
    """Ask what works below ``home`` to end, managers before what they manage, and SIGKILL what has not ended in time.

    Args:
        home: the folder.
        within: seconds.
        serves: what others manage: a manager may end it itself, in its own order, and is asked first.
        stop: the signal by which what serves ends at once and in order.

    Returns:
        The pids that had to be killed.

    Raises:
        TimeoutError: something is alive even then.
    """
    found = below(home)
    managers = _ask_to_end([process for process in found if not serves(process)], found, signal.SIGTERM)
    began = time.monotonic()
    while any(started(process.pid) is not None for process in managers) and time.monotonic() < began + within / 2:
        reap(process.pid for process in found)
        time.sleep(0.05)
    left = below(home)
    _ask_to_end([process for process in left if serves(process)], left, stop)
    while below(home) and time.monotonic() < began + within:
        reap(process.pid for process in found)
        time.sleep(0.05)
    return kill_all(home)


def _ask_to_end(those: Iterable[Found], among: Iterable[Found], number: signal.Signals) -> list[Found]:
    """Signal parents only, and return them: a server ends its own children, in its own order."""
    pids = {process.pid for process in among}
    asked = [process for process in those if parent(process.pid) not in pids]
    for process in asked:
        send(process, number)
    return asked


def parent(pid: int) -> int:
    """Return a process's parent; 0: it is gone."""
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def state(pid: int) -> str:
    """Return a process's state as the kernel abbreviates it, as T for stopped; empty: it is gone."""
    fields = _stat(pid)
    return fields[0] if fields else ""


def _stat(pid: int) -> list[str]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()


def started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot: with its pid, its identity. None: it is not alive."""
    if not _living(pid):
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])
