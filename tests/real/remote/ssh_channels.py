# SPDX-License-Identifier: MIT
"""Channels of the tests to an sshd of the tests, and what they leave behind."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from pytest_harehearse.remote.paramiko_channel import ParamikoChannel


def channel_to(server: Any, **changes: Any) -> ParamikoChannel:
    """Return a channel that knows everything; nothing of the user's own configuration takes part."""
    options: dict[str, Any] = {
        "port": server.port, "user": server.user, "keys": (server.key,), "known_hosts": server.known_hosts,
        "agent": False, "config": None,
    }  # fmt: skip
    return ParamikoChannel("web1", server.host, **(options | changes))


def through(server: Any, port: int, **changes: Any) -> ParamikoChannel:
    """Return a channel to the server by a proxy's port."""
    return channel_to(server, port=port, known_hosts=None, pinned=server.pin, **changes)


class Leftovers:
    """Counts threads and file descriptors against what there was at the beginning."""

    def __init__(self) -> None:
        self._threads = set(threading.enumerate())
        self._descriptors = len(list(Path("/proc/self/fd").iterdir()))

    def found(self, within: float = 3.0) -> list[str]:
        """Return what is left; it has a moment to go."""
        ends = time.monotonic() + within
        while True:
            threads = [thread.name for thread in threading.enumerate() if thread not in self._threads]
            more = len(list(Path("/proc/self/fd").iterdir())) - self._descriptors
            if not threads and more <= 0:
                return []
            if time.monotonic() > ends:
                return [*threads, f"{more} file descriptors"]
            time.sleep(0.05)
