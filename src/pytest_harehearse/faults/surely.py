# SPDX-License-Identifier: MIT
"""A fault on a node whose undo is run even when what was laid down for it there is gone: by a reboot, or by somebody."""

from __future__ import annotations

from typing import Final

from pytest_harehearse.errors import HarehearseError, Indeterminate
from pytest_harehearse.faults.dead_man import words
from pytest_harehearse.faults.on_node import OnNode, Scripts
from pytest_harehearse.remote.base import Done, Script

#: A strike may arrive late, or take long: what is struck after its undo is taken back at once, for nobody else would.
_STRIKE: Final = """timer={timer}
armed() {{ [ -e "$timer/undo.sh" ] && [ ! -e "$timer/over" ]; }}
struck() {{
{strike}
}}
undo() {{
{undo}
}}
armed || {{ echo "its undo is not there" >&2; exit 1; }}
(struck "$@")
rc=$?
if ! armed; then
  (undo "$@")
  echo "it was undone before it was struck, so it was taken back" >&2
  exit 1
fi
exit $rc
"""
_UNDO: Final = """timer={timer}
[ ! -d "$timer" ] || : > "$timer/over" 2> /dev/null
{undo}
"""


def in_time(scripts: Scripts, root: str) -> Scripts:
    """Return scripts of which the strike never outlives the undo, whichever comes first.

    Args:
        scripts: as they are; in the strike, ``armed`` is a function that says whether it may go on.
        root: the folder in which the timer of the fault lies: the argument of the scripts that has it, as ``"$3"``.
    """
    timer = f'"{root}/${{{len(scripts.arguments) + 1}}}"'
    return Scripts(
        _STRIKE.format(timer=timer, strike=scripts.strike, undo=scripts.undo), scripts.effect,
        _UNDO.format(timer=timer, undo=scripts.undo), scripts.undone, scripts.arguments,
    )  # fmt: skip


class SurelyUndone(OnNode):
    """See :class:`~.base.Fault`. Its undo may be run twice, so it is, once by the runner that knows it by heart."""

    def undo(self) -> None:
        """Undo on the node.

        Raises:
            HarehearseError: it could not be undone.
            Indeterminate: whether it was is not known; the timer does it.
        """
        super().undo()
        if self._timer is not None:
            self._sure(self._script(self._scripts.undo), "could not be undone", "is undone")

    def _sure(self, script: Script, failed: str, done_so: str) -> None:
        done = self._run(script)
        if not isinstance(done, Done):
            raise Indeterminate(f"Whether {self.name} on {self.target} {done_so} is not known: {words(done)}")
        if done.rc != 0:
            raise HarehearseError(f"{self.name} on {self.target} {failed}: {words(done)}")
