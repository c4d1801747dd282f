# SPDX-License-Identifier: MIT
"""Run a program as uid 65534 in a user namespace of its own: ``python drop.py PROGRAM ARG…``.

For root in a folder that no other user can enter (a venv below /root): inside, the program is an unprivileged user, as
PostgreSQL demands; outside, it still owns its files. Uses nothing but the standard library and imports nothing of this
package, because it runs before every server.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
NOBODY = 65534


def enter() -> None:
    """Become uid 65534 in a new user namespace.

    Raises:
        OSError: when the kernel or the container forbids it.
    """
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"a user namespace was refused: {os.strerror(number)}")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {gid} 1", encoding="ascii")


if __name__ == "__main__":
    enter()
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - this is the whole purpose; the arguments come as a list
