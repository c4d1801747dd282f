# SPDX-License-Identifier: MIT
"""The connections of the system's ssh to one host: made when needed, shared, retired when not to be trusted, ended."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

from pytest_harehearse.remote.base import Unreachable
from pytest_harehearse.remote.openssh_master import Master, Target, environment
from pytest_harehearse.units import show

#: A socket's path may have 107 bytes, and ssh appends 17 while it makes one.
_LONGEST_FOLDER: Final = 70
_PREFIX: Final = "hare-"
#: An empty folder is nobody's after this (seconds); a socket is there long before.
_STALE_S: Final = 120.0


class Connections:
    """The connections to one host. A retired one takes no more sessions and ends with its last."""

    def __init__(self, target: Target, connect_timeout: float) -> None:
        self._target = target
        self._connect_timeout = connect_timeout
        self._state = threading.Lock()
        self._connecting = threading.Lock()
        self._masters: list[Master] = []
        self._folder: Path | None = None
        self._numbers = itertools.count(1)
        self._owner = os.getpid()
        self.environment = environment()

    def lease(self, until: float) -> Master | Unreachable:
        """Return a connection with room for a session, made now if need be."""
        begun = time.monotonic()
        if (master := self._free()) is not None:
            return master
        if not self._connecting.acquire(timeout=max(0.0, until - begun)):
            reason = f"{self._target.url}: not sent; the connection was still being made after {show(until - begun)}"
            return Unreachable(reason, time.monotonic() - begun)
        try:
            if (master := self._free()) is not None:
                return master
            left = until - time.monotonic()
            if left <= 0:
                return Unreachable(f"{self._target.url}: not sent; no time was left", time.monotonic() - begun)
            return self._connect(left)
        finally:
            self._connecting.release()

    def _free(self) -> Master | None:
        with self._state:
            for master in list(self._masters):
                if not master.look():
                    self._masters.remove(master)
                    master.end(politely=False)
                elif not master.is_retired and master.users < master.most:
                    master.users += 1
                    master.is_full = False
                    return master
        return None

    def _connect(self, within: float) -> Master | Unreachable:
        with self._state:
            if self._folder is None or not self._folder.is_dir():
                self._folder = private_folder()
            # In use, as far as others that sweep are concerned.
            os.utime(self._folder)
            socket = self._folder / str(next(self._numbers))
        master = Master(self._target, socket, self.environment)
        trouble = master.connect(within, self._connect_timeout)
        if trouble is not None:
            return trouble
        with self._state:
            master.users = 1
            self._masters.append(master)
        return master

    def release(self, master: Master, *, retire: bool = False) -> None:
        """Give a session back. ``retire``: the connection is not to be trusted any more."""
        with self._state:
            master.users -= 1
            master.is_retired = master.is_retired or retire
            if master.is_retired and master.users <= 0 and master in self._masters:
                self._masters.remove(master)
                master.end(politely=False)

    def full(self, master: Master) -> None:
        """Note that the host takes no more sessions over this connection than it has now."""
        with self._state:
            master.is_full = master.users > 1
            master.most = max(1, master.users - 1)
            # Not even one session beside the master's own: there is no use in this connection.
            master.is_retired = master.is_retired or master.users <= 1

    def clear(self) -> None:
        """End all connections and remove their folder."""
        if os.getpid() != self._owner:
            # A fork of the process that holds them: they are not ours to end.
            return
        with self._state:
            masters, self._masters = self._masters, []
            folder, self._folder = self._folder, None
            for master in masters:
                master.end(politely=not master.is_retired)
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def private_folder() -> Path:
    """Make a folder for sockets that only we may enter, its path short enough for one."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    for place in (runtime, tempfile.gettempdir(), "/tmp"):  # noqa: S108
        if place and len(place) < _LONGEST_FOLDER and os.access(place, os.W_OK | os.X_OK):
            _sweep(Path(place))
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    return Path(tempfile.mkdtemp(prefix=_PREFIX))


def _sweep(place: Path) -> None:
    """Remove the empty folders of processes that were killed; their ssh has ended by itself, and its socket with it."""
    for path in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            found = path.lstat()
            if found.st_uid == os.geteuid() and time.time() - found.st_mtime > _STALE_S:
                path.rmdir()
