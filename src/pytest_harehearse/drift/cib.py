# SPDX-License-Identifier: MIT
"""Pacemaker's configuration as facts: properties, defaults, resources with parameters and timeouts, fencing, constraints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import ParseError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: A parameter of such a name is a secret: that there is one is told, not what it is.
_SECRET: Final = re.compile(
    r"(?i)pass|secret|(?:^|_)token(?:_value)?$|community|private|credential|api_?key|key_?(file|data)?$|cert"
)
#: What stands for a secret.
BLANK: Final = "***"
_SECTIONS: Final = {"crm_config": "property", "rsc_defaults": "resource default", "op_defaults": "operation default"}
#: Written by the cluster itself, or another one in every cluster.
_OWN: Final = frozenset({"dc-version", "cluster-name", "last-lrm-refresh", "have-watchdog", "cluster-infrastructure"})


def facts(text: str) -> dict[str, str]:
    """Return the facts of a CIB.

    Raises:
        ValueError: it is no XML, or no CIB.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(text)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise ValueError(f"the cluster's configuration is no XML: {error}") from error
    configuration = root.find("configuration")
    if configuration is None:
        raise ValueError("the cluster's configuration has no configuration")
    return dict(_all(configuration))


def _all(configuration: Element) -> Iterator[tuple[str, str]]:
    for section, area in _SECTIONS.items():
        for name, value in _pairs(configuration, f"{section}//nvpair"):
            if name not in _OWN:
                yield f"cib/{area} {name}", value
    for resource in configuration.iterfind("resources//primitive"):
        yield from _resource(resource)
    for kind in ("group", "clone", "master", "bundle"):
        for group in configuration.iterfind(f"resources//{kind}"):
            where = f"resource/{group.get('id')}"
            members = [child.get("id", "") for child in group if child.tag in {"primitive", "group"}]
            yield f"{where} {kind} of", ", ".join(members)
            for name, value in _pairs(group, "meta_attributes/nvpair"):
                yield f"{where} {name}", value
    for constraint in configuration.iterfind("constraints/*"):
        told = sorted(f"{key}={value}" for key, value in constraint.attrib.items() if key != "id")
        yield f"cib/constraint {constraint.tag} {constraint.get('id')}", " ".join(told)


def _resource(resource: Element) -> Iterator[tuple[str, str]]:
    area = "fence" if resource.get("class") == "stonith" else "resource"
    where = f"{area}/{resource.get('id')}"
    words = (resource.get(word) for word in ("class", "provider", "type"))
    yield f"{where} agent", ":".join(word for word in words if word)
    for name, value in (*_pairs(resource, "instance_attributes/nvpair"), *_pairs(resource, "meta_attributes/nvpair")):
        yield f"{where} {name}", value
    for operation in resource.iterfind("operations/op"):
        role = f" {operation.get('role')}" if operation.get("role") else ""
        step = f"{where} {operation.get('name')}{role}"
        for name in ("timeout", "on-fail", "start-delay", "enabled"):
            if operation.get(name):
                yield f"{step} {name}", str(operation.get(name))
        if operation.get("interval", "0") not in {"0", "0s"}:
            yield f"{step} interval", str(operation.get("interval"))


def _pairs(element: Element, path: str) -> list[tuple[str, str]]:
    found = [(pair.get("name", ""), pair.get("value", "")) for pair in element.iterfind(path)]
    return [(name, BLANK if _SECRET.search(name) and value else value) for name, value in found]
