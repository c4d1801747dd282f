# SPDX-License-Identifier: MIT
"""A real sshd on loopback with keys of its own; it can be stopped, frozen, killed and started again."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
#: sshd refuses to start as root without this folder, which Debian's unit makes. It stays: another sshd may be using it.
SEPARATION = Path("/run/sshd")
# HOME, so that what the user starts each shell with (slow, or talkative) is no part of the tests.
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
TrustedUserCAKeys {folder}/authority.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
LogLevel VERBOSE
MaxStartups 200
SetEnv HOME={folder}
Subsystem sftp internal-sftp
"""


def limitation() -> str | None:
    """Return what is missing here; None when nothing is."""
    if shutil.which("sshd", path=PATH) is None:
        return "sshd (Debian: openssh-server) is not installed"
    if shutil.which("ssh-keygen") is None:
        return "ssh-keygen (Debian: openssh-client) is not installed"
    return None


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def new_key(path: Path, *, passphrase: str = "", kind: str = "ed25519") -> Path:
    """Make a key pair; return the private one's path."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
    return path


def children(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found = [pid]
    for process in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{process}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


class Sshd:
    """A running sshd: ``port``, ``user``, ``key`` (accepted), ``known_hosts``, ``pin`` (its host key's line)."""

    host = "127.0.0.1"

    def __init__(self, folder: Path, *, config: str = "", port: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, port or free_port()
        self.user = getpass.getuser()
        self.key = new_key(folder / "user")
        self.log = folder / "sshd.log"
        self.known_hosts = folder / "known_hosts"
        self.new_host_key()
        self.authority = new_key(folder / "authority")
        (folder / "authorized_keys").write_text(self.public(self.key))
        # The first value of a keyword counts, so what a test wants stands first.
        (folder / "sshd.conf").write_text(config + "\n" + CONFIG.format(port=self.port, folder=folder))
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @staticmethod
    def public(key: Path) -> str:
        return key.with_name(f"{key.name}.pub").read_text()

    @property
    def pin(self) -> str:
        return self.public(self.folder / "host").strip()

    def new_host_key(self) -> None:
        """Give it another host key; ``known_hosts`` is right about the first one only."""
        for path in (self.folder / "host", self.folder / "host.pub"):
            path.unlink(missing_ok=True)
        new_key(self.folder / "host")
        if not self.known_hosts.exists():
            self.known_hosts.write_text(f"[{self.host}]:{self.port} {self.pin}\n")

    def authorize(self, key: Path) -> None:
        with (self.folder / "authorized_keys").open("a") as file:
            file.write(self.public(key))

    def options(self) -> list[str]:
        """Return what the system's ssh needs to reach it."""
        return [
            "-p", str(self.port), "-i", str(self.key), "-l", self.user, "-F", "none", "-o", "IdentitiesOnly=yes",
            "-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "StrictHostKeyChecking=yes",
        ]  # fmt: skip

    def start(self) -> None:
        if os.geteuid() == 0:
            SEPARATION.mkdir(mode=0o755, exist_ok=True)
        program = shutil.which("sshd", path=PATH)
        assert program is not None, limitation()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-D", "-e", "-f", str(self.folder / "sshd.conf")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": PATH},
            )  # fmt: skip
        ends = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1.0) as sock:
                if sock.recv(4) == b"SSH-":
                    return
            if self._process.poll() is not None or time.monotonic() > ends:
                self.kill()
                raise AssertionError(f"sshd does not answer: {self.log.read_text(errors='replace')}")
            time.sleep(0.02)

    def pids(self) -> list[int]:
        """Return the listener, then the processes of its sessions and what they run."""
        return [] if self._process is None or self._process.poll() is not None else children(self._process.pid)

    def signal(self, number: int) -> None:
        """Send a signal to all of them, so SIGSTOP freezes the host as far as we can see."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, with all its sessions, like a host that crashes and whose kernel still answers."""
        pids = self.pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait(20)
            self._process = None

    def restart(self) -> None:
        self.kill()
        self.start()
