# SPDX-License-Identifier: MIT
"""``clock_jump``: the wall clock of a node steps, and steps back by what the monotonic clock says it should show."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from pytest_harehearse.errors import Indeterminate, Unsupported
from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.dead_man import DEAD_MAN_S, FLEETING
from pytest_harehearse.faults.on_node import Scripts
from pytest_harehearse.faults.surely import SurelyUndone, in_time
from pytest_harehearse.remote.base import Channel
from pytest_harehearse.remote.clock_offset import NodeClock, measure
from pytest_harehearse.units import seconds, show

MEASURE_S: Final = 10.0
#: A step is made by a program that takes its time to start; what is nearer than this cannot be told from none.
SLACK_S: Final = 1.0
LEAST_S: Final = 3 * SLACK_S

#: Arguments of all: seconds to step by, where the folder lies, where the timer is, id.
_NEEDS: Final = """no() { echo "$1" >&2; exit 1; }
read -r inside outside count < /proc/self/uid_map
[ "$inside $outside" = "0 0" ] || no "it is a container: its clock is that of its host, which alone may set it"
read -r name hex <<CAPS
$(grep ^CapEff: /proc/self/status)
CAPS
case "$hex" in *[2367abef]??????) ;; *) no "the right to set its clock (CAP_SYS_TIME) is missing there" ;; esac
for tool in date awk; do command -v $tool > /dev/null || no "$tool is not installed there"; done
if ! systemctl show --property=Version > /dev/null 2>&1; then
  for file in /proc/[0-9]*/comm; do
    { read -r name < "$file"; } 2> /dev/null || continue
    case "$name" in chronyd | ntpd | ntpsec | openntpd | systemd-timesyn*)
      no "$name keeps its clock right, and without systemd it cannot be stopped and started again for certain" ;;
    esac
  done
fi
"""
#: The wall clock as it should be, by the clock that nobody can set: it goes on while the wall clock is wrong.
_SET: Final = """export LC_ALL=C
own=$2/harehearse_$4
# $1 is added to what the clock should show now.
now_plus() {
  read -r wall up < "$own/was"
  read -r now rest < /proc/uptime
  awk -v w="$wall" -v u="$up" -v n="$now" -v by="$1" 'BEGIN { printf "%.3f", w + n - u + by }'
}
"""
_STRIKE: Final = (
    _SET
    + """umask 077
mkdir -p "$own"
if [ ! -e "$own/was" ]; then
  : > "$own/services"
  if systemctl show --property=Version > /dev/null 2>&1; then
    for unit in systemd-timesyncd chrony chronyd ntp ntpd ntpsec openntpd; do
      ! systemctl is-active --quiet "$unit" || echo "$unit" >> "$own/services"
    done
  fi
  read -r up rest < /proc/uptime
  echo "$(date +%s.%N) $up" > "$own/was.new"
  mv "$own/was.new" "$own/was"
fi
while read -r unit; do systemctl stop "$unit" || exit 1; done < "$own/services"
to=$(now_plus "$1") && date -s "@$to" > /dev/null || exit 1
echo "its clock was stepped by $1 s; stopped before: $(tr '\\n' ' ' < "$own/services" | sed 's/^$/nothing/')"
"""
)
_FITS: Final = """fits() {
  should=$(now_plus "$1")
  awk -v a="$(date +%s.%N)" -v b="$should" 'BEGIN { d = a - b; exit !(d < 1 && d > -1) }'
}
"""
_EFFECT: Final = (
    _SET
    + _FITS
    + """[ -e "$own/was" ] || { echo "its clock was not stepped by this fault"; exit 1; }
fits "$1" || { echo "its clock does not show what it was set to: something else sets it"; exit 1; }
"""
)
#: May be run twice: it sets what the clock should show, and takes no step from what it shows.
_UNDO: Final = (
    _SET
    + _FITS
    + """[ -d "$own" ] || exit 0
