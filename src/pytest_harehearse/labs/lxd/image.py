# SPDX-License-Identifier: MIT
"""The image of a lab's nodes: built from Debian's packages once, then kept by the hash of its recipe."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Final

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs.base import Say
from pytest_harehearse.labs.lxd import package
from pytest_harehearse.safety.lock import FileLock, Held

SUITE: Final = "bookworm"
PACKAGES: Final = (
    # udev: without it networkd waits for ever. libpam-systemd, dbus: for logins and systemd resources.
    "systemd", "systemd-sysv", "udev", "dbus", "libpam-systemd", "openssh-server", "sudo", "python3", "iproute2", "nftables",
    "iptables", "curl", "procps", "iputils-ping", "pacemaker", "pacemaker-cli-utils", "corosync", "resource-agents",
    "nginx-light",
)  # fmt: skip
MASKED: Final = (
    "systemd-binfmt.service", "e2scrub_reap.service", "apt-daily.timer", "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer", "fstrim.timer", "logrotate.timer", "systemd-networkd-wait-online.service",
    "sys-kernel-config.mount", "sys-kernel-debug.mount",
)  # fmt: skip
#: The numbers that the cluster's user has on every node, so that its files can be written before it runs.
HACLUSTER: Final = (189, 189)

_PREPARE: Final = f"""
echo 'haclient:x:{HACLUSTER[1]}:' >> "$1"/etc/group
echo 'hacluster:x:{HACLUSTER[0]}:{HACLUSTER[1]}::/var/lib/pacemaker:/usr/sbin/nologin' >> "$1"/etc/passwd
"""
_CUSTOMIZE: Final = f"""
chroot "$1" systemctl mask {" ".join(MASKED)}
chroot "$1" systemctl disable nginx.service
chroot "$1" systemctl enable systemd-networkd.service ssh.service corosync.service pacemaker.service
rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/machine-id "$1"/var/lib/dbus/machine-id "$1"/etc/resolv.conf
: > "$1"/etc/machine-id
install -d -m 700 "$1"/root/.ssh "$1"/etc/harehearse
install -d -m 755 "$1"/etc/systemd/network
install -d -m 755 "$1"/var/log/journal
rm -f "$1"/var/lib/pacemaker/cib/*
mkdir -p "$1"{package.FOLDER}
cp "$(dirname "$0")"/repository/* "$1"{package.FOLDER}/
rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:{package.FOLDER} ./' > "$1"/etc/apt/sources.list.d/harehearse.list
chroot "$1" dpkg -i {package.FOLDER}/{package.file_name(package.INSTALLED)}
"""
#: Held so that the build of one image cannot fill a disk, nor go on for ever.
BUILD_S: Final = 1800.0
_NEEDED_MIB: Final = 2500
#: With less memory free than this, the build goes to the disk instead.
_ROOMY_KIB: Final = 6 * 1024 * 1024


def recipe() -> str:
    """Return the whole recipe as text; whatever changes it makes another image."""
    return json.dumps(
        {
            "suite": SUITE, "packages": PACKAGES, "prepare": _PREPARE, "customize": _CUSTOMIZE,
            "repository": package.digest(), "schema": 1,
        }
    )  # fmt: skip


def digest() -> str:
    """Return the recipe's hash, by which the image is kept."""
    return hashlib.sha256(recipe().encode()).hexdigest()[:16]


def cache() -> Path:
    """Return the folder of built images."""
    if os.geteuid() == 0:
        return Path("/var/cache/harehearse")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "harehearse"


def built() -> Path | None:
    """Return the image of the current recipe; None when it was not built yet."""
    path = cache() / f"node-{digest()}.tar.zst"
    return path if path.is_file() else None


def metadata() -> bytes:
    """Return the tar of ``metadata.yaml`` that LXD wants beside a root file system."""
    text = json.dumps(
        {
            "architecture": os.uname().machine,
            "creation_date": 1,
            "properties": {"description": f"harehearse node {digest()}"},
        }
    ).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("metadata.yaml")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    return buffer.getvalue()


def image(say: Say) -> Path:
    """Return the image, built if need be.

    Raises:
        LabError: it could not be built; says what the builder said last. Nothing half-built is left.
    """
    found = built()
    if found is not None:
        return found
    folder = cache()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"The image of the lab's nodes is kept in {folder}, which cannot be made: {error}") from error
    try:
        lock = FileLock(folder / "build.lock", f"pid {os.getpid()}").acquire(within=BUILD_S)
    except Held as held:
        raise LabError(f"The image is being built by {held.holder}, and was not ready in {BUILD_S:.0f} s.") from held
    with lock:
        return built() or _build(folder, say)


def _build(folder: Path, say: Say) -> Path:
    if shutil.which("mmdebstrap") is None:
        raise LabError(
            "The image of the lab's nodes is built by mmdebstrap, which is not installed. On Debian or Ubuntu: "
            "sudo apt-get install mmdebstrap zstd debian-archive-keyring"
        )
    free = shutil.disk_usage(folder).free // 2**20
    if free < _NEEDED_MIB:
        raise LabError(f"Building the image needs {_NEEDED_MIB} MiB in {folder}, of which {free} MiB are free.")
    say(f"building the image of the nodes from Debian {SUITE}'s packages: about a minute, once")
    began = time.monotonic()
    target = folder / f"node-{digest()}.tar.zst"
    with tempfile.TemporaryDirectory(prefix="build-", dir=folder) as scratch:
        half = Path(scratch) / "node.tar.zst"
        _run(_command(Path(scratch), half), Path(scratch) / "log", say)
        half.replace(target)
    for old in folder.glob("node-*.tar.zst"):
        if old != target:
            old.unlink(missing_ok=True)
    say(f"built the image in {time.monotonic() - began:.0f} s: {target.stat().st_size / 2**20:.0f} MiB in {target}")
    return target


def _roomy() -> bool:
    """Return whether the build may take place in memory, which is twice as fast."""
    with contextlib.suppress(OSError):
        found = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text(encoding="ascii"))
        return found is not None and int(found[1]) > _ROOMY_KIB
    return False


def _command(scratch: Path, target: Path) -> list[str]:
    hooks = {"prepare": _PREPARE, "customize": _CUSTOMIZE}
    for name, text in hooks.items():
        (scratch / name).write_text(f"#!/bin/sh\nset -eu\n{text}", encoding="ascii")
        (scratch / name).chmod(0o755)
    (scratch / "repository").mkdir()
    for file, data in package.repository().items():
        (scratch / "repository" / file).write_bytes(data)
    build = [
        "mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", '--aptopt=APT::Install-Recommends "false"',
        "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*", f"--essential-hook={scratch}/prepare",
        f"--customize-hook={scratch}/customize", SUITE, str(target),
    ]  # fmt: skip
    if os.geteuid() != 0 or not _roomy():
        return build
    # A mount namespace of its own: the memory file system goes with the build, however it ends.
    inner = 'mount -t tmpfs -o size=4g harehearse "$1" && shift && TMPDIR="$1" && export TMPDIR && shift && exec "$@"'
    room = scratch / "room"
    room.mkdir()
    return ["unshare", "--mount", "sh", "-c", inner, "sh", str(room), str(room), *build]


def _run(command: list[str], log: Path, say: Say) -> None:
    """Run the builder, telling its steps."""
    deadline = time.monotonic() + BUILD_S
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    told = 0
    try:
        while child.poll() is None:
            if time.monotonic() > deadline:
                raise LabError(f"The image was not built within {BUILD_S:.0f} s.\n{_tail(log)}")
            time.sleep(0.2)
            told = _tell(log, told, say)
        _tell(log, told, say)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if child.returncode != 0:
        raise LabError(
            f"The image of the lab's nodes could not be built (mmdebstrap ended with {child.returncode}). It needs Debian's "
            f"package archive, by network or by a proxy that apt knows.\n{_tail(log)}"
        )


def _tell(log: Path, told: int, say: Say) -> int:
    """Tell the builder's steps beyond the first ``told``; return how many there are."""
    steps = [line[3:] for line in _lines(log) if line.startswith("I: ") and line.endswith("...")]
    for step in steps[told:]:
        say(f"  {step.removesuffix('...')}")
    return len(steps)


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def _tail(log: Path) -> str:
    kept = [line[:200] for line in _lines(log) if line.strip()]
    return "\n".join(line for line in kept if not line.startswith("I: "))[-1500:]
