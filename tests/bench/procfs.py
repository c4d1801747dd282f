# SPDX-License-Identifier: MIT
"""What the kernel counts about a process and the machine: processor time, memory, stolen time."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def _children(pid: int) -> list[int]:
    found = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return found


def cpu(pid: int) -> float:
    """Return the processor seconds of a process, of the children it waited for, and of those that run.

    Raises:
        OSError: when the process is gone.
    """
    # The name may hold blanks; what follows it does not.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total = sum(int(field) for field in fields[11:15]) / _TICKS
    for child in _children(pid):
        try:
            total += cpu(child)
        except OSError:
            continue
    return total


def alone(pid: int) -> float:
    """Return the processor seconds of a process alone.

    Raises:
        OSError: when the process is gone.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def family(pid: int) -> list[int]:
    """Return a process and all that are below it now."""
    return [pid, *(one for child in _children(pid) for one in family(child))]


def rss(pid: int) -> int:
    """Return the resident memory of a process in bytes.

    Raises:
        OSError: when the process is gone.
    """
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def machine() -> tuple[float, float]:
    """Return the processor seconds that all cores were busy, and those that were stolen, since the machine began."""
    user, nice, system, _, _, irq, soft, steal = (
        int(field) / _TICKS for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return user + nice + system + irq + soft, steal
