# SPDX-License-Identifier: MIT
"""The cluster information base that a lab's cluster starts with: resources, fencing, properties."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET  # only written here; what nodes send is read by defusedxml

from pytest_harehearse.labs.lxd.plan import HOST, PlannedCluster

#: Schema of Pacemaker 2.1; newer ones upgrade it by themselves.
SCHEMA = "pacemaker-3.9"


def _attributes(parent: ET.Element, kind: str, identity: str, values: Mapping[str, str]) -> None:
    block = ET.SubElement(parent, kind, id=identity)
    for name, value in values.items():
        ET.SubElement(block, "nvpair", id=f"{identity}-{name}", name=name, value=value)


def _operation(parent: ET.Element, resource: str, name: str, timeout: str, interval: str = "0") -> None:
    operations = parent.find("operations")
    if operations is None:
        operations = ET.SubElement(parent, "operations")
    ET.SubElement(operations, "op", id=f"{resource}-{name}-{interval}", name=name, interval=interval, timeout=timeout)


def _address(parent: ET.Element, cluster: PlannedCluster, identity: str) -> None:
    primitive = ET.SubElement(
        parent, "primitive", {"id": identity, "class": "ocf", "provider": "heartbeat", "type": "IPaddr2"}
    )
    _attributes(primitive, "instance_attributes", f"{identity}-attributes", {"ip": cluster.vip, "cidr_netmask": "24"})
    _operation(primitive, identity, "monitor", "20s", "10s")


def _server(parent: ET.Element, identity: str) -> None:
    primitive = ET.SubElement(parent, "primitive", {"id": identity, "class": "systemd", "type": "nginx"})
    _operation(primitive, identity, "monitor", "20s", "5s")
    _operation(primitive, identity, "start", "30s")
    _operation(primitive, identity, "stop", "30s")


def _fencing(resources: ET.Element, constraints: ET.Element, cluster: PlannedCluster, project: str, port: int) -> None:
    for node in cluster.nodes:
        identity = f"fence-{node}"
        primitive = ET.SubElement(
            resources, "primitive", {"id": identity, "class": "stonith", "type": "fence_harehearse"}
        )
        _attributes(
            primitive,
            "instance_attributes",
            f"{identity}-attributes",
            {
                "ip": str(HOST),
                "ipport": str(port),
                "project": project,
                "pcmk_host_list": node,
                "off_time": f"{cluster.off_time:.0f}",
            },
        )
        _operation(primitive, identity, "monitor", "20s", "60s")
        # A node is never shot by itself.
        ET.SubElement(
            constraints, "rsc_location", id=f"{identity}-elsewhere", rsc=identity, node=node, score="-INFINITY"
        )


def information_base(cluster: PlannedCluster, project: str, port: int) -> bytes:
    """Return ``cib.xml``; the same on every node."""
    cib = ET.Element(
        "cib", {"validate-with": SCHEMA, "epoch": "1", "num_updates": "0", "admin_epoch": "0", "have-quorum": "0"}
    )
    configuration = ET.SubElement(cib, "configuration")
    _attributes(
        ET.SubElement(configuration, "crm_config"),
        "cluster_property_set",
        "cib-bootstrap-options",
        {
            "stonith-enabled": "true",
            "stonith-timeout": "30s",
            "have-watchdog": "false",
            "dc-deadtime": "2s",
            "cluster-name": cluster.name,
        },
    )
    ET.SubElement(configuration, "nodes")
    resources = ET.SubElement(configuration, "resources")
    constraints = ET.SubElement(configuration, "constraints")
    if cluster.recipe == "group":
        group = ET.SubElement(resources, "group", id=cluster.resource)
        _address(group, cluster, f"{cluster.resource}-ip")
        _server(group, f"{cluster.resource}-nginx")
    else:
        _address(resources, cluster, cluster.resource)
        clone = ET.SubElement(resources, "clone", id=f"{cluster.resource}-servers")
        _server(clone, f"{cluster.resource}-nginx")
        ET.SubElement(
            constraints, "rsc_colocation", {
                "id": f"{cluster.resource}-where-served", "rsc": cluster.resource,
                "with-rsc": f"{cluster.resource}-servers", "score": "INFINITY",
            },
        )  # fmt: skip
    _fencing(resources, constraints, cluster, project, port)
    _attributes(
        ET.SubElement(configuration, "rsc_defaults"), "meta_attributes", "rsc-options", {"resource-stickiness": "100"}
    )
    ET.SubElement(cib, "status")
    return b'<?xml version="1.0" ?>\n' + ET.tostring(cib)
