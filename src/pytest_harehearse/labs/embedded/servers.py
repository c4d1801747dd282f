# SPDX-License-Identifier: MIT
"""Start the servers of an embedded lab, and end them without a trace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.embedded import config, shared_memory
from pytest_harehearse.labs.embedded.privilege import Privilege
from pytest_harehearse.labs.embedded.wheels import Binaries
from pytest_harehearse.labs.home import LabState

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


def start_etcd(home: Path, binaries: Binaries, privilege: Privilege, addresses: tuple[str, ...]) -> None:
    """Start every etcd member."""
    for index in range(len(addresses)):
        folder = make_folder(privilege, home / f"etcd{index}")
        command = config.etcd_command(binaries.etcd, index, addresses, folder / "data")
        spawn(privilege, command, folder, home / "log" / f"etcd{index}.log")


def etcd_limitation(addresses: tuple[str, ...]) -> str | None:
    """Return which etcd member has no leader yet; None when all have one.

    Patroni asked too early waits out a read timeout of 3.3 s (measured 2026-11) before it asks again.
    """
    for address in addresses:
        try:
            with urllib.request.urlopen(f"http://{address}:{config.ETCD_CLIENT}/health", timeout=1.0) as answer:
                if json.load(answer).get("health") != "true":
                    return f"etcd on {address} has no leader"
        except (OSError, ValueError) as error:
            return f"etcd on {address} does not answer: {error}"
    return None


def start_patroni(
    home: Path, binaries: Binaries, privilege: Privilege, state: LabState, cluster: str, node: str
) -> None:
    """Start one node's Patroni, which starts its PostgreSQL."""
    folder = make_folder(privilege, node_folder(home, cluster, node))
    text = config.patroni(
        scope=cluster, node=node, place=state.clusters[cluster][node], etcd=state.etcd, postgres=binaries.postgres,
        folder=folder, secret=state.secrets["postgres"],
        standbys=len(state.clusters[cluster]) - 1,
    )  # fmt: skip
    file = folder / "patroni.yml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    if privilege.owner is not None:
        os.chown(file, *privilege.owner)
    spawn(privilege, [sys.executable, "-m", "patroni", str(file)], folder, log_of(home, cluster, node))


def node_folder(home: Path, cluster: str, node: str) -> Path:
    """Where a node's servers work."""
    return home / cluster / node


def log_of(home: Path, cluster: str, node: str) -> Path:
    """A node's log: Patroni's and PostgreSQL's together."""
    return home / "log" / f"{cluster}-{node}.log"


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
    """End every process of the lab and remove its home.

    PostgreSQL is ended by SIGQUIT first, for then it frees its shared memory by itself; Patroni before that, or it
    would start PostgreSQL again.

    Raises:
        LabError: when a process or a file stays; names it.
    """
    found = processes.below(home)
    patronis = [p for p in found if "-m patroni" in p.command]
    postmasters = [p for p in found if (p.cwd / "postmaster.pid").exists() and _is_postmaster(p)]
    for process in (*patronis, *postmasters):
        processes.send(process, signal.SIGKILL if process in patronis else signal.SIGQUIT)
    deadline = time.monotonic() + 3
    while any(processes.started(p.pid) is not None for p in postmasters) and time.monotonic() < deadline:
        reap()
        time.sleep(0.02)
    try:
        processes.kill_all(home)
        shared_memory.free(home)
        reap()
        if home.exists():
            shutil.rmtree(home)
    except (TimeoutError, OSError) as error:
        raise LabError(f"The lab in {home} could not be removed whole: {error}") from error


def _is_postmaster(process: processes.Found) -> bool:
    try:
        return int((process.cwd / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0]) == process.pid
    except (OSError, ValueError):
        return False
