# SPDX-License-Identifier: MIT
"""``disk_freeze``: every write to a file system waits, as with storage that does not answer, until it is thawed."""

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

#: A freeze first writes out what waits to be written.
FREEZE_S: Final = 60.0
#: File systems that a kernel can freeze.
FREEZABLE: Final = frozenset({"ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "nilfs2", "gfs2", "reiserfs", "bcachefs"})
#: What thaws lies or writes there, and so does every login by which it could be thawed by hand.
HELD: Final = ("/", "/run", "/usr", "/bin", "/sbin", "/lib", "/etc", "/var", "/var/log")

#: Arguments of all: mount point, where marks lie, where the timer is, id.
_NEEDS: Final = """no() { echo "$1" >&2; exit 1; }
for tool in fsfreeze setsid; do command -v $tool > /dev/null || no "$tool is not installed there"; done
[ "$(id -u)" = 0 ] || no "only root may freeze a file system"
"""
#: The mark says that it was we who froze it: what somebody else froze is not ours to thaw.
_STRIKE: Final = """mark=$2/harehearse_$4
[ ! -e "$mark" ] || { echo "$1 is frozen"; exit 0; }
: > "$mark" || exit 1
fsfreeze -f "$1" || { rm -f -- "$mark"; exit 1; }
echo "$1 is frozen"
"""
#: The write that waits cannot be ended, not even by a kill: it is done, and removes its file, with the thaw.
_EFFECT: Final = """[ -e "$2/harehearse_$4" ] || { echo "it was not frozen by this fault"; exit 1; }
setsid sh -c ': > "$1" && rm -f -- "$1"' "harehearse_$4" "$1/harehearse_$4.probe" < /dev/null > /dev/null 2>&1 &
sleep 1.5
kill -0 $! 2> /dev/null || { echo "a write to $1 did not wait"; exit 1; }
"""
_UNDO: Final = """mark=$2/harehearse_$4
[ -e "$mark" ] || exit 0
said=$(LC_ALL=C fsfreeze -u "$1" 2>&1) || case "$said" in
  *"Invalid argument"*) ;;
  *) echo "$said" >&2; exit 1 ;;
esac
rm -f -- "$mark"
"""
_UNDONE: Final = """[ ! -e "$2/harehearse_$4" ] || { echo "it is still frozen by this fault"; exit 1; }
setsid sh -c ': > "$1" && rm -f -- "$1"' "harehearse_$4" "$1/harehearse_$4.probe" < /dev/null > /dev/null 2>&1 &
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  if ! kill -0 $! 2> /dev/null; then
    wait $! || { echo "$1 cannot be written to"; exit 1; }
    exit 0
  fi
  sleep 0.25
done
echo "a write to $1 has waited for 5 s"
exit 1
"""


class DiskFreeze(SurelyUndone):
    """A file system on which every write waits; see :class:`~.base.Fault`."""

    def __init__(
        self, channels: Mapping[str, Channel], target: str, path: str, *, dead_man: float = DEAD_MAN_S,
        root: str = FLEETING, marks: str = "/run",
    ) -> None:  # fmt: skip
        def scripts() -> Scripts:
            there = mounts(channels[target])
            if there.contained:
                raise Unsupported(
                    f"{target} is a container: its file systems are its host's, which alone may freeze them"
                )
            found = there.whole(path)
            held = [place for place in (*HELD, root, marks) if (on := there.of(place)) and on.device == found.device]
            if held:
                raise Unsupported(
                    f"{path} on {target} holds {held[0]}: what has to thaw it, and every login there, would wait for itself"
                )
            if found.kind not in FREEZABLE:
                raise Unsupported(f"{path} on {target} is {found.kind}, which no kernel can freeze")
            if not found.writable:
                raise Unsupported(f"{path} on {target} is read-only: no write could wait there")
            return in_time(Scripts(_STRIKE, _EFFECT, _UNDO, _UNDONE, (found.target, marks, root)), "$3")

        super().__init__(
            "disk_freeze", channels, target, scripts, needs=_NEEDS,
            strike_text=f"on {target}, freeze {path}: every write to it waits",
            undo_text=f"on {target}, thaw {path} (fsfreeze -u {path})",
            dead_man=dead_man, root=root, expected=Expected.ON_PEER, strike_within=FREEZE_S,
        )  # fmt: skip


def disk_freeze(scene: Scene, node: str, *, path: str, dead_man: str | None = None) -> Fault:
    """Freeze a file system: every write to it waits, as with storage that does not answer; the undo thaws it.

    Never one that holds the root, ``/run`` or the programs that have to thaw it, and not in containers. A timer on the node
    thaws it when the runner cannot.

    Args:
        scene: where.
        node: on which node.
        path: a mount point of its own, of a whole file system.
        dead_man: how long it outlives a runner that was killed.
    """
    return DiskFreeze(scene.channels, node, path, dead_man=scene.dead_man if dead_man is None else seconds(dead_man))
