# SPDX-License-Identifier: MIT
"""A real sshd on loopback and paramiko copying a large file to it: ``python -m tests.bench.copying FOLDER``.

A process of its own, with a throw-away key in the folder. Says ``{"ready": true}`` when connected, copies until
stdin ends, then says ``{"mib": …}``; or ``{"skipped": REASON}`` at once.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.bench import processes

CONFIG: Final = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/user.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
LogLevel FATAL
"""
SIZE_MIB: Final = 128
#: sshd refuses to start as root without this folder.
SEPARATION: Final = Path("/run/sshd")


class Over(Exception):
    """stdin has ended."""


def limitation() -> str | None:
    """Return what is missing here; None when nothing is."""
    try:
        import paramiko  # noqa: F401
    except ImportError:
        return "paramiko is not installed"
    if not shutil.which("sshd", path=_path()):
        return "sshd (Debian: openssh-server) is not installed"
    if not shutil.which("ssh-keygen"):
        return "ssh-keygen (Debian: openssh-client) is not installed"
    return None


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def say(message: dict[str, Any]) -> None:
    """Say one line."""
    print(json.dumps(message), flush=True)


@contextlib.contextmanager
def sshd(folder: Path) -> Iterator[int]:
    """Run sshd; yields its port."""
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "sshd.conf").write_text(CONFIG.format(port=port, folder=folder))
    made = os.geteuid() == 0 and not SEPARATION.exists()
    if made:
        SEPARATION.mkdir(mode=0o755)
    program = shutil.which("sshd", path=_path()) or "sshd"
    process = processes.spawn([program, "-D", "-e", "-f", str(folder / "sshd.conf")], stdin=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + 10.0
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                break
            if process.poll() is not None or time.monotonic() > ends:
                raise TimeoutError("sshd did not listen within 10 s of its start")
            time.sleep(0.05)
        yield port
    finally:
        processes.end(process)
        if made:
            SEPARATION.rmdir()


def copy(folder: Path) -> None:
    """Copy until stdin ends."""
    import paramiko

    large = folder / "large"
    large.write_bytes(os.urandom(1 << 20) * SIZE_MIB)
    whole, part, begun = 0, 0, time.monotonic()

    def look(done: int, total: int) -> None:
        nonlocal part
        part = done
        if select.select([0], [], [], 0.0)[0]:
            raise Over

    with sshd(folder) as port, paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            "127.0.0.1",
            port,
            getpass.getuser(),
            key_filename=str(folder / "user"),
            look_for_keys=False,
            allow_agent=False,
            timeout=10.0,
            banner_timeout=10.0,
            auth_timeout=10.0,
        )
        with client.open_sftp() as sftp:
            say({"ready": True})
            with contextlib.suppress(Over):
                while True:
                    sftp.put(str(large), str(folder / "copy"), callback=look, confirm=False)
                    whole, part = whole + SIZE_MIB, 0
    say({"mib": whole + part / 2**20, "seconds": time.monotonic() - begun})


def main() -> None:
    """Copy, or say why not."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    reason = limitation()
    if reason is not None:
        say({"skipped": reason})
        return
    copy(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
