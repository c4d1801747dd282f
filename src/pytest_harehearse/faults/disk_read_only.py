# SPDX-License-Identifier: MIT
"""``disk_read_only``: a file system is remounted read-only, as the kernel does with one that has errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.dead_man import DEAD_MAN_S, FLEETING
from pytest_harehearse.faults.mounts import mounts
from pytest_harehearse.faults.on_node import Scripts
from pytest_harehearse.faults.surely import SurelyUndone, in_time
from pytest_harehearse.remote.base import Channel
from pytest_harehearse.units import seconds

#: Arguments of all: mount point, source, options to keep, mount id, "contained" or "", where the timer is, id.
#: Root of a container may remount only what it mounted itself; the kernel is asked by a remount that changes nothing.
_NEEDS: Final = """no() { echo "$1" >&2; exit 1; }
for tool in mount mountpoint find grep awk; do command -v $tool > /dev/null || no "$tool is not installed there"; done
[ "$(id -u)" = 0 ] || no "only root may remount a file system"
busy=$(find /proc/[0-9]*/fdinfo -type f -exec grep -sHE '^(flags|mnt_id):' {} + 2> /dev/null \\
  | awk -v id="$4" -F '[:\\t ]+' '$2 == "flags" { writes = substr($3, length($3)) ~ /[12]/ }
      $2 == "mnt_id" && $3 == id && writes { split($1, part, "/"); print part[3] }' | sort -un | head -n 5)
if [ -n "$busy" ]; then
  who=
  for pid in $busy; do who="$who${who:+, }$(cat "/proc/$pid/comm" 2> /dev/null) ($pid)"; done
  no "the kernel makes no file system read-only while files on it are open for writing; on $1 they are, of $who"
fi
[ "$5" != contained ] || said=$(LC_ALL=C mount -i -n -o "remount,rw${3:+,$3}" "$2" "$1" 2>&1) \
  || no "the kernel does not let this container remount $1: $said"
"""
_STRIKE: Final = """mount -i -n -o "remount,ro${3:+,$3}" "$2" "$1" || exit 1
echo "$1 is read-only"
"""
_EFFECT: Final = """probe=$1/harehearse_$7.probe
said=$( (LC_ALL=C; : > "$probe") 2>&1)
if [ -e "$probe" ]; then
  rm -f -- "$probe"
  echo "a file could still be written to $1"
  exit 1
fi
case "$said" in *"Read-only file system"*) exit 0 ;; esac
echo "writing to $1 failed, but not because it is read-only: $said"
exit 1
"""
#: Not mounted any more, as when the cluster took it to another node: that is read-only no longer.
_UNDO: Final = """mountpoint -q "$1" || exit 0
mount -i -n -o "remount,rw${3:+,$3}" "$2" "$1" || exit 1
rm -f -- "$1/harehearse_$7.probe"
"""
_UNDONE: Final = """mountpoint -q "$1" || exit 0
probe=$1/harehearse_$7.probe
said=$( (: > "$probe") 2>&1)
[ -e "$probe" ] || { echo "$1 cannot be written to: $said"; exit 1; }
rm -f -- "$probe"
"""


class DiskReadOnly(SurelyUndone):
    """A file system that cannot be written to; see :class:`~.base.Fault`."""

    def __init__(
        self, channels: Mapping[str, Channel], target: str, path: str, *, dead_man: float = DEAD_MAN_S,
        root: str = FLEETING,
    ) -> None:  # fmt: skip
        def scripts() -> Scripts:
            there = mounts(channels[target])
            found = there.whole(path)
            if not found.writable:
                raise Unsupported(f"{path} on {target} is read-only already")
            timers = there.of(root)
            if timers is not None and timers.device == found.device:
                raise Unsupported(f"{path} holds {root} on {target}, where the undo and its timer write")
            if there.contained and found.kind != "tmpfs":
                raise Unsupported(
                    f"{target} is a container, and {path} a file system ({found.kind}) of its host, which alone may make "
                    "it read-only"
                )
            contained = "contained" if there.contained else ""
            arguments = (found.target, found.source, found.kept, found.id, contained, root)
            return in_time(Scripts(_STRIKE, _EFFECT, _UNDO, _UNDONE, arguments), "$6")

        super().__init__(
            "disk_read_only", channels, target, scripts, needs=_NEEDS,
            strike_text=f"on {target}, remount {path} read-only", undo_text=f"on {target}, remount {path} read-write",
            dead_man=dead_man, root=root, expected=Expected.DEGRADED,
        )  # fmt: skip


def disk_read_only(scene: Scene, node: str, *, path: str, dead_man: str | None = None) -> Fault:
    """Remount a file system read-only: what is on it can be read, and every write fails; the undo makes it writable.

    The kernel refuses it while a file there is open for writing, which is said before anything is touched.

    Args:
        scene: where.
        node: on which node.
        path: a mount point of its own, of a whole file system.
        dead_man: how long it outlives a runner that was killed.
    """
    return DiskReadOnly(scene.channels, node, path, dead_man=scene.dead_man if dead_man is None else seconds(dead_man))
