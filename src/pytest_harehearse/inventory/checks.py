# SPDX-License-Identifier: MIT
"""Rules that take more than one value to see.

They read the raw document, so that they speak even where another part of the file is wrong; whatever has the wrong type
is left to the schema. ``written`` is always the document before interpolation, the only values that are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, get_args

from pytest_harehearse.inventory.mistaken import mistaken
from pytest_harehearse.inventory.schema import HERE, Manager, Probe, Provider
from pytest_harehearse.inventory.wording import Loc, Problem, choice, dotted, follow, nearest, shown
from pytest_harehearse.units import DurationError, seconds

#: What the embedded lab can run today.
EMBEDDED_MANAGERS: Final = ("patroni", "sentinel")
_FEWEST_EMBEDDED_NODES: Final = 2
_NOT_EMBEDDED: Final = [manager for manager in get_args(Manager) if manager not in EMBEDDED_MANAGERS]
_ONLY_HTTP: Final = frozenset({"status", "contains", "responder", "write", "lookup"})
#: Probes that can write numbers, and that can hold a session.
_WRITES: Final = ("http", "mysql", "postgresql", "redis")
_HOLDS: Final = _WRITES
#: Of execnet: those that a meter may be started by.
_GATEWAYS: Final = ("ssh", "popen")


def check(document: dict[str, Any], written: dict[str, Any]) -> Iterator[Problem]:
    """Yield every fault between values of an interpolated document."""
    environments = _tables(document.get("environments"))
    default = document.get("default_environment")
    if isinstance(default, str) and default and default not in environments:
        yield _wrong(("default_environment",), written, sorted(environments))
    clusters = {
        f"{name}/{cluster}": ("environments", name, "clusters", cluster)
        for name, environment in environments.items()
        for cluster in _tables(environment.get("clusters"))
    }
    for name, environment in environments.items():
        yield from _environment(("environments", name), environment)
        yield from _vantages(("environments", name, "vantages"), environment.get("vantages"), written)
        embedded = environment.get("provider") == "embedded"
        for key, cluster in _tables(environment.get("clusters")).items():
            loc: Loc = clusters[f"{name}/{key}"]
            yield from _twin(loc, cluster, written, sorted(clusters.keys() - {f"{name}/{key}"}))
            yield from _unique((*loc, "nodes"), cluster.get("nodes"), written)
            yield from _unique((*loc, "services"), cluster.get("services"), written)
            yield from _services((*loc, "services"), cluster.get("services"), written)
            yield from _asked_from((*loc, "services"), cluster.get("services"), environment.get("vantages"), written)
            yield from _embedded(loc, cluster, written) if embedded else _inhabited(loc, cluster)
    yield from mistaken(document)


def _tables(value: object) -> dict[str, dict[str, Any]]:
    """Return the entries of a table that are tables themselves."""
    return {key: entry for key, entry in value.items() if isinstance(entry, dict)} if isinstance(value, dict) else {}


def _entries(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _environment(loc: Loc, environment: dict[str, Any]) -> Iterator[Problem]:
    kind = environment.get("kind")
    if kind == "lab" and not any(nearest(key, ["provider"]) for key in environment):
        yield Problem((*loc, "provider"), f" is missing. A lab needs one of: {', '.join(get_args(Provider))}.")
    if kind == "production" and "provider" in environment:
        yield Problem((*loc, "provider"), " is not for a production, which is never created; remove it.")


def _vantages(loc: Loc, vantages: object, written: dict[str, Any]) -> Iterator[Problem]:
    if not isinstance(vantages, dict):
        return
    for name, spec in vantages.items():
        if name == HERE:
            yield Problem((*loc, name), " cannot be named: it is always there, the machine that pytest runs on.")
        elif isinstance(spec, str) and spec.partition("//")[0].partition("=")[0] not in _GATEWAYS:
            value = shown(follow((*loc, name), written)[1])
            yield Problem(
                (*loc, name), f" is {value}; it must begin as a gateway of execnet does: ssh=[USER@]HOST, or popen."
            )


def _asked_from(loc: Loc, services: object, vantages: object, written: dict[str, Any]) -> Iterator[Problem]:
    """Yield each place that a service is asked from and that there is not, or that it names twice, or cannot be asked from."""
    known = [HERE, *(vantages if isinstance(vantages, dict) else ())]
    for index, service in enumerate(_entries(services)):
        places = _entries(service.get("vantages")) if isinstance(service, dict) else []
        for at, place in enumerate(places):
            inside: Loc = (*loc, index, "vantages", at)
            if not isinstance(place, str):
                continue
            if place not in known:
                yield _wrong(inside, written, known)
            elif place in places[:at]:
                yield Problem(inside, f" is {shown(follow(inside, written)[1])} once more.")
            elif place != HERE and "write" in service:
                yield Problem(
                    inside, f" is {shown(follow(inside, written)[1])}; a function in a file is called here only."
                )


def _wrong(loc: Loc, written: dict[str, Any], valid: list[str]) -> Problem:
    value = follow(loc, written)[1]
    return Problem(loc, f" is {shown(value)}; {choice(value, valid) if valid else 'there is none to name.'}")


def _twin(loc: Loc, cluster: dict[str, Any], written: dict[str, Any], others: list[str]) -> Iterator[Problem]:
    twin = cluster.get("twin")
    if isinstance(twin, str) and twin and twin not in others:
        yield _wrong((*loc, "twin"), written, others)


def _unique(loc: Loc, entries: object, written: dict[str, Any]) -> Iterator[Problem]:
    """Yield each node or service that has the name of one before it."""
    first: dict[str, Loc] = {}
    for index, entry in enumerate(_entries(entries)):
        inside: Loc = (*loc, index, "name") if isinstance(entry, dict) else (*loc, index)
        name = entry.get("name") if isinstance(entry, dict) else entry
        if not isinstance(name, str):
            continue
        if name in first:
            value = shown(follow(inside, written)[1])
            yield Problem(inside, f" is {value}, as is {dotted(first[name])}; it must be unique in its cluster.")
        first.setdefault(name, inside)


def _services(loc: Loc, services: object, written: dict[str, Any]) -> Iterator[Problem]:
    for index, service in enumerate(_entries(services)):
        if not isinstance(service, dict):
            continue
        inside: Loc = (*loc, index)
        probe = service.get("probe")
        if probe in get_args(Probe):
            value = shown(follow((*inside, "probe"), written)[1])
            yield from (Problem((*inside, key), f" is only for probe 'http', not {value}.") for key in service
                        if key in _ONLY_HTTP and probe != "http")  # fmt: skip
            for key, wish, able in (("mode", "write", _WRITES), ("session", "held", _HOLDS)):
                if service.get(key) == wish and probe not in able:
                    yield Problem((*inside, key), f" is '{wish}', which probe {value} does not have; {_among(able)}.")
        yield from _callables(inside, service)
        yield from _slow(inside, service, written)


def _among(able: tuple[str, ...]) -> str:
    return f"only {', '.join(able)} have"


def _callables(loc: Loc, service: dict[str, Any]) -> Iterator[Problem]:
    """A numbered write over HTTP is the user's own request, and only the user knows how to look it up."""
    if service.get("probe") != "http":
        return
    writes = service.get("mode") == "write"
    for key in ("write", "lookup"):
        if writes and key not in service:
            yield Problem(
                (*loc, key), ' is missing. Writing over http needs both: write and lookup = "FILE.py:FUNCTION".'
            )
        if not writes and key in service:
            yield Problem((*loc, key), " is only for mode 'write'.")


