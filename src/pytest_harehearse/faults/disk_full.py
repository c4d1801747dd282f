# SPDX-License-Identifier: MIT
"""``disk_full``: a ballast file of ours fills a file system; what survives a reboot has an undo that survives it too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.dead_man import DEAD_MAN_S, FLEETING, LASTING, About, words
from pytest_harehearse.faults.on_node import Scripts
from pytest_harehearse.faults.sizes import show_size, size
from pytest_harehearse.faults.surely import SurelyUndone, in_time
from pytest_harehearse.remote.base import Channel, Done
from pytest_harehearse.units import seconds

#: Where a file system cannot reserve room, the ballast has to be written.
FILL_S: Final = 180.0

#: Arguments of all: folder, bytes to leave, "shared" or "", where the timer is, where undos survive a reboot, id.
_NEEDS: Final = """no() { echo "$1" >&2; exit 1; }
for tool in findmnt stat dd rm cp; do command -v $tool > /dev/null || no "$tool is not installed there"; done
case "$1" in /*) ;; *) no "$1 is no absolute path" ;; esac
[ -d "$1" ] || no "$1 is no folder there"
timer=$4
while [ ! -d "$timer" ]; do timer=$(dirname "$timer"); done
there=$(findmnt -n -o MAJ:MIN -T "$1") && kept=$(findmnt -n -o MAJ:MIN -T "$timer") || no "findmnt does not know $1"
[ "$there" != "$kept" ] || no "$1 is on the file system of $4, where its undo and timer lie; name one of its own"
[ -w "$1" ] || no "nothing can be written to $1"
kind=$(findmnt -n -o FSTYPE -T "$1")
root=$(findmnt -n -o FSROOT -T "$1")
read -r inside outside count < /proc/self/uid_map
if [ "$inside $outside" != "0 0" ] && [ "$kind" != tmpfs ] && [ "$3" != shared ]; then
  case "$kind:$root" in
    zfs:* | btrfs:*) own= ;;
    *:/ | *:/rootfs) own=yes ;;
    *) own= ;;
  esac
  [ -n "$own" ] || no "$1 is on a file system that this container shares with its host and perhaps with other nodes, \
which would all be struck; name a path with a mount of its own, or say shared=True"
fi
free=$(($(stat -f -c '%f * %S' -- "$1")))
[ "$free" -gt "$2" ] || no "only $free bytes are free in $1, which is not more than the $2 to be left"
if [ "$kind" = tmpfs ]; then
  memory=$(sed -n 's/^MemAvailable: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo)
  [ $((free - $2)) -lt $((${memory:-0} * 900)) ] || no "$1 is a tmpfs: to fill it takes $(((free - $2) / 1048576)) MiB of \
memory, and only $((${memory:-0} / 1024)) MiB are available; leave more of it"
fi
"""
#: A second copy of the undo, without a timer: a reboot takes the first one, and leaves the ballast.
_KEEP: Final = """set -eu
umask 077
mkdir -p "$5/$6"
cp "$4/$6/undo.sh" "$4/$6/undone.sh" "$4/$6/about.json" "$5/$6/"
sync "$5/$6"/* "$5/$6" 2> /dev/null || sync
"""
_FORGET: Final = """rm -rf -- "$5/$6"
rmdir "$5" "${5%/*}" 2> /dev/null
[ ! -e "$5/$6" ] || { echo "its folder $5/$6 cannot be removed" >&2; exit 1; }
"""
_STRIKE: Final = """set -u
file=$1/harehearse_$6
[ -e "$5/$6/undo.sh" ] || { echo "the copy of its undo is not there" >&2; exit 1; }
umask 077
[ -e "$file" ] || (set -C; : > "$file") || exit 1
# By what is opened now: named again, a ballast that was removed meanwhile would be made anew.
exec 3>> "$file" || exit 1
room() { echo $(($(stat -f -c '%f * %S' -- "$1") - $2)); }
want=$(room "$1" "$2")
if command -v fallocate > /dev/null && fallocate -l 4096 /proc/self/fd/3 2> /dev/null; then
  at=0
  chunk=$want
  tries=0
  # A file system may tell its room late, and may refuse as much as it has: never more than was free, in smaller parts.
  while [ "$chunk" -ge 4096 ] && [ "$tries" -lt 80 ] && armed; do
    tries=$((tries + 1))
    if fallocate -o "$at" -l "$chunk" /proc/self/fd/3 2> /dev/null; then
      at=$((at + chunk))
      more=$(room "$1" "$2")
      [ "$more" -le $((want - at)) ] || more=$((want - at))
      [ "$chunk" -le "$more" ] || chunk=$more
    else
      chunk=$((chunk / 2))
    fi
  done
else
  while [ "$want" -ge 1048576 ] && armed; do
    part=$((want / 1048576))
    [ "$part" -le 64 ] || part=64
    dd if=/dev/urandom bs=1048576 count="$part" 2> /dev/null >&3 || break
    want=$((want - part * 1048576))
    more=$(room "$1" "$2")
    [ "$want" -le "$more" ] || want=$more
  done
fi
# The last crumbs; a file system keeps some for its own lists, and gives them up as they are used.
[ "$2" != 0 ] || dd if=/dev/zero bs=4096 count=8192 2> /dev/null >&3
sync "$file" 2> /dev/null
echo "$file takes $(stat -L -c %s /proc/self/fd/3) bytes; $(($(stat -f -c '%f * %S' -- "$1"))) bytes are free"
"""
_EFFECT: Final = """file=$1/harehearse_$6
[ -e "$file" ] || { echo "its ballast $file is not there"; exit 1; }
free=$(($(stat -f -c '%f * %S' -- "$1")))
if [ "$2" != 0 ]; then
  [ "$free" -le $(($2 + 1048576 + $2 / 50)) ] || { echo "$free bytes are free in $1, more than the $2 to be left"; exit 1; }
  exit 0
fi
said=$(LC_ALL=C dd if=/dev/zero of="$file.probe" bs=1048576 count=1 conv=fsync 2>&1)
done=$?
rm -f -- "$file.probe"
[ "$done" != 0 ] || { echo "1 MiB could still be written to $1"; exit 1; }
case "$said" in *"No space left"* | *"quota exceeded"*) exit 0 ;; esac
echo "writing to $1 failed, but not for want of space: $said"
exit 1
"""
#: Run from the copy that survives a reboot it leaves that copy to whoever runs it, who has to prove it undone.
_UNDO: Final = """rm -f -- "$1/harehearse_$6" "$1/harehearse_$6.probe" || exit 1
case "$0" in "$5/$6"/*) exit 0 ;; esac
rm -rf -- "$5/$6"
rmdir "$5" "${5%/*}" 2> /dev/null
exit 0
"""
_UNDONE: Final = """for file in "$1/harehearse_$6" "$1/harehearse_$6.probe"; do
  [ ! -e "$file" ] || { echo "its ballast $file is still there"; exit 1; }
done
case "$0" in "$5/$6"/*) exit 0 ;; esac
[ ! -e "$5/$6" ] || { echo "the copy of its undo in $5/$6 is still there"; exit 1; }
"""


class DiskFull(SurelyUndone):
    """A full file system; see :class:`~.base.Fault`."""

    def __init__(
        self, channels: Mapping[str, Channel], target: str, path: str, *, leave: int = 0, shared: bool = False,
        dead_man: float = DEAD_MAN_S, root: str = FLEETING, lasting: str = LASTING,
    ) -> None:  # fmt: skip
        arguments = (path.rstrip("/") or "/", str(leave), "shared" if shared else "", root, lasting)
        left = f", until {show_size(leave)} are left" if leave else ""
        made = in_time(Scripts(_STRIKE, _EFFECT, _UNDO, _UNDONE, arguments), "$4")
        super().__init__(
            "disk_full", channels, target, lambda: made, needs=_NEEDS,
            strike_text=f"on {target}, fill the file system of {path} with a ballast file of our own{left}",
            undo_text=f"on {target}, remove that file", dead_man=dead_man, root=root, expected=Expected.DEGRADED,
            strike_within=FILL_S,
        )  # fmt: skip
        self.undo_text = f"{self.undo_text} (after a reboot: sh {lasting}/{self.id}/undo.sh)"

    def arm(self, about: About) -> None:
        """Lay the undo where the timer is, and once more where it survives a reboot as the ballast does.

        Raises:
            HarehearseError: one of them is not there, so nothing may be struck.
        """
        super().arm(about)
        kept = self._run(self._script(_KEEP))
        if not isinstance(kept, Done) or kept.rc != 0:
            self.disarm()
            raise HarehearseError(
                f"{self.name} was not struck, for its undo could not be laid on {self.target} where a reboot leaves it: "
                f"{words(kept)}"
            )

    def disarm(self) -> None:
        """Remove timer and undo, in both places.

        Raises:
            HarehearseError: something of it stays.
            Indeterminate: whether something stays is not known.
        """
        super().disarm()
        self._sure(self._script(_FORGET), "left its undo behind", "left nothing behind")


def disk_full(
    scene: Scene, node: str, *, path: str = "/var/lib", leave: str = "0", shared: bool = False,
    dead_man: str | None = None,
) -> Fault:  # fmt: skip
    """Fill a file system with one ballast file, until nothing can be written to it; the undo removes that file.

    The ballast survives a reboot, and the timer does not: what a reboot leaves, ``harehearse recover`` finds and removes.

    Args:
        scene: where.
        node: on which node.
        path: a folder on the file system that is filled; the ballast lies in it. Never that of ``/run``.
        leave: how much stays free, as ``"100MiB"``; ``"0"``: nothing.
        shared: fill it although others share it, as the storage pool of containers.
        dead_man: how long it outlives a runner that was killed.
    """
    return DiskFull(
        scene.channels, node, path, leave=size(leave), shared=shared,
        dead_man=scene.dead_man if dead_man is None else seconds(dead_man),
    )  # fmt: skip
