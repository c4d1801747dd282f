# SPDX-License-Identifier: MIT
"""What the cluster would do, by its own scheduler (``crm_simulate``) on a copy of its configuration; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pytest_harehearse.errors import Indeterminate, Unsupported
from pytest_harehearse.managers.capabilities import Prediction
from pytest_harehearse.managers.pacemaker.crm_mon import PROMOTED, list_resources
from pytest_harehearse.managers.pacemaker.sections import NOT_FOUND, Said, script
from pytest_harehearse.managers.pacemaker.xml import parse
from pytest_harehearse.remote.base import Script

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: An option that the tool does not know: CRM_EX_USAGE.
_USAGE: Final = 64
_COPY: Final = r"""
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
section copy sh -c 'cibadmin --query >"$1/now.xml"' - "$dir" 2>&1 || exit 1
"""
#: ``$1`` resource, ``$2`` node, ``$3`` --promoted, --master or nothing.
_MOVE: Final = r"""
CIB_file=$dir/now.xml; export CIB_file
kept told crm_resource --resource "$1" --move --node "$2" ${3:+"$3"} || exit 1
section moved crm_simulate --xml-file "$dir/now.xml" --simulate --save-output "$dir/moved.xml" --output-as=xml || exit 1
CIB_file=$dir/moved.xml
kept cleared crm_resource --resource "$1" --clear || exit 1
section settled crm_simulate --xml-file "$dir/moved.xml" --simulate --output-as=xml
"""
#: ``$1`` node.
_FAIL: Final = """
section settled crm_simulate --xml-file "$dir/now.xml" --simulate --node-fail "$1" --output-as=xml
"""
_STANDBY: Final = r"""
CIB_file=$dir/now.xml; export CIB_file
kept told crm_attribute --node "$1" --name standby --update on --lifetime forever || exit 1
section settled crm_simulate --xml-file "$dir/now.xml" --simulate --output-as=xml
"""


def asking_move(limit: float, resource: str, node: str, promoted: str = "") -> Script:
    """Return the script that predicts a move and the removal of its constraint."""
    return script(_COPY + _MOVE, limit, resource, node, promoted)


def asking_fail(limit: float, node: str) -> Script:
    """Return the script that predicts what follows when a node fails."""
    return script(_COPY + _FAIL, limit, node)


def asking_standby(limit: float, node: str) -> Script:
    """Return the script that predicts what follows when a node is drained."""
    return script(_COPY + _STANDBY, limit, node)


def read(said: Mapping[str, Said], *sections: str) -> tuple[Prediction, ...]:
    """Return the prediction of each section.

    Raises:
        Unsupported: the tools there cannot predict.
        Indeterminate: the prediction broke off.
    """
    for name, answer in said.items():
        if answer.rc in {NOT_FOUND, _USAGE}:
            raise Unsupported(
                f"the tools of Pacemaker there cannot predict ({name} ended with {answer.rc}: {answer.text[:160]}); "
                "crm_simulate with --output-as=xml came with Pacemaker 2.1"
            )
        if answer.rc:
            raise Indeterminate(f"the prediction broke off: {name} ended with {answer.rc} ({answer.text[:160]})")
    found = []
    for name in sections:
        if name not in said:
            raise Indeterminate(f"the prediction broke off: nothing was said of {name}")
        found.append(_prediction(said[name].data))
    return tuple(found)


def _prediction(data: bytes) -> Prediction:
    root = parse(data)
    if isinstance(root, str):
        raise Indeterminate(f"the prediction cannot be understood: {root}")
    after = root.find("revised_cluster_status/resources")
    # Where nothing is to be done it leaves the second status out.
    resources = after if after is not None else root.find("cluster_status/resources")
    if resources is None:
        raise Indeterminate("the prediction does not say where anything would run")
    found, collectives, _ = list_resources(resources)
    nodes: dict[str, set[str]] = {}
    promoted: dict[str, set[str]] = {}
    for one in found:
        for name in (one.name, *one.within):
            nodes.setdefault(name, set()).update(one.nodes)
            if one.role in PROMOTED:
                promoted.setdefault(name, set()).update(one.nodes)
    for name in collectives:
        nodes.setdefault(name, set())
    return Prediction(
        resources={name: tuple(sorted(promoted.get(name) or where)) for name, where in sorted(nodes.items())},
        actions=tuple(_action(one) for one in root.iterfind("actions/*")),
    )


def _action(one: Element) -> str:
    if one.tag == "node_action":
        return f"{one.get('task', '')} {one.get('node', '')}"
    source, target, node = one.get("source"), one.get("dest"), one.get("node")
    where = f"{source} → {target}" if source and target else f"on {node or target or source}"
    return f"{one.get('action', '')} {one.get('resource', '')} {where}"
