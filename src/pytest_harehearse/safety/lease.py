# SPDX-License-Identifier: MIT
"""The lease on a cluster: one rehearsal at a time, whichever machine, user or store it comes from.

It lies on the nodes themselves (an embedded lab's in its home), in one small file each, under a lock of the kernel's there.
Whoever holds a majority of the places holds the cluster, so that two can never; it runs out by itself when its holder died.
Its end is told by the place's own uptime, or, after a reboot there, by its wall clock.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from pytest_harehearse.errors import Indeterminate
from pytest_harehearse.remote.base import Channel, Done, Outcome, Script

LEASE_S: Final = 60.0
ON_NODES: Final = "/var/lib/harehearse/lease"
ASK_S: Final = 10.0
HELD: Final = 4
GONE: Final = 3

#: Common to all: $1 the file, $2 the lease's id. Sets now (uptime) and boot; the lock is on the folder above ours.
_BEGIN: Final = """set -eu
umask 077
file=$1 id=$2
folder=$(dirname "$file")
command -v flock > /dev/null || { echo "flock is not installed there" >&2; exit 1; }
exec 9< "$(dirname "$folder")"
flock -w 5 9 || { echo "its lock was not free within 5 s" >&2; exit 1; }
now=$(cut -d. -f1 /proc/uptime)
boot=$(cat /proc/sys/kernel/random/boot_id)
theirs() { [ -e "$file" ] && [ "$(sed -n 1p "$file")" != "$id" ]; }
over() {
  if [ "$(sed -n 2p "$file")" = "$boot" ]; then [ "$now" -ge "$(sed -n 3p "$file")" ]
  else [ "$(date +%s)" -ge "$(sed -n 4p "$file")" ]; fi
}
show() { if over; then echo over; else echo held; fi; cat "$file"; }
keep() {
  printf '%s\\n%s\\n%s\\n%s\\n%s\\n' "$id" "$boot" "$((now + $1))" "$(($(date +%s) + $1))" "$2" > "$file.new"
  mv "$file.new" "$file"
}
"""
#: $3 seconds, $4 what is told to others.
_TAKE: Final = f"""{_BEGIN}
if theirs && ! over; then show; exit {HELD}; fi
mkdir -p "$folder"
keep "$3" "$4"
"""
_RENEW: Final = f"""{_BEGIN}
[ -e "$file" ] || exit {GONE}
if theirs; then show; exit {HELD}; fi
keep "$3" "$4"
"""
#: Also when it is somebody else's by now, which is left alone.
_GIVE_BACK: Final = f"""{_BEGIN}
theirs || rm -f "$file"
rmdir "$folder" 2> /dev/null || true
"""
_READ: Final = f"""{_BEGIN}
[ ! -e "$file" ] || show
"""


@dataclass(frozen=True, slots=True)
class LeasePlace:
    """Where a lease lies."""

    name: str
    channel: Channel
    path: str = ON_NODES
    as_root: bool = True

    def run(self, script: str, *rows: str) -> Outcome:
        """Run one of the scripts there."""
        return self.channel.run(Script(script, (self.path, *rows)), deadline=ASK_S, root=self.as_root)


@dataclass(frozen=True, slots=True)
class Lease:
    """One that was found."""

    id: str
    run: str
    cluster: str
    #: user@host, pid.
    owner: str
    #: Seconds since the epoch: since by its holder's clock, until by that of the place.
    since: float
    until: float
    expired: bool
    place: str
    #: By which a process of this machine is known: boot id, pid, start in ticks since boot.
    boot: str = ""
    pid: int = 0
    started: int = 0

    @property
    def owner_died(self) -> bool:
        """Whether its holder was a process of this machine's present boot, and lives no more. False: not known."""
        return self.boot == boot_id() and _started(self.pid) != self.started

    def describe(self) -> str:
        """Return who, since when, until when, as a clause."""
        end = "ended" if self.expired else "until"
        died = "; that process has died" if self.owner_died else ""
        return f"run {self.run} of {self.owner}, since {_at(self.since)}, {end} {_at(self.until)}{died}"


class Leased(Indeterminate):
    """Somebody else holds the cluster."""

    def __init__(self, cluster: str, lease: Lease) -> None:
        self.lease = lease
        super().__init__(
            f"{cluster} is being rehearsed on by {lease.describe()}; one rehearsal at a time, so nothing was started. "
            + (
                f"Give it back: harehearse recover {cluster}"
                if lease.owner_died
                else f"Should that run be dead: harehearse recover {cluster}, once the lease has ended."
            )
        )


