# SPDX-License-Identifier: MIT
"""What killed rehearsals left at the places of a cluster: undos that lie there, and things of ours without one."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pytest_harehearse.faults.dead_man import FLEETING, Place, words
from pytest_harehearse.remote.base import Done, Script

ASK_S: Final = 10.0
#: Longer than an undo takes that waits for a lab to show its effect.
UNDO_S: Final = 40.0

#: $1 the root. One line a folder: U, id, seconds until the timer (empty: none runs), what it is about. One line a thing of
#: ours without a folder, told on nodes only ($2 = node): N a table of nft. E: a folder of ours without its undo.
_LIST: Final = """root=$1
for folder in "$root"/*/; do
  id=$(basename "$folder")
  if [ ! -e "$folder/undo.sh" ]; then
    [ ! -e "$folder/about.json" ] || printf 'E\\t%s\\t\\t\\n' "$id"
    continue
  fi
  left=
  until=$(cat "$folder/deadline" 2> /dev/null)
  case $until in '' | *[!0-9]*) ;; *) left=$((until - $(cut -d. -f1 /proc/uptime))) ;; esac
  printf 'U\\t%s\\t%s\\t%s\\n' "$id" "$left" "$(tr -d '\\n\\t' < "$folder/about.json" 2> /dev/null)"
done
[ "$2" = node ] || exit 0
PATH=$PATH:/usr/sbin:/sbin
known() { [ -e "/run/harehearse/$1" ] || [ -e "/var/lib/harehearse/undo/$1" ]; }
if command -v nft > /dev/null; then
  nft list tables 2> /dev/null | while read -r _ family name; do
    case $name in harehearse_*) known "${name#harehearse_}" || printf 'N\\t%s\\t%s\\t\\n' "$name" "$family" ;; esac
  done
fi
exit 0
"""
#: $1 root, $2 id. 0: whoever removed the folder has proved before that it is undone; removing it may take a moment.
_GONE: Final = """folder=$1/$2
gone() {
  for try in 1 2 3 4 5 6 7 8 9 10; do [ -e "$folder" ] || return 0; sleep 0.2; done
  return 1
}
"""
#: $1 root, $2 id. What is undone is proved before it is forgotten. Its own timer may do the same at this instant.
_UNDO: Final = f"""{_GONE}[ -e "$folder/undo.sh" ] || {{ gone; exit; }}
sh "$folder/undo.sh" < /dev/null || gone || exit 1
[ ! -e "$folder/undone.sh" ] || sh "$folder/undone.sh" < /dev/null || gone || exit 1
rm -rf "$folder"
rmdir "$1" 2> /dev/null
[ ! -e "$folder" ]
"""
#: $1 root, $2 id. One that is being removed is undone; one that stays was torn by whatever killed its maker.
_EMPTY: Final = f"""{_GONE}gone && exit
echo "its undo.sh is gone, so nothing here can tell whether it was undone" >&2
exit 1
"""
#: $1 family, $2 name: only a table of ours by its name.
_DROP: Final = """PATH=$PATH:/usr/sbin:/sbin
case $2 in harehearse_*) ;; *) exit 2 ;; esac
nft list table "$1" "$2" > /dev/null 2>&1 || exit 0
nft delete table "$1" "$2"
"""


@dataclass(frozen=True, slots=True)
class Left:
    """Something that was left behind at one place."""

    place: Place
    #: undo, table, or empty: a folder of ours whose undo is gone.
    kind: str
    id: str
    fault: str
    target: str
    #: What was done, and what undoes it, in words.
    strike: str = ""
    undo: str = ""
    owner: str = ""
    run: str = ""
    #: Seconds since the epoch; 0: not known.
    at: float = 0.0
    #: Seconds until a timer there undoes it; None: none does.
    timer: float | None = None

    def describe(self) -> str:
        """Return what, where, by whom and since when, as a clause."""
        by = f" by {self.owner}" if self.owner else ""
        since = f" since {datetime.fromtimestamp(self.at).astimezone():%Y-%m-%d %H:%M:%S %z}" if self.at else ""
        run = f", run {self.run}" if self.run else ""
        return f"{self.fault} {self.target}".strip() + f" on {self.place.name}{by}{run}{since}"


def find(places: Sequence[Place]) -> tuple[list[Left], dict[str, str]]:
    """Return what lies at the places, one question to each at once, and place → why it could not be asked."""
    if not places:
        return [], {}
    found: list[Left] = []
    unknown: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=min(32, len(places))) as pool:
        asked = [(place, pool.submit(_ask, place)) for place in places]
        for place, future in asked:
            said = future.result()
            if not isinstance(said, Done) or said.rc != 0:
                unknown[place.name] = words(said)
                continue
            found += [left for line in said.out.splitlines() if (left := _read(place, line)) is not None]
    return found, unknown


def _ask(place: Place) -> Any:
    return place.channel.run(
        Script(_LIST, (place.root, "node" if place.root == FLEETING else "")),
        deadline=ASK_S,
        root=place.as_root,
    )


def _read(place: Place, line: str) -> Left | None:
    parts = [*line.split("\t", 3), "", "", ""]
    kind, identity, third, text = parts[:4]
    if kind == "N":
        return Left(
            place,
            "table",
            identity,
            "a table of packet rules",
            "",
            undo=f"nft delete table {third} {identity}",
            strike=third,
        )
    if kind == "E":
        hands = f"look at {place.root}/{identity}/about.json, undo what it tells of, and remove the folder"
        return Left(place, "empty", identity, f"the folder {identity}, without its undo,", "", undo=hands)
    if kind != "U" or not identity:
        return None
    try:
        about = json.loads(text)
        about = about if isinstance(about, dict) else {}
    except ValueError:
        about = {}
    timer = float(third) if re.fullmatch(r"-?\d+", third) else None
    at = about.get("at", 0.0)
    return Left(
        place, "undo", identity, str(about.get("fault", "something")), str(about.get("target", "")),
        str(about.get("strike", "")), str(about.get("undo", "")) or f"sh {place.root}/{identity}/undo.sh",
        str(about.get("owner", "")), str(about.get("run", "")), float(at) if isinstance(at, int | float) else 0.0, timer,
    )  # fmt: skip


def undo(left: Left) -> str | None:
    """Undo something that was left and prove it; return why that failed or is not known, None when it is undone."""
    if left.kind == "table":
        script, rows = _DROP, (left.strike, left.id)
    else:
        script, rows = _EMPTY if left.kind == "empty" else _UNDO, (left.place.root, left.id)
    said = left.place.channel.run(Script(script, rows), deadline=UNDO_S, root=left.place.as_root)
    if isinstance(said, Done):
        return None if said.rc == 0 else words(said)
    return f"not known: {said.reason}"
