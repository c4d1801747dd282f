# SPDX-License-Identifier: MIT
"""Others who run a command on a node: OpenSSH's ControlMaster by hand, testinfra's own transports, Ansible ad-hoc."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.bench import processes

_numbers = itertools.count(1)
_CONFIG = """\
Host *
  User {user}
  Port {port}
  IdentityFile {key}
  IdentitiesOnly yes
  UserKnownHostsFile {known_hosts}
  StrictHostKeyChecking {checking}
  BatchMode yes
"""
_WITHIN_S = 60.0


@dataclass(frozen=True)
class Site:
    """How the one host is reached."""

    folder: Path
    host: str
    port: int
    user: str
    key: Path
    known_hosts: Path
    config: Path
    #: For testinfra, whose paramiko transport knows no known_hosts.
    lax_config: Path

    @classmethod
    def make(cls, folder: Path, port: int, user: str) -> Site:
        """Write the configuration for an sshd whose keys are in the folder."""
        site = cls(
            folder, "127.0.0.1", port, user, folder / "user", folder / "known_hosts", folder / "strict", folder / "lax"
        )
        site.known_hosts.write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
        for path, checking in ((site.config, "yes"), (site.lax_config, "no")):
            path.write_text(
                _CONFIG.format(user=user, port=port, key=site.key, known_hosts=site.known_hosts, checking=checking)
            )
        return site


def _checked(command: list[str], **options: object) -> None:
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=_WITHIN_S, **options)  # type: ignore[call-overload]


def _end_master(site: Site, socket: Path) -> None:
    subprocess.run(
        ["ssh", "-F", str(site.config), "-S", str(socket), "-O", "exit", site.host],
        check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=_WITHIN_S,
    )  # fmt: skip


class ControlMaster:
    """``ssh -S SOCKET HOST true``: what one would type."""

    name: ClassVar[str] = "ControlMaster by hand"

    def limitation(self) -> str | None:
        """Return what is missing; None when nothing is."""
        return None if shutil.which("ssh") else "ssh is not installed"

    @contextlib.contextmanager
    def warm(self, site: Site) -> Iterator[Callable[[], None]]:
        """Yield the question over a connection that stands."""
        socket = site.folder / f"h{next(_numbers)}"
        start = ["ssh", "-F", str(site.config), "-M", "-N", "-S", str(socket), site.host]
        master = processes.spawn(start, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            ends = time.monotonic() + _WITHIN_S
            while not socket.exists():
                if time.monotonic() > ends or master.poll() is not None:
                    raise TimeoutError("the ControlMaster did not come up")
                time.sleep(0.02)
            line = ["ssh", "-F", str(site.config), "-S", str(socket), site.host, "true"]
            yield lambda: _checked(line)
        finally:
            processes.end(master)


class _Testinfra:
    scheme: ClassVar[str]

    def limitation(self) -> str | None:
        """Return what is missing; None when nothing is."""
        return None if importlib.util.find_spec("testinfra") else "pytest-testinfra is not installed"

    @contextlib.contextmanager
    def warm(self, site: Site) -> Iterator[Callable[[], None]]:
        """Yield the question by testinfra's own transport."""
        import testinfra

        socket = site.folder / f"t{next(_numbers)}"
        more = {"controlpath": str(socket)} if self.scheme == "ssh" else {}
        spec = f"{self.scheme}://{site.user}@{site.host}:{site.port}"
        host = testinfra.get_host(spec, ssh_config=str(site.lax_config), **more)
        try:
            yield lambda: host.run_expect([0], "true")  # type: ignore[func-returns-value]
        finally:
            if self.scheme == "ssh":
                _end_master(site, socket)
            else:
                host.backend.client.close()


class TestinfraParamiko(_Testinfra):
    """testinfra's paramiko backend."""

    __test__ = False
    name: ClassVar[str] = "testinfra, paramiko"
    scheme: ClassVar[str] = "paramiko"


class TestinfraSsh(_Testinfra):
    """testinfra's ssh backend, with its ControlMaster."""

    __test__ = False
    name: ClassVar[str] = "testinfra, ssh"
    scheme: ClassVar[str] = "ssh"


class Ansible:
    """``ansible all -m raw -a true`` over a connection that stands."""

    name: ClassVar[str] = "Ansible ad-hoc, raw"

    def _program(self) -> str | None:
        beside = Path(sys.executable).parent / "ansible"
        return str(beside) if beside.exists() else shutil.which("ansible")

    def limitation(self) -> str | None:
        """Return what is missing; None when nothing is."""
        return None if self._program() else "ansible-core is not installed (dependency group bench)"

    @contextlib.contextmanager
    def warm(self, site: Site) -> Iterator[Callable[[], None]]:
        """Yield the question."""
        folder = site.folder / "ansible"
        (folder / "cp").mkdir(parents=True, exist_ok=True)
        variables = {
            **os.environ, "ANSIBLE_HOME": str(folder), "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"), "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"), "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8",
        }  # fmt: skip
        program = self._program() or "ansible"
        line = [
            program, "-i", f"{site.host},", "all", "-m", "raw", "-a", "true",
            "-e", f"ansible_ssh_common_args='-F {site.config}'",
        ]  # fmt: skip
        try:
            yield lambda: _checked(line, env=variables, cwd=str(folder))
        finally:
            for socket in (folder / "cp").iterdir():
                _end_master(site, socket)


OTHERS = (ControlMaster(), TestinfraParamiko(), TestinfraSsh(), Ansible())
