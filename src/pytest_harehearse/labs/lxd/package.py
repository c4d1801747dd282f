# SPDX-License-Identifier: MIT
"""The lab's own package, and the apt repository that every node has of it: what patch days are rehearsed with.

``harehearse-demo`` brings a small service and a snippet of nginx's configuration. Version 1.0 is installed, 2.0 is the good
patch, and each version 1.5 installs well (but for "half") and is broken in its own way afterwards; only by its name is one
of those installed, for apt takes the highest.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from typing import Final

NAME: Final = "harehearse-demo"
FOLDER: Final = "/srv/harehearse"
INSTALLED: Final = "1.0"
GOOD: Final = "2.0"
#: What is broken → the version that breaks it.
BROKEN: Final = {"start": "1.5+start", "load": "1.5+load", "reboot": "1.5+reboot", "half": "1.5+half"}

_CONFIGURATION: Final = "/etc/nginx/conf.d/harehearse-demo.conf"
_SERVICE: Final = """[Unit]
Description=The lab's own service, {version}

[Service]
ExecStart=/bin/sleep infinity

[Install]
WantedBy=multi-user.target
"""
#: Waits for ever where the whole boot waits for it: the node is up, and answers nobody.
_STUCK: Final = """[Unit]
Description=Keeps the node from coming back
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
ExecStart=/bin/sleep infinity

[Install]
WantedBy=sysinit.target
"""
_NGINX: Final = {
    # Valid for nobody, and only read at nginx's next start.
    BROKEN["start"]: "no_such_directive on;\n",
    # Only for who asks by the service's own address, and no more than five requests a second: a look at the node, or one by
    # hand, is answered; a crowd is not.
    BROKEN["load"]: """limit_req_zone $binary_remote_addr zone=harehearse:1m rate=5r/s;
server {
  listen 80;
  server_name "~^198\\.18\\.0\\.1\\d\\d$";
  root /usr/share/nginx/html;
  limit_req zone=harehearse;
}
""",
}
_POSTINST: Final = """#!/bin/sh
set -e
[ -d /run/systemd/system ] && systemctl daemon-reload
{extra}
if [ -d /run/systemd/system ]; then systemctl enable --quiet harehearse-demo.service; systemctl restart harehearse-demo.service
else mkdir -p /etc/systemd/system/multi-user.target.wants; ln -sf /lib/systemd/system/harehearse-demo.service /etc/systemd/system/multi-user.target.wants/harehearse-demo.service; fi
"""
_EXTRA: Final = {
    BROKEN["reboot"]: "systemctl enable --quiet harehearse-demo-stuck.service",
    BROKEN["half"]: 'echo "the new version cannot be set up" >&2; exit 1',
}


def versions() -> tuple[str, ...]:
    """Return every version of the repository."""
    return (INSTALLED, GOOD, *BROKEN.values())


def file_name(version: str) -> str:
    """Return the name of a version's file."""
    return f"{NAME}_{version}_all.deb"


def build(version: str) -> bytes:
    """Build one version, the same bytes every time; the format is that of Debian's manual page deb(5)."""
    files = {
        "./lib/systemd/system/harehearse-demo.service": _SERVICE.format(version=version),
        f".{_CONFIGURATION}": _NGINX.get(version, f"# {NAME} {version}\n"),
    }
    if version == BROKEN["reboot"]:
        files["./lib/systemd/system/harehearse-demo-stuck.service"] = _STUCK
    control = {
        "./control": _control(version),
        "./postinst": _POSTINST.format(extra=_EXTRA.get(version, "")),
    }
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": _tar(control, executable="./postinst"),
        "data.tar.gz": _tar(files),
    }
    out = b"!<arch>\n"
    for name, data in members.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return out


def repository() -> dict[str, bytes]:
    """Return the files of the repository: every version, and the index of them."""
    files = {file_name(version): build(version) for version in versions()}
    entries = []
    for version in versions():
        data = files[file_name(version)]
        entries.append(
            f"{_control(version)}Filename: ./{file_name(version)}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
        )
    files["Packages"] = "\n".join(entries).encode()
    return files


def digest() -> str:
    """Return the hash of the whole repository."""
    whole = hashlib.sha256()
    for name, data in sorted(repository().items()):
        whole.update(f"{name} {len(data)}\n".encode() + data)
    return whole.hexdigest()[:16]


def _control(version: str) -> str:
    return (
        f"Package: {NAME}\nVersion: {version}\nArchitecture: all\nMaintainer: pytest-harehearse <lab@example.invalid>\n"
        "Description: the lab's own package, to rehearse patch days with\n"
    )


def _tar(files: dict[str, str], executable: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        made: set[str] = set()
        for path, text in files.items():
            parts = path.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                folder = "/".join(parts[:depth]) + "/"
                if folder not in made:
                    made.add(folder)
                    entry = tarfile.TarInfo(folder)
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(entry)
            data = text.encode()
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o755 if path == executable else 0o644
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)
