# SPDX-License-Identifier: MIT
"""What a fault may have left: looked for everywhere, without knowing which fault it was."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.chaos.ground import Ground

from pytest_harehearse.faults.base import Scene
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.base import PowerControl
from pytest_harehearse.rehearsal.scene import places
from pytest_harehearse.remote.base import Channel, Done, Script

#: What a node is like that faults change; what changes by itself is left out. Every line is one fact.
_NODE: Final = r"""export LC_ALL=C
nft list tables 2> /dev/null
tc qdisc show 2> /dev/null | grep -Ev 'noqueue|qdisc (pfifo_fast|fq_codel|mq) ' | sed 's/refcnt.*//'
ip -o link show 2> /dev/null | sed -E 's/^[0-9]+: ([^:@]+)[^:]*: <([^>]*)>.*/link \1 \2/'
ip neigh show nud permanent 2> /dev/null
ip rule show 2> /dev/null
grep -E ' (/|/var[^ ]*|/srv[^ ]*|/mnt[^ ]*|/tmp[^ ]*) ' /proc/mounts | sed -E 's/,?(size|nr_inodes|inode64)[^, ]*//g'
ps -eo stat=,pid=,comm= | awk '$1 ~ /^[Tt]/ {print "stopped " $2 " " $3}'
find /sys/fs/cgroup -name cgroup.freeze 2> /dev/null | while read -r one; do
  [ "$(cat "$one" 2> /dev/null)" != 1 ] || echo "frozen $one"
done
find / /run /tmp /dev/shm -xdev -name '*harehearse*' -not -path /var/lib/harehearse -not -path /run/harehearse -not -path '/run/systemd/*' 2> /dev/null
find /run/harehearse /var/lib/harehearse/undo -mindepth 1 -maxdepth 1 2> /dev/null
systemctl list-units --all --plain --no-legend 'harehearse*' 2> /dev/null | awk '{print "unit " $1 " " $3}'
systemctl list-unit-files --state=masked,masked-runtime --no-legend 2> /dev/null | awk '{print "masked " $1}'
cibadmin --query --xpath '//constraints/*' 2> /dev/null | grep -oE ' id="[^"]*"' | sed 's/^/constraint/'
cibadmin --query --xpath '//cluster_property_set/nvpair' 2> /dev/null | grep -oE 'name="(maintenance-mode|stonith-enabled|stop-all-resources)" value="[^"]*"'
cibadmin --query --xpath '//nodes//nvpair' 2> /dev/null | grep -oE 'name="(standby|maintenance)" value="[^"]*"'
true
"""
#: What bears the id of a fault, as "netpartition0a1b2c3d".
_OURS: Final = re.compile(r"[a-z]{3,12}[0-9a-f]{8}\b")


def _all(scene: Scene) -> dict[str, list[str] | str]:
    """Return the facts of every node, asked at once."""
    if not scene.channels:
        return {}
    with ThreadPoolExecutor(max_workers=len(scene.channels)) as pool:
        return dict(zip(scene.channels, pool.map(_facts, scene.channels.values()), strict=True))


def _facts(channel: Channel) -> list[str] | str:
    """Return the facts of a node, or why they are not known."""
    said = channel.run(Script(_NODE, ()), deadline=30)
    if isinstance(said, Done) and said.rc == 0:
        return sorted(set(said.out.splitlines()))
    return said.err if isinstance(said, Done) else said.reason


class Baseline:
    """How the nodes were before the first round; what is different later is residue."""

    def __init__(self, ground: Ground) -> None:
        self._tables = set(_tables())
        self._facts: dict[str, set[str]] = {}
        for node, facts in _all(ground.scene()).items():
            if isinstance(facts, str):
                raise RuntimeError(f"{node} cannot be asked: {facts}")  # noqa: TRY004 - it is an answer
            # Nothing of ours belongs there, whoever left it.
            self._facts[node] = {fact for fact in facts if not _OURS.search(fact)}

    def left(self, ground: Ground) -> list[str]:
        """Return everything that is not as it was, in words."""
        found: list[str] = []
        scene = ground.scene()
        if isinstance(ground.lab, PowerControl):
            off = [(node, state) for node in scene.nodes if (state := ground.lab.power_state(node)) != "on"]
            found += [f"{node} is {state}" for node, state in off]
            if off:
                return found
        for node, facts in _all(scene).items():
            if isinstance(facts, str):
                found.append(f"{node} cannot be asked: {facts}")
                continue
            found += [f"{node}: now there: {fact}" for fact in sorted(set(facts) - self._facts[node])]
            found += [f"{node}: gone: {fact}" for fact in sorted(self._facts[node] - set(facts))]
        for place in places(scene):
            said = place.run(Script('ls -A "$1" 2> /dev/null || true', (place.root,)))
            if not isinstance(said, Done):
                found.append(f"{place.name} cannot be asked: {said.reason}")
            elif said.out:
                found.append(f"{place.name}: an undo in {place.root}: {' '.join(said.out.split())}")
        found += [f"this machine: {table}" for table in _tables() if table not in self._tables]
        return found + _here(ground)


def _tables() -> list[str]:
    """Return this machine's nft tables with a name of ours."""
    if os.geteuid() != 0 or shutil.which("nft") is None:
        return []
    said = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, timeout=20, check=False)
    return [line for line in said.stdout.splitlines() if "harehearse_" in line]


def _here(ground: Ground) -> list[str]:
    """Return what is left on this machine: stopped processes of the lab, watchers."""
    home = Path(getattr(ground.lab, "home", "/nonexistent"))
    found = [f"stopped: pid {p.pid} {p.command[:60]}" for p in processes.below(home) if _stopped(p.pid)]
    undo = getattr(ground.lab, "undo_folder", None)
    if undo is not None:
        found += [f"a watcher runs: {p.command[:120]}" for p in processes.speaking_of(undo)]
    return found


def _stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"T", "t"}
    except OSError:
        return False


def of_run(folder: Path) -> list[str]:
    """Return the living processes of a killed run: they name its folder."""
    return [f"pid {p.pid} {p.command[:100]}" for p in processes.speaking_of(folder)]
