# SPDX-License-Identifier: MIT
"""Faults of a systemd unit on a host: it is stopped behind the cluster's back, or killed again and again."""

from __future__ import annotations

from typing import Final

from pytest_harehearse.errors import HarehearseError, Unsupported
from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.dead_man import FLEETING
from pytest_harehearse.faults.on_node import OnNode, Scripts
from pytest_harehearse.managers.capabilities import Cleanup, ManagesUnits
from pytest_harehearse.units import seconds, show

#: $1 the unit. ``started PID`` prints when a process began: with its pid, what it is known by; ``same`` whether ``pid`` is
#: still the one of ``since``. ``main`` fails when systemd does not answer.
COMMON: Final = f"""unit=$1
eval "id=\\${{$#}}"
folder={FLEETING}/$id
started() {{ sed 's/.*) //' "/proc/$1/stat" 2> /dev/null | cut -d' ' -f20; }}
state() {{ sed 's/.*) //' "/proc/$1/stat" 2> /dev/null | cut -d' ' -f1; }}
same() {{ [ -n "$since" ] && [ "$(started "$pid")" = "$since" ]; }}
main() {{
  told=$(systemctl show --property=MainPID --value -- "$unit") && [ -n "$told" ] || {{ echo "systemd does not answer"; return 1; }}
  echo "$told"
}}
members() {{
  group=$(systemctl show --property=ControlGroup --value -- "$unit")
  for root in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    [ -n "$group" ] && [ -e "$root$group/cgroup.procs" ] || continue
    find "$root$group" -name cgroup.procs -exec cat {{}} +
    return
  done
}}
"""
RUNS: Final = f"""{COMMON}
command -v systemctl > /dev/null || {{ echo "it has no systemd" >&2; exit 1; }}
[ "$(main)" -gt 0 ] 2> /dev/null || {{ echo "$unit does not run there" >&2; exit 1; }}
"""
# -- stopped by systemd ------------------------------------------------------------------------------------------------

#: $2 yes: the cluster manages it, and starts it itself.
_STOP: Final = f"""set -eu
{COMMON}
[ -s "$folder/before" ] || {{ main > "$folder/main" && mv "$folder/main" "$folder/before"; }}
systemctl stop -- "$unit"
echo "stopped $unit"
"""
_STOPPED: Final = f"""{COMMON}
now=$(main) || {{ echo "$now"; exit 1; }}
[ -s "$folder/before" ] || {{ echo "nothing was stopped"; exit 1; }}
[ "$now" != "$(cat "$folder/before")" ] || {{ echo "process $now of $unit still runs"; exit 1; }}
"""
_START: Final = """[ "$2" = yes ] || systemctl start -- "$1"
"""
_STARTED: Final = """[ "$2" = yes ] || systemctl is-active --quiet -- "$1" || { echo "$1 does not run"; exit 1; }
"""

# -- killed again and again --------------------------------------------------------------------------------------------

#: $2 seconds between two kills, $3 how many, $4 yes: the cluster manages it, and starts it itself.
_LOOP: Final = f"""set -eu
{COMMON}
if [ -e "$folder/loop" ]; then
  read -r pid since < "$folder/loop"
  ! same || {{ echo "its loop runs already"; exit 0; }}
fi
cat > "$folder/loop.sh" <<'LOOP'
for n in $(seq "$3"); do
  systemctl kill --signal=KILL -- "$1" && echo "$n" > "$4/kills"
  sleep "$2"
done
LOOP
setsid sh "$folder/loop.sh" "$1" "$2" "$3" "$folder" < /dev/null > /dev/null 2>&1 &
echo "$! $(started $!)" > "$folder/loop"
echo "killing $unit every $2 s, $3 times"
"""
_LOOPS: Final = f"""{COMMON}
for try in $(seq 25); do [ -s "$folder/kills" ] && exit 0; sleep 0.2; done
echo "nothing was killed"; exit 1
"""
#: With what the loop started, which is its process group. A unit that nobody else starts may have died too often for
#: systemd to start it once more.
_END_LOOP: Final = f"""{COMMON}
if [ -e "$folder/loop" ]; then
  read -r pid since < "$folder/loop"
  ! same || kill -KILL "-$pid" 2> /dev/null || ! same || {{ echo "no right to end its loop: $pid" >&2; exit 1; }}
fi
[ "$4" = yes ] || {{ systemctl reset-failed -- "$unit" 2> /dev/null; systemctl start -- "$unit"; }}
"""
_LOOP_ENDED: Final = f"""{COMMON}
if [ -e "$folder/loop" ]; then
  read -r pid since < "$folder/loop"
  for try in 1 2 3 4 5 6 7 8 9 10; do same && [ "$(state "$pid")" != Z ] || {{ pid=; break; }}; sleep 0.2; done
  [ -z "$pid" ] || {{ echo "its loop still runs: $pid"; exit 1; }}
fi
[ "$4" = yes ] || systemctl is-active --quiet -- "$unit" || {{ echo "$unit does not run"; exit 1; }}
"""
_YES: Final = {True: "yes", False: "no"}


