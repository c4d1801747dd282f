# SPDX-License-Identifier: MIT
"""Read nodes: one streamed command each, all at once; a node that does not answer is not known, and holds nobody up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

from pytest_harehearse.drift.areas import AREA_S, AREAS, SCRIPT
from pytest_harehearse.drift.own import words
from pytest_harehearse.drift.parse import parse
from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.remote.base import Channel, Done, Script, Unknown

#: How long a node may take for everything, in seconds.
WITHIN_S: Final = 60.0
_AT_ONCE: Final = 32


def script(files: Sequence[str] = ()) -> Script:
    """Return the command that reads a host.

    Args:
        files: paths that the inventory names, to be told besides those that are always.
    """
    pairs = [word for area in AREAS.items() for word in area]
    return Script(SCRIPT, ("\n".join(files), str(AREA_S), *pairs))


def collect(
    cluster: str, channels: Mapping[str, Channel], files: Sequence[str] = (), within: float = WITHIN_S
) -> list[Snapshot]:
    """Read hosts, in the order given; nothing is changed there.

    Args:
        cluster: ENVIRONMENT/CLUSTER.
        channels: node → the way to it.
        files: paths that the inventory names.
        within: seconds for each node.
    """
    if not channels:
        return []
    command = script(files)
    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(channels))) as pool:
        found = [
            (node, pool.submit(_read, cluster, node, channel, command, within)) for node, channel in channels.items()
        ]
        return [future.result() for _, future in found]


def _read(cluster: str, node: str, channel: Channel, command: Script, within: float) -> Snapshot:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    said = channel.run(command, deadline=within)
    if isinstance(said, Done) and said.rc == 0:
        parsed = parse(said.stdout.decode("utf-8", "backslashreplace"), AREAS)
        return Snapshot(cluster, node, at, parsed.facts, parsed.problems, words(node, parsed.own), said.took)
    if isinstance(said, Done):
        why = f"the script ended with {said.rc}: {said.err[-200:] or 'no reason'}"
    else:
        why = (
            f"it was asked and did not answer: {said.reason}"
            if isinstance(said, Unknown)
            else f"it could not be reached: {said.reason}"
        )
    return unread(cluster, node, at, why)


def unread(cluster: str, node: str, at: str, why: str) -> Snapshot:
    """Return the snapshot of a node of which nothing is known."""
    return Snapshot(cluster, node, at, {}, {area: why for area in AREAS if area != "own"}, {node: "<node>"})
