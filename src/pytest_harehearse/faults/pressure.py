# SPDX-License-Identifier: MIT
"""``memory_pressure`` and ``cpu_pressure``: processes of ours take memory or processor time on a node.

They write their pid and the instant they were started into a folder of the fault's own, before they take anything; by that
they are found again. They end by themselves when that folder or the timer is gone, whoever is still alive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults import pressure_scripts as sh
from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.dead_man import ASK_S, FLEETING, words
from pytest_harehearse.faults.on_node import Scripts
from pytest_harehearse.faults.sizes import share as share_of
from pytest_harehearse.faults.sizes import show_size
from pytest_harehearse.faults.sizes import size as size_of
from pytest_harehearse.faults.surely import SurelyUndone, in_time
from pytest_harehearse.remote.base import Channel, Done, Script
from pytest_harehearse.units import seconds

#: As much as can be filled in that time.
FILL_S: Final = 60.0
#: Stays free for the node itself: as much, or this share of all.
KEPT: Final = 64 * 2**20
KEPT_SHARE: Final = 0.05
#: Less could not be told from what the shells of our own take.
LEAST: Final = 16 * 2**20
WORKERS: Final = 256


class Pressure(SurelyUndone):
    """Processes of ours on a node; see :class:`~.base.Fault`."""

    _early: str | None = None

    @property
    def ended_early(self) -> str | None:
        """Why it was over before it was undone: its timer fired, or its processes did not live to the end."""
        return super().ended_early or self._early

    def undo(self) -> None:
        """End them; remembers when they had ended before.

        Raises:
            HarehearseError: they could not be ended.
            Indeterminate: whether they were is not known; the timer ends them.
        """
        if self._struck:
            self._struck = False
            asked = self._run(self._script(sh.LIVE))
            if isinstance(asked, Done) and asked.rc != 0:
                self._early = f"on {self.target} {words(asked)}"
        super().undo()

    _struck = False

    def strike(self) -> str:
        """Start them.

        Raises:
            HarehearseError: they could not be started.
            Indeterminate: whether they were is not known; the timer ends them.
        """
        said = super().strike()
        self._struck = True
        return said


def _free(channel: Channel) -> tuple[int, int]:
    """Return all the memory of a node and what of it can be taken, in bytes."""
    asked = channel.run(Script(sh.FREE), deadline=ASK_S)
    rows = asked.out.split() if isinstance(asked, Done) and asked.rc == 0 else []
    if len(rows) < 2 or not all(row.lstrip("-").isdigit() for row in rows):
        raise Unsupported(f"how much memory is free on {channel.node} could not be read: {words(asked)}")
    total, *free = (int(row) * 1024 for row in rows)
    return total, min(free)


def _taken(channel: Channel, wanted: int | None, part: float | None, beyond: bool) -> int:
    """Return how much is taken on a node, in bytes.

    Raises:
        Unsupported: that is more than its kernel can give away.
    """
    total, free = _free(channel)
    kept = max(KEPT, int(total * KEPT_SHARE))
    most = max(0, free - kept)
    if part is not None:
        wanted = int(most * part)
    assert wanted is not None
    if wanted > most and not beyond:
        raise Unsupported(
            f"{show_size(wanted)} is more than the {show_size(most)} that can be taken on {channel.node} without its kernel "
            f"killing processes ({show_size(free)} are free, {show_size(kept)} of them are kept); to do it all the same, say "
            "beyond=True"
        )
    if wanted < LEAST:
        raise Unsupported(
            f"less than {show_size(LEAST)} of memory would be taken on {channel.node}, which presses nobody"
        )
    return wanted


def _pressure(
    scene: Scene, node: str, name: str, scripts: Callable[[], Scripts], needs: str, what: str, within: float,
    dead_man: str | None, root: str,
) -> Pressure:  # fmt: skip
    return Pressure(
        name, scene.channels, node, scripts, needs=needs, strike_text=f"on {node}, {what}",
        undo_text=f"on {node}, end these processes", expected=Expected.DEGRADED, root=root, strike_within=within,
        dead_man=scene.dead_man if dead_man is None else seconds(dead_man),
    )  # fmt: skip


def memory_pressure(
    scene: Scene, node: str, *, size: str | None = None, share: str | None = None, beyond: bool = False,
    dead_man: str | None = None,
) -> Fault:  # fmt: skip
    """Take memory on a node, by processes of ours that hold it; the undo ends them.

    When memory runs out all the same, the kernel is told to kill ours first, and the rehearsal says that it did.

    Args:
        scene: where.
        node: on which node.
        size: how much, as ``"256MiB"``; default: the share.
        share: how much of what can be taken there without the kernel killing anybody; default ``"80%"``.
        beyond: take also more than is free; the kernel then kills what it likes, which may be the cluster itself.
        dead_man: how long it outlives a runner that was killed.

    Raises:
        ValueError: both, a size and a share.
    """
    if size is not None and share is not None:
        raise ValueError("memory_pressure takes either a size or a share, not both.")
    wanted = None if size is None else size_of(size)
    part = share_of(share or "80%") if size is None else None

    def scripts() -> Scripts:
        taken = _taken(scene.channels[node], wanted, part, beyond)
        arguments = (str(taken), "beyond" if beyond else "", "/run", FLEETING)
        made = Scripts(sh.MEMORY_STRIKE + sh.MEMORY_FULL, sh.MEMORY_EFFECT, sh.UNDO, sh.UNDONE, arguments)
        return in_time(made, "$4")

    what = f"hold {show_size(wanted)}" if wanted is not None else f"hold {share or '80%'} of what is free"
    return _pressure(
        scene, node, "memory_pressure", scripts, sh.MEMORY_NEEDS, f"{what} of memory by processes of our own", FILL_S,
        dead_man, FLEETING,
    )  # fmt: skip


def cpu_pressure(scene: Scene, node: str, *, workers: int | None = None, dead_man: str | None = None) -> Fault:
    """Take processor time on a node, by processes of ours that turn in circles; the undo ends them.

    They have the same priority as everybody: what is served there becomes slower, and nothing starves.

    Args:
        scene: where.
        node: on which node.
        workers: how many processes; default: one for each processor.
        dead_man: how long it outlives a runner that was killed.

    Raises:
        ValueError: a number of workers that is none.
    """
    if workers is not None and not 1 <= workers <= WORKERS:
        raise ValueError(f"cpu_pressure takes 1 to {WORKERS} workers, not {workers}.")

    def scripts() -> Scripts:
        made = Scripts(sh.CPU_STRIKE, sh.CPU_EFFECT, sh.UNDO, sh.UNDONE, (str(workers or 0), "", "/run", FLEETING))
        return in_time(made, "$4")

    many = f"{workers} processes" if workers is not None else "one process a processor"
    return _pressure(
        scene, node, "cpu_pressure", scripts, sh.CPU_NEEDS, f"let {many} of our own turn in circles", 15.0, dead_man,
        FLEETING,
    )  # fmt: skip
