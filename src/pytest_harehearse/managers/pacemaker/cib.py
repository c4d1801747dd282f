# SPDX-License-Identifier: MIT
"""What the configuration says that ``crm_mon`` does not: addresses, constraints, whom a fencing device can fence."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_harehearse.managers.pacemaker.xml import infinite, instant, number, parse

if TYPE_CHECKING:
    from datetime import datetime
    from xml.etree.ElementTree import Element

#: Agents of addresses → the parameter that holds it.
_ADDRESS: Final = {"IPaddr2": "ip", "IPaddr": "ip", "IPv6addr": "ipv6addr"}
#: What ``crm_resource --move`` and ``--ban`` call their constraints.
_BY_COMMAND: Final = ("cli-prefer-", "cli-ban-", "cli-standby-")


@dataclass(frozen=True, slots=True)
class Leftover:
    """A constraint that a move or a ban left behind."""

    name: str
    resource: str
    #: When it loses its effect; None: never by itself.
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """The part of the configuration that is needed."""

    #: Resource → its addresses, in their shortest form.
    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    leftovers: tuple[Leftover, ...] = ()
    #: Resource → those without which it may not run on a node.
    beside: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: Fencing device → the nodes it can fence; None: it finds out by itself.
    fences: dict[str, frozenset[str] | None] = field(default_factory=dict)
    #: Systemd units that the cluster starts, stops and restarts.
    units: tuple[str, ...] = ()
    #: Nodes fence themselves by a watchdog, without a device.
    watchdog: bool = False
    stonith: bool | None = None


def plain(address: str) -> str | None:
    """Return an address in its shortest form, without a prefix length; None when it is none."""
    try:
        return str(ipaddress.ip_interface(address.strip()).ip)
    except ValueError:
        return None


def read(data: bytes) -> Config | str:
    """Return the configuration, or why it cannot be understood."""
    root = parse(data)
    if isinstance(root, str):
        return root
    configuration = root if root.tag == "configuration" else root.find("configuration")
    if configuration is None:
        return f"what it printed is no configuration of a cluster, but <{root.tag[:40]}>"
    templates = {one.get("id", ""): one for one in configuration.iterfind("resources/template")}
    addresses: dict[str, tuple[str, ...]] = {}
    fences: dict[str, frozenset[str] | None] = {}
    units: dict[str, None] = {}
    for primitive in configuration.iterfind("resources//primitive"):
        sources = [one for one in (primitive, templates.get(primitive.get("template", ""))) if one is not None]
        kind = _first(sources, "type")
        if _first(sources, "class") == "stonith":
            fences[primitive.get("id", "")] = _hosts(sources)
        elif _first(sources, "class") == "systemd" and kind:
            units[kind] = None
        elif kind in _ADDRESS:
            values = (_parameter(sources, _ADDRESS[kind]),)
            addresses[primitive.get("id", "")] = tuple(found for one in values if one and (found := plain(one)))
    properties = {one.get("name", ""): one.get("value", "") for one in configuration.iterfind("crm_config//nvpair")}
    return Config(
        addresses=addresses,
        leftovers=leftovers(configuration.find("constraints")),
        beside=_beside(configuration.find("constraints")),
        fences=fences,
        units=tuple(units),
        watchdog=properties.get("have-watchdog") == "true"
        and properties.get("stonith-watchdog-timeout", "0") not in {"", "0", "0s"},
        stonith=_truth(properties.get("stonith-enabled", properties.get("fencing-enabled"))),
    )


def leftovers(constraints: Element | None) -> tuple[Leftover, ...]:
    """Return the constraints that moves and bans made."""
    if constraints is None:
        return ()
    return tuple(
        Leftover(one.get("id", ""), one.get("rsc", ""), _end(one))
        for one in constraints.iterfind("rsc_location")
        if one.get("id", "").startswith(_BY_COMMAND)
    )


def _end(location: Element) -> datetime | None:
    ends = [instant(one.get("end")) for one in location.iter("date_expression") if one.get("operation") in {"lt", None}]
    return next((end for end in ends if end is not None), None)


def _beside(constraints: Element | None) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for one in [] if constraints is None else constraints.iterfind("rsc_colocation"):
        resource, other = one.get("rsc"), one.get("with-rsc")
        if resource and other and infinite(number(one, "score")):
            found[resource] = (*found.get(resource, ()), other)
    return found


def _first(sources: list[Element], attribute: str) -> str:
    return next((value for one in sources if (value := one.get(attribute))), "")


def _parameter(sources: list[Element], name: str) -> str | None:
    for source in sources:
        for pair in source.iterfind("instance_attributes/nvpair"):
            if pair.get("name") == name:
                return pair.get("value")
    return None


def _hosts(sources: list[Element]) -> frozenset[str] | None:
    listed = _parameter(sources, "pcmk_host_list")
    mapped = _parameter(sources, "pcmk_host_map")
    if not listed and not mapped:
        return None
    names = (listed or "").replace(",", " ").replace(";", " ").split()
    names += [pair.partition(":")[0] for pair in (mapped or "").replace(";", " ").replace(",", " ").split()]
    return frozenset(names)


def _truth(value: str | None) -> bool | None:
    return None if value is None else value.strip().lower() in {"true", "1", "yes", "on", "y"}
