# SPDX-License-Identifier: MIT
"""Free the System V segment that a killed PostgreSQL leaves behind.

Line 7 of ``postmaster.pid`` names key and id of the segment (PostgreSQL's ``miscadmin.h``, LOCK_FILE_LINE_SHMEM_KEY).
It is freed only when the kernel says that it has that very key and nobody is attached.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

IPC_RMID = 0
SHMEM_LINE = 6


def _segment(pidfile: Path) -> tuple[int, int] | None:
    try:
        key, identifier = pidfile.read_text(encoding="utf-8").splitlines()[SHMEM_LINE].split()
        return int(key), int(identifier)
    except (OSError, ValueError, IndexError):
        return None


def unused(table: str) -> set[tuple[int, int]]:
    """Return (key, id) of the segments nobody is attached to, from the text of ``/proc/sysvipc/shm``."""
    lines = [line.split() for line in table.splitlines() if line.strip()]
    if not lines:
        return set()
    header, *rows = lines
    at = {name: index for index, name in enumerate(header)}
    return {(int(r[at["key"]]), int(r[at["shmid"]])) for r in rows if int(r[at["nattch"]]) == 0}


def free(home: Path) -> int:
    """Free the segments of every data folder below ``home`` whose server is dead; return how many."""
    segments = {s for pidfile in home.glob("*/*/data/postmaster.pid") if (s := _segment(pidfile)) is not None}
    if not segments:
        return 0
    try:
        idle = unused(Path("/proc/sysvipc/shm").read_text(encoding="ascii"))
    except OSError:
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    return sum(libc.shmctl(identifier, IPC_RMID, None) == 0 for _, identifier in segments & idle)