def _slow(loc: Loc, service: dict[str, Any], written: dict[str, Any]) -> Iterator[Problem]:
    lengths = []
    for key in ("slow", "timeout"):
        try:
            lengths.append(seconds(service[key]))
        except (KeyError, DurationError):
            return
    if lengths[0] >= lengths[1]:
        value = shown(follow((*loc, "slow"), written)[1])
        yield Problem((*loc, "slow"), f" is {value}; it must be less than the timeout, or nothing is ever slow.")


def _inhabited(loc: Loc, cluster: dict[str, Any]) -> Iterator[Problem]:
    if cluster.get("nodes") == []:
        yield Problem((*loc, "nodes"), " is empty; a cluster needs at least 1 node.")


def _embedded(loc: Loc, cluster: dict[str, Any], written: dict[str, Any]) -> Iterator[Problem]:
    manager, nodes = cluster.get("manager"), cluster.get("nodes")
    if manager in _NOT_EMBEDDED:
        value, runs = shown(follow((*loc, "manager"), written)[1]), ", ".join(EMBEDDED_MANAGERS)
        yield Problem((*loc, "manager"), f" is {value}; the embedded lab runs only: {runs}.")
    if isinstance(nodes, list) and len(nodes) < _FEWEST_EMBEDDED_NODES:
        wanted = f"an embedded cluster needs at least {_FEWEST_EMBEDDED_NODES}, for a switchover needs a standby."
        yield Problem((*loc, "nodes"), f" names {len(nodes)}; {wanted}")
    for index, node in enumerate(_entries(nodes)):
        if isinstance(node, dict) and "url" in node:
            yield Problem(
                (*loc, "nodes", index, "url"), " is not for the embedded lab, which reaches its nodes itself."
            )
