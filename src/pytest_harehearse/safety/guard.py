# SPDX-License-Identifier: MIT
"""What may be done to a production now, by its inventory, its arming and the clock alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from pytest_harehearse.inventory.model import Cluster
from pytest_harehearse.safety import windows
from pytest_harehearse.safety.arming import ARM, CHANGE, PRODUCTION, Arming
from pytest_harehearse.units import show

Action = Literal["switchover", "patch", "fault"]
#: Action of ``allow`` → what it stands for.
MEANING: Final[dict[str, str]] = {
    "switchover": "planned switchovers",
    "patch": "drain, reboot, maintenance, cleanup",
    "fault": "every fault, and fencing",
}
_WINDOW_EXAMPLE: Final = 'windows = ["Tue 01:00-03:00 Europe/Berlin"]'


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something that is about to be done."""

    #: As in reports: "switchover", "fault net_partition".
    name: str
    action: Action
    #: A node, or what else it is done to.
    target: str
    #: Seconds after which it is over in any case.
    within: float
    #: The node is out of the cluster meanwhile, and its vote with it.
    takes_out: bool = False
    #: Nothing moves and no node is lost by it: it may be what a failed resource needs.
    heals: bool = False


def unready(cluster: Cluster) -> str | None:
    """Return what the inventory does not say of a production and must, before anything is done there; None: all is said."""
    if cluster.kind != PRODUCTION:
        return None
    place = f"environments.{cluster.environment}.clusters.{cluster.name}"
    if not cluster.allow:
        return (
            f"{cluster.id} is production and its inventory allows nothing there, so nothing was done. Write in [{place}] "
            f'what may be done, of "switchover" ({MEANING["switchover"]}), "patch" ({MEANING["patch"]}) and "fault" '
            f'({MEANING["fault"]}): allow = ["switchover"]'
        )
    if not cluster.windows:
        return (
            f"{cluster.id} is production and its inventory gives no window for it, so nothing was done: without one, now is "
            f"never the time. Write in [{place}] when it may be done: {_WINDOW_EXAMPLE}"
        )
    return None


def forbidden(cluster: Cluster, arming: Arming | None, wanted: Wanted, at: datetime) -> str | None:
    """Return why something may not be done now; None when it may. Labs are not guarded.

    Args:
        cluster: as the inventory says.
        arming: of this run.
        wanted: what is about to be done.
        at: now, with its zone.
    """
    if cluster.kind != PRODUCTION:
        return None
    if arming is None or arming.environment != cluster.environment:
        return f"{cluster.id} is production and not armed for this run; it is armed by {ARM} {cluster.environment} {CHANGE} ID"
    if (missing := unready(cluster)) is not None:
        return missing
    if wanted.action not in cluster.allow:
        return (
            f"the inventory does not allow it there: it is a {wanted.action} ({MEANING[wanted.action]}), and allowed is "
            f"{', '.join(cluster.allow)}. If it should be, add {wanted.action!r} to allow of {cluster.id}"
        )
    return shut(cluster, at) or _too_long(cluster, wanted, at)


def shut(cluster: Cluster, at: datetime) -> str | None:
    """Return why now is not the time for anything on a production; None: a window of it is open."""
    if windows.open_at(cluster.windows, at) is not None:
        return None
    return f"it is outside the windows of {cluster.id} ({', '.join(cluster.windows)}).{_later(cluster, at)}"


def _later(cluster: Cluster, at: datetime) -> str:
    following = windows.next_after(cluster.windows, at)
    return "" if following is None else f" The next window is {following.told()}"


def _too_long(cluster: Cluster, wanted: Wanted, at: datetime) -> str | None:
    span = windows.open_at(cluster.windows, at)
    if span is not None and at + timedelta(seconds=wanted.within) > span.end:
        left = (span.end - at).total_seconds()
        return (
            f"the window {span.told()} ends in {show(left)}, and it may take {show(wanted.within)}, so it might not be over "
            f"by then. Give it less time, or wait.{_later(cluster, at)}"
        )
    return None