def unit_of(scene: Scene, unit: str | None) -> str:
    """Return the unit that is meant.

    Raises:
        Unsupported: the cluster manages none, or several.
    """
    if unit is not None:
        return unit
    managed = scene.manager.units() if isinstance(scene.manager, ManagesUnits) else ()
    if scene.planned and not managed:
        return "the unit that serves"
    if len(managed) != 1:
        there = f"manages {', '.join(managed)}" if managed else "manages no systemd unit"
        raise Unsupported(f'{scene.cluster.id} {there}: name what is meant, as in unit="nginx".')
    return managed[0]


def process_stop(scene: Scene, node: str, *, unit: str | None = None, dead_man: str | None = None) -> Fault:
    """Stop a unit in an orderly way, behind the cluster's back; a unit that the cluster manages is the cluster's to start.

    Args:
        scene: where.
        node: which node.
        unit: as for :func:`process_hang`.
        dead_man: how long it outlives a runner that was killed.
    """
    meant = unit_of(scene, unit)
    managed = _managed(scene, meant)
    return OnNode(
        "process_stop", scene.channels, node,
        lambda: Scripts(_STOP, _STOPPED, _START, _STARTED, (meant, _YES[managed])), needs=RUNS,
        strike_text=f"on {node}, systemctl stop {meant}, behind the cluster's back",
        undo_text=f"none needed: the cluster starts {meant} again" if managed else f"on {node}, systemctl start {meant}",
        dead_man=scene.dead_man if dead_man is None else seconds(dead_man), expected=Expected.IN_PLACE,
    )  # fmt: skip


def _managed(scene: Scene, unit: str) -> bool:
    return isinstance(scene.manager, ManagesUnits) and unit in scene.manager.units()


class CrashLoop(OnNode):
    """See :class:`~.base.Fault`; what the cluster remembers of it is forgotten with the undo."""

    #: Set by the builder.
    manager: object = None

    def undo(self) -> None:
        """End the loop, and let the cluster forget the failures that it made.

        Raises:
            HarehearseError: the loop runs, or the failures stay.
        """
        super().undo()
        if isinstance(self.manager, Cleanup):
            try:
                self.manager.cleanup()
            except HarehearseError as error:
                raise type(error)(
                    f"The failures that {self.name} made on {self.target} are not forgotten: {error}"
                ) from error


def process_crash_loop(
    scene: Scene, node: str, *, unit: str | None = None, every: str = "1s", times: int = 10, dead_man: str | None = None
) -> Fault:
    """SIGKILL every process of a unit again and again, as one that dies at each start; the undo ends that.

    Args:
        scene: where.
        node: which node.
        unit: as for :func:`process_hang`.
        every: between two kills.
        times: how many kills.
        dead_man: how long it outlives a runner that was killed.
    """
    meant, pause = unit_of(scene, unit), seconds(every)
    managed = _managed(scene, meant)
    fault = CrashLoop(
        "process_crash_loop", scene.channels, node,
        lambda: Scripts(_LOOP, _LOOPS, _END_LOOP, _LOOP_ENDED, (meant, f"{pause:g}", str(times), _YES[managed])), needs=RUNS,
        strike_text=f"on {node}, SIGKILL every process of {meant} every {show(pause)}, {times} times",
        undo_text=f"on {node}, end the loop; "
        + ("let the cluster forget the failures" if managed else f"systemctl start {meant}"),
        dead_man=scene.dead_man if dead_man is None else seconds(dead_man), expected=Expected.ON_PEER,
    )  # fmt: skip
    fault.manager = scene.manager
    return fault
