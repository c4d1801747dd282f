# SPDX-License-Identifier: MIT
"""A lab that is a production by another name: what is meant for the one would be done to the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from pytest_harehearse.inventory.wording import Loc, Problem, dotted

#: Ways to the same host.
_SSH: Final = {"paramiko": "ssh", "openssh": "ssh"}
_PORT: Final = 22
#: What the same address may lead elsewhere by.
_VIA: Final = frozenset({"jump", "proxy", "endpoint"})
Place = tuple[str, ...]


def mistaken(document: dict[str, Any]) -> Iterator[Problem]:
    """Yield each node of a lab that is reached as a node of a production is."""
    productions: dict[Place, Loc] = {}
    for loc, place in _nodes(document, "production"):
        productions.setdefault(place, loc)
    for loc, place in _nodes(document, "lab"):
        if place in productions:
            theirs = productions[place]
            yield Problem(
                loc,
                f" leads where {dotted(theirs)} does: {_name(loc)} is a lab and {_name(theirs)} is production, and what is "
                "done to the one would be done to the other. Name another host, or remove one of them.",
            )


def _name(loc: Loc) -> str:
    return f"{loc[1]}/{loc[3]}"


def _nodes(document: dict[str, Any], kind: str) -> Iterator[tuple[Loc, Place]]:
    for name, environment in _items(document.get("environments")):
        if not isinstance(environment, dict) or environment.get("kind") != kind:
            continue
        for key, cluster in _items(environment.get("clusters")):
            nodes = cluster.get("nodes") if isinstance(cluster, dict) else None
            for index, node in enumerate(nodes if isinstance(nodes, list) else []):
                url = node.get("url") if isinstance(node, dict) else None
                if isinstance(url, str) and (place := _place(url)) is not None:
                    yield ("environments", name, "clusters", key, "nodes", index, "url"), place


def _items(value: object) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _place(url: str) -> Place | None:
    """Return where a URL leads, whoever logs in there and with what key; None: it cannot be read, which is told elsewhere."""
    text = url.strip()
    if "://" not in text:
        text = f"ssh://{f'[{text}]' if text.count(':') > 1 and '[' not in text and '@' not in text else text}"
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    kind = _SSH.get(parts.scheme, parts.scheme)
    if not host and kind != "local":
        return None
    way = sorted(f"{key}={value}" for key, value in parse_qsl(parts.query) if key in _VIA)
    default = _PORT if kind == "ssh" else ""
    return (kind, "" if kind == "local" else host, str(port or default), parts.path.strip("/"), *way)