class Holder:
    """A lease of ours: taken, renewed by a thread while we live, given back."""

    def __init__(
        self, places: Sequence[LeasePlace], *, cluster: str, run: str, owner: str, seconds: float = LEASE_S
    ) -> None:
        self.id = secrets.token_hex(8)
        self.cluster = cluster
        self.seconds = seconds
        self._places = tuple(places)
        self._text = json.dumps(
            {
                "run": run, "cluster": cluster, "owner": owner, "since": time.time(), "boot": boot_id(),
                "pid": os.getpid(), "started": _started(os.getpid()),
            },
            ensure_ascii=False,
        )  # fmt: skip
        self._over = threading.Event()
        self._keeper: threading.Thread | None = None
        self._renewed = 0.0
        #: Who took it from us; None: nobody.
        self._thief: str | None = None

    @property
    def _most(self) -> int:
        return len(self._places) // 2 + 1

    def take(self) -> Holder:
        """Take it at a majority of the places, one after the other in their order, so that of two at once one wins.

        Raises:
            Leased: somebody else holds it; nothing of ours stays.
            Indeterminate: too few places answer to know; nothing of ours stays as far as anyone can tell.
        """
        taken, trouble = 0, []
        for place in self._places:
            said = place.run(_TAKE, self.id, str(int(self.seconds)), self._text)
            if isinstance(said, Done) and said.rc == 0:
                taken += 1
            elif isinstance(said, Done) and said.rc == HELD:
                self._everywhere(_GIVE_BACK)
                raise Leased(self.cluster, _parsed(place.name, said.out))
            else:
                trouble.append(f"{place.name}: {_words(said)}")
        if taken < self._most:
            self._everywhere(_GIVE_BACK)
            raise Indeterminate(
                f"{self.cluster} could not be leased, so nothing was started: {taken} of {len(self._places)} places could "
                f"be written, {self._most} are needed. {'; '.join(trouble)}"
            )
        self._renewed = time.monotonic()
        self._keeper = threading.Thread(target=self._keep, name=f"harehearse lease {self.cluster}", daemon=True)
        self._keeper.start()
        return self

    @property
    def lost(self) -> str | None:
        """Why the cluster may be somebody else's by now; None: it is ours."""
        if self._thief is not None:
            return f"the lease on {self.cluster} was taken over by {self._thief}"
        silent = time.monotonic() - self._renewed
        if silent > self.seconds:
            return f"the lease on {self.cluster} could not be renewed for {silent:.0f} s, and ran out"
        return None

    def give_back(self) -> list[str]:
        """Remove it everywhere; return where that is not known (it runs out by itself there)."""
        self._over.set()
        if self._keeper is not None:
            self._keeper.join(timeout=ASK_S + 2)
        said = self._everywhere(_GIVE_BACK)
        return [f"{n}: {_words(one)}" for n, one in said.items() if not isinstance(one, Done) or one.rc != 0]

    def _keep(self) -> None:
        while not self._over.wait(self.seconds / 4):
            begun = time.monotonic()
            said = self._everywhere(_RENEW, str(int(self.seconds)), self._text)
            for name, one in said.items():
                if isinstance(one, Done) and one.rc == HELD:
                    self._thief = _parsed(name, one.out).describe()
                elif isinstance(one, Done) and one.rc == GONE and not self._over.is_set():
                    # A node that was made anew, or set back to a snapshot: ours again, unless somebody was quicker.
                    self._by_name(name).run(_TAKE, self.id, str(int(self.seconds)), self._text)
            if sum(isinstance(one, Done) and one.rc == 0 for one in said.values()) >= self._most:
                self._renewed = begun

    def _by_name(self, name: str) -> LeasePlace:
        return next(place for place in self._places if place.name == name)

    def _everywhere(self, script: str, *rows: str) -> dict[str, Outcome]:
        return _everywhere(self._places, script, self.id, *rows)


def read(places: Sequence[LeasePlace]) -> tuple[Lease | None, dict[str, str]]:
    """Return the lease on a cluster (one that is not expired first; None: there is none), and place → why it is not known."""
    found: list[Lease] = []
    unknown: dict[str, str] = {}
    for name, said in _everywhere(places, _READ, "-").items():
        if not isinstance(said, Done) or said.rc != 0:
            unknown[name] = _words(said)
        elif said.out:
            found.append(_parsed(name, said.out))
    found.sort(key=lambda lease: (lease.expired, -lease.until))
    return (found[0] if found else None), unknown


def take_away(places: Sequence[LeasePlace], lease: Lease) -> dict[str, str]:
    """Remove a lease whose holder is gone, by its id, wherever it lies; return place → why that is not known."""
    said = _everywhere(places, _GIVE_BACK, lease.id)
    return {name: _words(one) for name, one in said.items() if not isinstance(one, Done) or one.rc != 0}


def _everywhere(places: Sequence[LeasePlace], script: str, *rows: str) -> dict[str, Outcome]:
    if not places:
        return {}
    with ThreadPoolExecutor(max_workers=min(16, len(places))) as pool:
        futures = {place.name: pool.submit(place.run, script, *rows) for place in places}
        return {name: future.result() for name, future in futures.items()}


def _parsed(place: str, text: str) -> Lease:
    """Read what a script shows; one that cannot be read is somebody's all the same."""
    state, identity, _, _, until, rest = [*text.split("\n", 5), *[""] * 6][:6]
    unreadable = Lease(identity or "?", "?", "?", "somebody", 0.0, 0.0, state == "over", place)
    try:
        told = json.loads(rest)
        end = float(until)
        return replace(
            unreadable, run=str(told["run"]), cluster=str(told["cluster"]), owner=str(told["owner"]),
            since=float(told["since"]), until=end, boot=str(told["boot"]), pid=int(told["pid"]),
            started=int(told["started"]),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError):
        return unreadable


def _words(outcome: Outcome) -> str:
    if isinstance(outcome, Done):
        return outcome.err or outcome.out or f"status {outcome.rc}"
    return outcome.reason


def _at(seconds: float) -> str:
    return (
        datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %z") if seconds else "an unknown time"
    )


def boot_id() -> str:
    """Return by what this boot of this machine's kernel is known."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _started(pid: int) -> int:
    """Return when a living process began, in ticks since boot; 0: it does not live."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in {"Z", "X"} else int(fields[19])
