# SPDX-License-Identifier: MIT
"""A dead man's switch: the undo of a fault lies where it outlives the runner, with a timer, before the strike.

There, in ``ROOT/ID``: ``undo.sh``, ``undone.sh`` (proves it), ``about.json`` (what, by whom, since when) and ``deadline``
(seconds of that machine's own uptime). A detached watcher undoes once the deadline has passed, whoever is still alive; it is
put off while the rehearsal lives, and ends itself when the folder is gone. Any machine that reaches the place can do the same
by these files alone: that is what ``harehearse recover`` does.
"""

from __future__ import annotations

import json
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Final

from pytest_harehearse.errors import HarehearseError, Indeterminate
from pytest_harehearse.remote.base import Channel, Command, Done, Outcome, Script

#: Emptied by a reboot, as is what most faults do.
FLEETING: Final = "/run/harehearse"
#: For what survives a reboot.
LASTING: Final = "/var/lib/harehearse/undo"
DEAD_MAN_S: Final = 60.0
ASK_S: Final = 15.0

#: $1 root, $2 id, $3 seconds, $4 undo, $5 proof that it is undone, $6 about. Exits with 0 only when the watcher runs.
_ARM: Final = """set -eu
umask 077
folder=$1/$2
mkdir -p "$folder"
printf '%s\\n' "$4" > "$folder/undo.sh"
printf '%s\\n' "$5" > "$folder/undone.sh"
printf '%s\\n' "$6" > "$folder/about.json"
now=$(cut -d. -f1 /proc/uptime)
echo $((now + $3)) > "$folder/deadline"
cat > "$folder/watch.sh" <<'WATCH'
folder=$1
cd /
while [ -e "$folder/deadline" ]; do
  now=$(cut -d. -f1 /proc/uptime)
  until=$(cat "$folder/deadline" 2> /dev/null) || exit 0
  if [ "$now" -ge "${until:-0}" ]; then
    { sh "$folder/undo.sh" && sh "$folder/undone.sh"; } > "$folder/said" 2>&1 < /dev/null && rm -rf "$folder" && exit 0
    sleep 4
  fi
  sleep 1
done
WATCH
sync "$folder"/* "$folder" 2> /dev/null || sync
if [ "$(id -u)" = 0 ] && command -v systemd-run > /dev/null && [ -d /run/systemd/system ]; then
  systemd-run --quiet --collect --unit="harehearse-$2" /bin/sh "$folder/watch.sh" "$folder"
  for try in 1 2 3 4 5; do systemctl is-active --quiet "harehearse-$2" && exit 0; sleep 0.2; done
else
  setsid sh "$folder/watch.sh" "$folder" < /dev/null > /dev/null 2>&1 &
  kill -0 $! && exit 0
fi
rm -rf "$folder"
echo "the timer that would undo it did not start" >&2
exit 1
"""
#: $1 root, $2 id, $3 seconds. 3: it was undone already, by the timer or by hand.
_PUT_OFF: Final = """folder=$1/$2
[ -e "$folder/deadline" ] || exit 3
now=$(cut -d. -f1 /proc/uptime)
echo $((now + $3)) > "$folder/deadline.new" && mv "$folder/deadline.new" "$folder/deadline"
"""
#: $1 root, $2 id. 3: there is nothing left to undo by.
_UNDO: Final = """folder=$1/$2
[ -e "$folder/undo.sh" ] || exit 3
sh "$folder/undo.sh" < /dev/null
"""
#: $1 root, $2 id. The watcher ends by itself, within two seconds, when its folder is gone.
_DISARM: Final = """rm -rf -- "$1/$2"
rmdir "$1" 2> /dev/null
[ ! -e "$1/$2" ] || { echo "its folder $1/$2 cannot be removed" >&2; exit 1; }
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere an undo can lie: a folder on a node, or on this machine."""

    name: str
    channel: Channel
    root: str = FLEETING
    #: False: the runner's own rights are enough, as for an embedded lab.
    as_root: bool = True

    def run(self, command: Command, deadline: float = ASK_S) -> Outcome:
        """Run something there."""
        return self.channel.run(command, deadline=deadline, root=self.as_root)


@dataclass(frozen=True, slots=True)
class About:
    """What lies beside an undo, for whoever finds it."""

    run: str
    cluster: str
    fault: str
    target: str
    #: The strike and the undo in words.
    strike: str
    undo: str
    #: user@host, pid.
    owner: str
    #: Seconds since the epoch, by the runner's clock.
    at: float