if [ -e "$own/was" ]; then
  fits 0 || { to=$(now_plus 0) && date -s "@$to" > /dev/null; } || exit 1
  fits 0 || { echo "its clock does not show what it was set to: something else sets it" >&2; exit 1; }
  while read -r unit; do systemctl start "$unit" || exit 1; done < "$own/services"
fi
rm -rf -- "$own"
"""
)
_UNDONE: Final = """own=$2/harehearse_$4
[ ! -e "$own" ] || { echo "its clock is not set back, or what keeps it right is not started ($own is still there)"; exit 1; }
"""


class ClockJump(SurelyUndone):
    """A wall clock that stepped; see :class:`~.base.Fault`."""

    def __init__(
        self, channels: Mapping[str, Channel], target: str, by: float, *, dead_man: float = DEAD_MAN_S,
        root: str = FLEETING, marks: str = "/run", needs: str = _NEEDS,
    ) -> None:  # fmt: skip
        def scripts() -> Scripts:
            if abs(by) < LEAST_S:
                raise Unsupported(f"a step of less than {show(LEAST_S)} could not be told from none")
            return in_time(Scripts(_STRIKE, _EFFECT, _UNDO, _UNDONE, (f"{by:g}", marks, root)), "$3")

        self._by = by
        #: What it was before the strike.
        self._before: NodeClock | None = None
        way = "forward" if by > 0 else "back"
        super().__init__(
            "clock_jump", channels, target, scripts, needs=needs,
            strike_text=f"on {target}, stop what keeps the clock right, and step it {way} by {show(abs(by))} (date -s)",
            undo_text=f"on {target}, set the clock to what it would show, and start what keeps it right",
            dead_man=dead_man, root=root, expected=Expected.NO_EFFECT,
        )  # fmt: skip

    def limitation(self) -> str | None:
        """The clock has to be the node's own, and to be measured from here."""
        reason = super().limitation()
        if reason is not None:
            return reason
        measured = self._measured()
        if isinstance(measured, str):
            return measured
        self._before = measured
        return None

    def effect(self) -> str | None:
        """Proved by the runner's own clock, and by the node's."""
        return super().effect() or self._stepped(self._by)

    def undone(self) -> str | None:
        """Proved by the node, and by the runner's own clock where it was measured before."""
        return super().undone() or (None if self._before is None else self._stepped(0))

    def _stepped(self, by: float) -> str | None:
        """Return why the clock is not known to have stepped by so much since it was measured first."""
        measured, before = self._measured(), self._before
        if isinstance(measured, str):
            raise Indeterminate(measured)
        if before is None:
            return f"the clock of {self.target} was not measured before"
        slack = SLACK_S + measured.error + before.error
        moved = measured.offset - before.offset
        # Back again, whatever keeps it right may have set it better than it was.
        right = not by and abs(measured.offset) <= slack
        if right or abs(moved - by) <= slack:
            return None
        return (
            f"by the runner's clock, that of {self.target} has moved by {show(moved)} instead of {show(by)} since it was "
            "measured before"
        )

    def _measured(self) -> NodeClock | str:
        return measure(self._channels[self.target], MEASURE_S)


def clock_jump(scene: Scene, node: str, *, by: str | timedelta = "2min", dead_man: str | None = None) -> Fault:
    """Step the wall clock of a node, which stays wrong until the undo sets it to what it would show by then.

    What keeps it right (chrony, ntpd, timesyncd) is stopped before and started after. What looks at the time there will see
    the step: scheduled jobs, certificates, tokens, leases. Not in containers, whose clock is their host's.

    Args:
        scene: where.
        node: on which node.
        by: how far, as ``"2min"``; ``"-2min"``: back.
        dead_man: how long it outlives a runner that was killed.
    """
    back = isinstance(by, str) and by.strip().startswith("-")
    far = seconds(by.strip()[1:]) if isinstance(by, str) and back else seconds(by)
    return ClockJump(
        scene.channels, node, -far if back else far,
        dead_man=scene.dead_man if dead_man is None else seconds(dead_man),
    )  # fmt: skip
