# SPDX-License-Identifier: MIT
"""The LXD of a lab: the one that is there, or one started for the lab alone, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket as sockets
import subprocess
import time
from pathlib import Path
from typing import Final

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.base import Say

#: Where own LXDs keep everything; short, for the sockets' sake, and on a disk.
OWN: Final = Path("/var/lib/harehearse")
READY_S: Final = 60.0
#: What a Debian machine needs for an LXD and an image of its own.
NEEDED: Final = {
    "lxd": "lxd", "dnsmasq": "dnsmasq-base", "nft": "nftables", "mmdebstrap": "mmdebstrap", "mkfs.btrfs": "btrfs-progs",
    "zstd": "zstd",
}  # fmt: skip
_CHILDREN: list[subprocess.Popen[bytes]] = []


def sockets_to_try() -> list[Path]:
    """Return where an LXD or an Incus of this machine would listen."""
    if folder := os.environ.get("LXD_DIR"):
        return [Path(folder) / "unix.socket"]
    return [
        Path("/var/snap/lxd/common/lxd/unix.socket"),
        Path("/var/lib/lxd/unix.socket"),
        Path("/var/lib/incus/unix.socket"),
    ]


def answering(path: Path) -> bool:
    """Return whether somebody accepts connections on a socket.

    Raises:
        LabError: somebody may, but the user may not ask.
    """
    from pytest_harehearse.labs.lxd.api import denied

    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        probe.settimeout(5.0)
        try:
            probe.connect(str(path))
        except PermissionError as error:
            raise denied(path) from error
        except OSError:
            return False
    return True


def existing() -> Path | None:
    """Return the socket of the LXD that runs here already; None: none does."""
    return next((path for path in sockets_to_try() if answering(path)), None)


def require(say: Say) -> None:
    """Make sure that an LXD can be started here, installing it where that is our right.

    Raises:
        LabError: it cannot; says what to do.
    """
    missing = {package for program, package in NEEDED.items() if shutil.which(program) is None}
    if os.geteuid() != 0:
        raise LabError(
            "No LXD runs here, and starting one needs root. Install one (sudo apt-get install lxd, or sudo snap install "
            "lxd), initialise it (sudo lxd init --minimal), and join its group; or create the lab as root."
        )
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise LabError(
            f"An LXD lab needs {', '.join(sorted(missing))}; this machine has no apt-get to install them by."
        )
    say(f"installing {', '.join(sorted(missing))}: they stay when the lab is removed")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    install = ["apt-get", "-q", "-y", "install", "--no-install-recommends", *sorted(missing)]
    for command in (["apt-get", "-q", "update"], install):
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=900)
        if done.returncode != 0:
            said = "\n".join((done.stderr or done.stdout).splitlines()[-5:])
            raise LabError(f"{' '.join(command)} ended with {done.returncode}:\n{said}")
    still = {package for program, package in NEEDED.items() if shutil.which(program) is None}
    if still:
        raise LabError(f"{', '.join(sorted(still))} were installed, but their programs are not to be found.")


def _program(name: str) -> str:
    """Return where a program is; an administrator's may lie outside a user's PATH."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
    if found is None:
        raise LabError(f"The program {name} is not to be found on this machine.")
    return found


def start(folder: Path, say: Say) -> Path:
    """Start an LXD in a folder of its own and return its socket.

    Raises:
        LabError: it did not come up; with the last lines of its log.
    """
    socket = folder / "unix.socket"
    if folder.exists() and answering(socket):
        return socket
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    log = folder / "harehearse-lxd.log"
    say("starting an LXD for this lab alone")
    environment = {
        **os.environ, "LXD_DIR": str(folder), "LC_ALL": "C",
        # It asks image servers at start; there is nothing there that the lab needs.
        "HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1,localhost",
    }  # fmt: skip
    with log.open("ab") as output:
        child = subprocess.Popen(
            [_program("lxd"), "--group", "root", "--logfile", str(folder / "lxd.log")],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    _CHILDREN.append(child)
    deadline = time.monotonic() + READY_S
    while not answering(socket):
        if child.poll() is not None or time.monotonic() > deadline:
            why = f"ended with {child.returncode}" if child.poll() is not None else f"did not answer in {READY_S:.0f} s"
            raise LabError(f"The LXD of the lab {why}:\n{_tail(log)}")
        time.sleep(0.05)
    return socket


def _tail(log: Path) -> str:
    return "\n".join(line[:200] for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])


def end(folder: Path) -> None:
    """End an own LXD, once its instances are gone, and remove its folder with all that is mounted there.

    Raises:
        LabError: something stays; names it.
    """
    found = [process for process in processes.below(folder) if process.command.split(" ")[0].endswith("lxd")]
    for process in found:
        with contextlib.suppress(ProcessLookupError):
            # SIGPWR is LXD's word for "stop, the machine goes down"; the instances are gone by now.
            os.kill(process.pid, signal.SIGPWR)
    deadline = time.monotonic() + 20
    while processes.below(folder) and time.monotonic() < deadline:
        _CHILDREN[:] = [child for child in _CHILDREN if child.poll() is None]
        time.sleep(0.05)
    try:
        processes.kill_all(folder)
        _CHILDREN[:] = [child for child in _CHILDREN if child.poll() is None]
        unmount(folder)
        if folder.exists():
            shutil.rmtree(folder)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
    except (OSError, TimeoutError) as error:
        raise LabError(f"The LXD of the lab in {folder} could not be removed whole: {error}") from error


def unmount(folder: Path) -> None:
    """Take away every mount below a folder, the deepest first."""
    points = [
        Path(line.split(" ")[4].encode().decode("unicode_escape"))
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    ]
    for point in sorted((p for p in points if p.is_relative_to(folder)), key=lambda p: len(p.parts), reverse=True):
        subprocess.run([_program("umount"), "--lazy", str(point)], check=False, capture_output=True, timeout=30)
