# SPDX-License-Identifier: MIT
"""``process_hang``: every process of a unit, or every one that a pattern matches, stops where it is and goes on later."""

from __future__ import annotations

from typing import Final

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.on_node import OnNode, Scripts
from pytest_harehearse.faults.units import COMMON, RUNS, unit_of
from pytest_harehearse.labs.base import HangControl
from pytest_harehearse.units import seconds

#: $1 the unit, or the pattern; $2 which of both. A pattern never means what asks, nor who started that, nor the timer; and
#: nothing of the containers that a host shows beside its own.
_FOUND: Final = f"""{COMMON}
asking() {{
  above=$$
  while [ "${{above:-0}}" -gt 1 ]; do
    echo "$above"
    above=$(sed 's/.*) //' "/proc/$above/stat" 2> /dev/null | cut -d' ' -f2)
  done
}}
matching() {{
  own=" $(asking | tr '\\n' ' ')"
  space=$(readlink /proc/self/ns/pid)
  for file in $(grep -lzsE -e "$1" /proc/[0-9]*/cmdline); do
    pid=${{file#/proc/}} pid=${{pid%/cmdline}}
    case $own in *" $pid "*) continue ;; esac
    [ "$pid" != 1 ] && [ "$(readlink "/proc/$pid/ns/pid" 2> /dev/null)" = "$space" ] || continue
    ! tr '\\0' ' ' < "$file" 2> /dev/null | grep -qF -e "$id" || continue
    echo "$pid"
  done
}}
found() {{ if [ "$2" = unit ]; then members; else matching "$1"; fi; }}
"""
_MATCHES: Final = f"""{_FOUND}
[ -n "$(found "$@")" ] || {{ echo "no process there matches $1" >&2; exit 1; }}
"""
#: Each is on the list before its signal, for the undo goes by that. Twice and more: one may just have started another.
#: What somebody else had stopped is not ours to let go on.
_HANG: Final = f"""set -eu
{_FOUND}
touch "$folder/pids"
for round in 1 2 3 4 5; do
  new=
  for pid in $(found "$@"); do
    since=$(started "$pid")
    [ -n "$since" ] && [ "$(state "$pid")" != T ] && ! grep -qx "$pid $since" "$folder/pids" || continue
    echo "$pid $since" >> "$folder/pids"
    new=yes
  done
  [ -n "$new" ] || break
  while read -r pid since; do
    ! same || kill -STOP "$pid" 2> /dev/null || ! same || {{ echo "process $pid cannot be stopped" >&2; exit 1; }}
  done < "$folder/pids"
done
[ -s "$folder/pids" ] || {{ echo "nothing of $1 runs there" >&2; exit 1; }}
echo "stopped $(wc -l < "$folder/pids") processes of $1"
"""
_HUNG: Final = f"""{COMMON}
[ -s "$folder/pids" ] || {{ echo "nothing was stopped"; exit 1; }}
for try in 1 2 3 4 5 6 7 8 9 10; do
  running= stopped=
  while read -r pid since; do
    same || continue
    if [ "$(state "$pid")" = T ]; then stopped=yes; else running="$running $pid"; fi
  done < "$folder/pids"
  [ -z "$stopped" ] || [ -n "$running" ] || exit 0
  sleep 0.2
done
[ -n "$running" ] && echo "not stopped:$running" || echo "all that were stopped are gone"
exit 1
"""
_GO_ON: Final = f"""{COMMON}
[ -e "$folder/pids" ] || exit 0
bad=
while read -r pid since; do
  ! same || kill -CONT "$pid" 2> /dev/null || ! same || bad="$bad $pid"
done < "$folder/pids"
[ -z "$bad" ] || {{ echo "no right to let these go on:$bad" >&2; exit 1; }}
"""
_WENT_ON: Final = f"""{COMMON}
[ -e "$folder/pids" ] || exit 0
for try in 1 2 3 4 5 6 7 8 9 10; do
  still=
  while read -r pid since; do ! same || [ "$(state "$pid")" != T ] || still="$still $pid"; done < "$folder/pids"
  [ -n "$still" ] || exit 0
  sleep 0.2
done
echo "still stopped:$still"; exit 1
"""


def process_hang(
    scene: Scene, node: str, *, unit: str | None = None, pattern: str | None = None, dead_man: str | None = None
) -> Fault:
    """Stop every process of what serves users where it is (SIGSTOP); the undo lets exactly those go on.

    Args:
        scene: where.
        node: which node.
        unit: the systemd unit, as ``nginx``; default: the one that the cluster manages, or the embedded lab's server.
        pattern: instead of a unit, on hosts: every process that has an argument, or a title, in which this extended
            regular expression is found, as ``^nginx: worker``.
        dead_man: how long it outlives a runner that was killed.

    Raises:
        Unsupported: it is not clear what is meant; nothing was touched.
    """
    if pattern is not None and (unit is not None or not pattern):
        raise Unsupported('process_hang takes a unit or a pattern that is not empty, as in pattern="^nginx: worker".')
    if isinstance(scene.lab, HangControl) or scene.cluster.provider == "embedded":
        from pytest_harehearse.faults.embedded_hang import hang

        if pattern is not None:
            raise Unsupported(
                "process_hang takes a pattern on hosts only; in an embedded lab it stops what serves users."
            )
        return hang(scene, node, dead_man=dead_man)
    if pattern is not None:
        what = f"every process that matches {pattern!r}"
        return _hung(scene, node, (pattern, "pattern"), what, "process_hang", Expected.ON_PEER, dead_man)
    return hung(scene, node, unit_of(scene, unit), "process_hang", Expected.ON_PEER, dead_man)


def hung(scene: Scene, node: str, unit: str, name: str, expected: Expected, dead_man: str | None) -> Fault:
    """Return the fault that stops every process of a unit where it is."""
    return _hung(scene, node, (unit, "unit"), f"every process of {unit}", name, expected, dead_man)


def _hung(
    scene: Scene, node: str, which: tuple[str, str], what: str, name: str, expected: Expected, dead_man: str | None
) -> Fault:
    return OnNode(
        name, scene.channels, node, lambda: Scripts(_HANG, _HUNG, _GO_ON, _WENT_ON, which),
        needs=RUNS if which[1] == "unit" else _MATCHES,
        strike_text=f"on {node}, stop {what} where it is (SIGSTOP)",
        undo_text=f"on {node}, let exactly those go on (SIGCONT)",
        dead_man=scene.dead_man if dead_man is None else seconds(dead_man), expected=expected,
    )  # fmt: skip