class DeadMan:
    """The timer of one fault, at one place or at several; each is able to undo it alone."""

    def __init__(
        self, identity: str, places: Callable[[], Sequence[Place]], undo: Script, undone: Script,
        seconds: float = DEAD_MAN_S, *, everywhere: bool = True,
    ) -> None:  # fmt: skip
        self.id = identity
        #: False: one place is enough, and one that does not answer is no obstacle.
        self._all = everywhere
        self.seconds = seconds
        self._places_of = places
        self._places: Sequence[Place] = ()
        self._undo = undo
        self._undone = undone
        self._over = threading.Event()
        self._keeper: threading.Thread | None = None
        #: Why it was over before we undid it; None: it was not.
        self.fired: str | None = None

    def arm(self, about: About) -> None:
        """Lay undo and timer down at every place, and see each timer run.

        Raises:
            HarehearseError: one is not armed; the others are disarmed again.
        """
        self._places = tuple(self._places_of())
        text = json.dumps(asdict(about), ensure_ascii=False)
        rows = (str(int(max(2, self.seconds))), _standing(self._undo), _standing(self._undone), text)
        said = self._everywhere(_ARM, *rows)
        bad = {name: outcome for name, outcome in said.items() if not isinstance(outcome, Done) or outcome.rc != 0}
        if (bad and self._all) or len(bad) == len(said):
            self._everywhere(_DISARM)
            each = "; ".join(f"{name}: {words(outcome)}" for name, outcome in bad.items()) or "it has no place to lie"
            raise HarehearseError(f"{about.fault} was not struck, for its timer is not armed: {each}")
        self._keeper = threading.Thread(target=self._keep, name=f"harehearse {self.id}", daemon=True)
        self._keeper.start()

    def undo(self) -> None:
        """Undo by what lies there; at any one of its places is enough, and nowhere when a timer did it already.

        Raises:
            HarehearseError: it could not be undone.
            Indeterminate: whether it was is not known; a timer does it.
        """
        self.stop()
        trouble: dict[str, Outcome] = {}
        for place in self._places:
            done = place.run(Script(_UNDO, (place.root, self.id)))
            if isinstance(done, Done) and done.rc in {0, 3}:
                if done.rc == 3:
                    self._fired(place)
                return
            trouble[place.name] = done
        if trouble:
            each = "; ".join(f"{name}: {words(outcome)}" for name, outcome in trouble.items())
            known = all(isinstance(outcome, Done) for outcome in trouble.values())
            raise (
                HarehearseError(f"it could not be undone: {each}")
                if known
                else Indeterminate(f"whether it is undone is not known: {each}")
            )

    def stop(self) -> None:
        """Put the timer off no longer: from now on it runs out by itself."""
        self._over.set()
        if self._keeper is not None:
            self._keeper.join(timeout=ASK_S + 2)

    def disarm(self) -> None:
        """Remove undo and timer everywhere.

        Raises:
            Indeterminate: a place does not answer; what lies there does no harm, and removes itself.
        """
        self.stop()
        said = self._everywhere(_DISARM)
        bad = [f"{name}: {words(one)}" for name, one in said.items() if not isinstance(one, Done) or one.rc != 0]
        if bad and (self._all or len(bad) == len(said)):
            raise Indeterminate(f"The timer {self.id} could not be removed: {'; '.join(bad)}")

    def _keep(self) -> None:
        """Put the timer off while we live; that it once could not be is no harm, for then it fires."""
        while not self._over.wait(self.seconds / 4):
            rows = (str(int(max(2, self.seconds))),)
            for place in self._places:
                kept = place.run(Script(_PUT_OFF, (place.root, self.id, *rows)))
                if isinstance(kept, Done) and kept.rc == 3 and not self._over.is_set():
                    self._fired(place)

    def _fired(self, place: Place) -> None:
        self.fired = f"the timer on {place.name} undid it, or somebody by hand, or {place.name} was rebooted"

    def _everywhere(self, script: str, *rows: str) -> dict[str, Outcome]:
        if not self._places:
            return {}
        with ThreadPoolExecutor(max_workers=min(16, len(self._places))) as pool:
            futures = {
                place.name: pool.submit(place.run, Script(script, (place.root, self.id, *rows)))
                for place in self._places
            }
            return {name: future.result() for name, future in futures.items()}


def _standing(script: Script) -> str:
    """Return a script that needs no arguments any more."""
    return f"set -- {shlex.join(script.arguments)}\n{script.text}"


def words(outcome: Outcome) -> str:
    """Return what came of a command, as a clause."""
    if isinstance(outcome, Done):
        return outcome.err or outcome.out or f"status {outcome.rc}"
    return outcome.reason


def owner() -> str:
    """Return who we are, for whoever finds what we left: user@host, pid."""
    import getpass
    import os
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}, pid {os.getpid()}"


def about(*, run: str, cluster: str, fault: str, target: str, strike: str, undo: str) -> About:
    """Return what is laid beside an undo now."""
    return About(run, cluster, fault, target, strike, undo, owner(), time.time())
