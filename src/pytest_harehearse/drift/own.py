# SPDX-License-Identifier: MIT
"""What belongs to one node alone, and the words that stand for it in a comparison."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from pytest_harehearse.drift.snapshot import Snapshot

#: What every node tells alike of the whole cluster: between its nodes nothing in it belongs to one of them.
SHARED: Final = frozenset({"cib", "resource", "fence", "corosync-conf", "patroni", "sentinel"})
_KINDS: Final = ("address", "mac", "machine", "boot")
_NODE: Final = "<node>"


def words(node: str, told: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return value → word, for a node of this name and what it told of itself."""
    found = {node: _NODE}
    for name in told.get("host", ()):
        if name and name != "localhost":
            found.setdefault(name, _NODE)
    for kind in _KINDS:
        for value in told.get(kind, ()):
            if len(value) > 3:
                found.setdefault(value, f"<{kind}>")
    return found


def of_all(nodes: Sequence[Snapshot]) -> dict[str, str]:
    """Return the words of all nodes of a cluster, with the nodes numbered by their names."""
    found: dict[str, str] = {}
    for number, node in enumerate(sorted(nodes, key=lambda one: one.node), 1):
        for value, word in node.own.items():
            found.setdefault(value, f"<node {number}>" if word == _NODE else word)
    return found


def facts(snapshot: Snapshot, own: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a node's facts masked, in paths and in values.

    Args:
        snapshot: of the node.
        own: words of the whole cluster, for a comparison with another one; None: of the node alone, in what is its own.
    """
    everything = own is not None
    found = snapshot.own if own is None else own
    if not found:
        return dict(snapshot.facts)
    pattern = _pattern(found)

    def mask(path: str, text: str) -> str:
        return pattern.sub(lambda match: found[match[0]], text) if everything or _is_own(path) else text

    return {mask(path, path): mask(path, value) for path, value in snapshot.facts.items()}


def _is_own(path: str) -> bool:
    area, _, name = path.partition("/")
    # A list of hosts names them all alike, but for the line by which a node finds itself.
    return area not in SHARED and (area != "hosts" or name.startswith("127."))


def _pattern(own: Mapping[str, str]) -> re.Pattern[str]:
    """Return what finds a node's own values, the longest first, and never a part of a longer word or number."""
    longest_first = sorted(own, key=len, reverse=True)
    return re.compile(rf"(?<![A-Za-z0-9.])(?:{'|'.join(map(re.escape, longest_first))})(?![A-Za-z0-9]|\.\d)")
