# SPDX-License-Identifier: MIT
"""Which cluster a test is of, by its node id alone: that is all that a controller of xdist knows of a test."""

from __future__ import annotations

from collections.abc import Collection, Iterable


def fitting(nodeid: str, clusters: Collection[str]) -> list[str]:
    """Return the clusters whose id may lead the brackets of a node id, the likeliest first; none: it is no rehearsal.

    Args:
        nodeid: as ``path::test[ENVIRONMENT/CLUSTER-further-parameters]``; a path may hold brackets, too.
        clusters: ids. ``test[lab/web-2]`` is of ``lab/web-2``, or of ``lab/web`` with a parameter.
    """
    _, _, test = nodeid.partition("::")
    _, bracket, inside = test.partition("[")
    if not bracket:
        return []
    return sorted((name for name in clusters if inside.startswith((f"{name}]", f"{name}-"))), key=len, reverse=True)


def together(nodeids: Iterable[str], clusters: Collection[str]) -> dict[str, list[str]]:
    """Return the rehearsals by cluster, in their order; clusters that cannot be told apart stand together under one of them."""
    found: dict[str, list[str]] = {}
    same: dict[str, str] = {}
    for nodeid in nodeids:
        names = fitting(nodeid, clusters)
        if not names:
            continue
        first = _root(names[0], same)
        for name in names[1:]:
            if (other := _root(name, same)) != first:
                same[other] = first
                # Their tests keep the order of the collection only within each; which of them goes first is all one.
                found.setdefault(first, []).extend(found.pop(other, []))
        found.setdefault(first, []).append(nodeid)
    return found


def _root(name: str, same: dict[str, str]) -> str:
    while name in same:
        name = same[name]
    return name
