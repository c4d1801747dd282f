# SPDX-License-Identifier: MIT
"""What is mounted on a node, as far as faults on its disks have to know it before anything is touched."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults.dead_man import ASK_S, words
from pytest_harehearse.remote.base import Channel, Done, Script

_COLUMNS: Final = "ID,TARGET,SOURCE,FSTYPE,FSROOT,MAJ:MIN,VFS-OPTIONS,FS-OPTIONS"
#: The first line: how this shell's user ids are those of the machine. The rest: every mount.
_ASK: Final = f"""cat /proc/self/uid_map | head -n 1
findmnt --json --list --nofsroot --output {_COLUMNS}
"""
#: Options of the file system itself that a remount takes away unless they are said again.
_FLAGS: Final = frozenset({"sync", "dirsync", "lazytime", "mand", "iversion"})


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount of a file system."""

    id: str
    target: str
    source: str
    kind: str
    #: Which part of the file system is mounted; "/": all of it.
    part: str
    device: str
    options: tuple[str, ...]

    @property
    def writable(self) -> bool:
        """Whether it is not mounted read-only."""
        return "ro" not in self.options

    @property
    def kept(self) -> str:
        """What has to be said again when it is remounted."""
        return ",".join(one for one in self.options if one not in {"ro", "rw"})


@dataclass(frozen=True, slots=True)
class Mounts:
    """All of a node."""

    node: str
    #: Of an unprivileged container: most that a kernel can do with a file system it keeps from such root.
    contained: bool
    all: tuple[Mount, ...]

    def whole(self, path: str) -> Mount:
        """Return the one at a path, which has to be all of a file system that is mounted nowhere else.

        Raises:
            Unsupported: there is none, with the reason.
        """
        wanted = path.rstrip("/") or "/"
        found = next((mount for mount in reversed(self.all) if mount.target == wanted), None)
        if found is None:
            raise Unsupported(
                f"{path} on {self.node} is no mount point of its own; what is done there would strike more than it"
            )
        if found.part != "/":
            raise Unsupported(f"{path} on {self.node} is only a part of a file system, {found.part} of {found.source}")
        elsewhere = sorted({one.target for one in self.all if one.device == found.device} - {wanted})
        if elsewhere:
            raise Unsupported(
                f"the file system of {path} on {self.node} is also mounted at {', '.join(elsewhere)}, which would be struck"
            )
        return found

    def of(self, path: str) -> Mount | None:
        """Return the mount that a path lies on."""
        around = [one for one in self.all if one.target == "/" or f"{path}/".startswith(f"{one.target}/")]
        return max(around, key=lambda one: len(one.target), default=None)


def mounts(channel: Channel) -> Mounts:
    """Ask a node what is mounted there.

    Raises:
        Unsupported: it could not be asked.
    """
    asked = channel.run(Script(_ASK), deadline=ASK_S)
    if not isinstance(asked, Done) or asked.rc != 0:
        raise Unsupported(f"what is mounted on {channel.node} could not be read: {words(asked)}")
    first, _, rest = asked.out.partition("\n")
    try:
        found = json.loads(rest)["filesystems"]
        read = tuple(_mount(one) for one in found)
    except (ValueError, KeyError, TypeError) as error:
        raise Unsupported(f"what is mounted on {channel.node} could not be read: {error!r}") from error
    return Mounts(channel.node, first.split()[:2] != ["0", "0"], read)


def _mount(row: dict[str, Any]) -> Mount:
    own = [one for one in _options(row["fs-options"]) if one in _FLAGS | {"ro"}]
    options = dict.fromkeys([*_options(row["vfs-options"]), *own])
    return Mount(
        str(row["id"]),
        row["target"],
        row["source"],
        row["fstype"],
        row["fsroot"],
        row["maj:min"].strip(),
        tuple(options),
    )


def _options(text: str | None) -> Iterable[str]:
    return (text or "").split(",")
