# SPDX-License-Identifier: MIT
"""Start a server of an embedded lab in a folder of its own, and end all of them without a trace."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.embedded import stack
from pytest_harehearse.labs.embedded.privilege import Privilege

#: Settings of the caller's shell that would change what the servers or their clients do.
_FOREIGN = ("PG", "PATRONI_", "ETCD_", "ETCDCTL_")

#: Children are kept so that they are collected, and not taken for forgotten by the garbage collector.
_CHILDREN: list[subprocess.Popen[bytes]] = []


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "LC_ALL": "C", "TZ": "UTC"}


def spawn(privilege: Privilege, command: list[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a server in its folder, in a session of its own, logging to ``log``."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            [*privilege.prefix, *command],
            cwd=folder, env=_environment(folder), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, **privilege.popen,
        )  # fmt: skip
    _CHILDREN.append(child)
    return child


def make_folder(privilege: Privilege, folder: Path) -> Path:
    """Make a server's folder, owned by the user it runs as."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if privilege.owner is not None:
        os.chown(folder, *privilege.owner)
    return folder


def write_settings(privilege: Privilege, file: Path, text: str) -> Path:
    """Write a server's settings, readable by the user it runs as and by nobody else."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    if privilege.owner is not None:
        os.chown(file, *privilege.owner)
    return file


def tail(log: Path, lines: int = 5) -> str:
    """Return the last lines of a log, for an error message."""
    try:
        return "\n".join(line[:200] for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def reap() -> None:
    """Collect the children that have ended."""
    _CHILDREN[:] = [child for child in _CHILDREN if child.poll() is None]


def remove(home: Path) -> None:
    """End every process of the lab and remove its home, whatever it ran.

    Raises:
        LabError: when a process or a file stays; names it.
    """
    kinds = stack.kinds()
    try:
        for kind in kinds:
            kind.end_first(home)
        processes.kill_all(home)
        for kind in kinds:
            kind.sweep(home)
        reap()
        if home.exists():
            shutil.rmtree(home)
    except (TimeoutError, OSError) as error:
        raise LabError(f"The lab in {home} could not be removed whole: {error}") from error
