# SPDX-License-Identifier: MIT
"""An sshd on loopback whose user has an empty home: what a login script of this machine costs is not measured."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import copying, processes

_WITHIN_S = 10.0


@contextlib.contextmanager
def sshd(folder: Path) -> Iterator[tuple[int, int]]:
    """Run it with throw-away keys in the folder; yields its port and its process id."""
    home = folder / "home"
    home.mkdir()
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=_WITHIN_S)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "sshd.conf"
    config.write_text(copying.CONFIG.format(port=port, folder=folder) + f"SetEnv HOME={home}\n")
    if os.geteuid() == 0:
        # It stays, as Debian's own unit has it: another sshd may be using it.
        copying.SEPARATION.mkdir(mode=0o755, exist_ok=True)
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "sshd"
    process = processes.spawn([program, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + _WITHIN_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                break
            if process.poll() is not None or time.monotonic() > ends:
                raise TimeoutError(f"sshd did not listen within {_WITHIN_S:.0f} s of its start")
            time.sleep(0.05)
        yield port, process.pid
    finally:
        processes.end(process)
