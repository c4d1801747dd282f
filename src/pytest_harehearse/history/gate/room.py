# SPDX-License-Identifier: MIT
"""Disk and memory of a node: whether the others could carry what one of them carries now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pytest_harehearse.remote.base import Channel, Done, Script, Unknown

#: Filesystems of the machine itself, in blocks of 1 KiB and in inodes; then the memory.
_ASK: Final = """LC_ALL=C df -P -k -l -x tmpfs -x devtmpfs -x overlay -x squashfs 2> /dev/null || LC_ALL=C df -P -k || exit 1
echo --
LC_ALL=C df -P -i -l -x tmpfs -x devtmpfs -x overlay -x squashfs 2> /dev/null || :
echo --
grep -E '^(MemTotal|MemAvailable):' /proc/meminfo
"""


@dataclass(frozen=True, slots=True)
class Room:
    """Of one node; ``problem``: why nothing of it is known."""

    #: Mount point → the free share of its blocks or inodes, whichever is less (0 to 1).
    free: dict[str, float] = field(default_factory=dict)
    #: Bytes.
    memory: int = 0
    available: int = 0
    problem: str | None = None


def read_room(channel: Channel, deadline: float) -> Room:
    """Ask a node; within ``deadline`` seconds."""
    said = channel.run(Script(_ASK), deadline=deadline, root=False)
    if not isinstance(said, Done):
        why = "was asked and did not answer" if isinstance(said, Unknown) else "could not be reached"
        return Room(problem=f"{why}: {said.reason}")
    if said.rc != 0:
        return Room(problem=f"df ended with {said.rc}: {said.err or 'no reason'}")
    return parse(said.out)


def parse(text: str) -> Room:
    """Return what such an answer says. Pure."""
    parts = text.split("\n--\n")
    if len(parts) != 3:
        return Room(problem=f"its answer is cut off after {len(text)} characters")
    free: dict[str, float] = {}
    for line in [*parts[0].splitlines(), *parts[1].splitlines()]:
        words = line.split(None, 5)
        # Without a size it is no filesystem of blocks, or has inodes without end.
        if len(words) == 6 and words[1].isdigit() and words[3].isdigit() and int(words[2]) + int(words[3]) > 0:
            share = int(words[3]) / (int(words[2]) + int(words[3]))
            free[words[5]] = min(share, free.get(words[5], 1.0))
    memory = {
        words[0]: int(words[1]) * 1024
        for line in parts[2].splitlines()
        if len(words := line.split()) >= 2 and words[1].isdigit()
    }
    if not free or "MemTotal:" not in memory or "MemAvailable:" not in memory:
        return Room(problem="it told no filesystem, or no memory")
    return Room(free, memory["MemTotal:"], memory["MemAvailable:"])
