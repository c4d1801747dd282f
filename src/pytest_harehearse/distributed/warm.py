# SPDX-License-Identifier: MIT
"""Many workers at once: forked from one interpreter that has imported everything, where starting each would take a minute."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

#: What a worker imports at the latest with the end of its first rehearsal, besides plugins.
MODULES: Final = (
    "execnet.gateway_base", "xdist.remote", "pytest_harehearse.distributed.worker", "pytest_harehearse.inventory.load",
    "pytest_harehearse.inventory.checks", "pytest_harehearse.inventory.problems",
    "pytest_harehearse.rehearsal.controller", "pytest_harehearse.rehearsal.session", "pytest_harehearse.report.live",
    "pytest_harehearse.report.session",
)  # fmt: skip
#: What an installed plugin imports at the end of each worker: distribution → module.
LATE: Final = {"hypothesis": "hypothesis.internal.observability"}
#: Seconds that the server is given to end after its last worker.
END_S: Final = 10.0


class Warm:
    """The server of a run; see ``fork_server.py`` for what it does, and ``stand_in.py`` for what xdist starts of it."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="harehearse-workers-"))
        here = Path(__file__).parent
        path = self._folder / "socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(8)
            text = (here / "fork_server.py").read_text(encoding="utf-8")
            late = [module for name, module in LATE.items() if find_spec(name) is not None]
            # By its text: a script's folder would be searched before the standard library.
            self._server = subprocess.Popen(
                [sys.executable, "-u", "-c", text, str(listener.fileno()), str(self._folder), ",".join([*MODULES, *late])],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[listener.fileno()],
            )  # fmt: skip
        self._python = shlex.join([sys.executable, "-I", "-S", str(here / "stand_in.py"), str(path)])

    def take(self, specs: Sequence[Any]) -> None:
        """Let the workers of these be forked.

        Args:
            specs: execnet's, each of a worker that :func:`possible` allows.
        """
        for spec in specs:
            spec.python = self._python

    def end(self) -> None:
        """End the server, after its workers; they are gone before, unless they do not end."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        try:
            self._server.wait(END_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        if self._folder.exists():
            # It was killed before it could.
            shutil.rmtree(self._folder)


def possible(specs: Sequence[Any]) -> list[Any]:
    """Return the workers that are worth forking: those on this machine with this interpreter, if more than processors."""
    if not hasattr(os, "pidfd_open"):
        return []
    found = [spec for spec in specs if spec.popen and not spec.via and not spec.python]
    return found if len(found) > len(os.sched_getaffinity(0)) else []
