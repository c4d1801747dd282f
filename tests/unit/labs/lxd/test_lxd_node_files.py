# SPDX-License-Identifier: MIT
"""What is written into a node: the cluster's own tools would take it."""

from __future__ import annotations

from defusedxml import ElementTree

from pytest_harehearse.labs.lxd.cib import information_base
from pytest_harehearse.labs.lxd.corosync import configuration
from pytest_harehearse.labs.lxd.node_files import ClusterSecrets, node_files
from pytest_harehearse.labs.lxd.plan import PlannedCluster

TWO = PlannedCluster("web", "group", "web", {"web1": "198.18.0.11", "web2": "198.18.0.12"}, "198.18.0.100", 3000)
THREE = PlannedCluster("shop", "clone", "vip", {f"s{n}": f"198.18.0.1{n}" for n in (1, 2, 3)}, "198.18.0.101", 1000)
SECRETS = ClusterSecrets(b"\0" * 256, b"CERT", b"KEY", b"LXD", "ssh-ed25519 AAAA")


def values(element):
    return {pair.get("name"): pair.get("value") for pair in element.iter("nvpair")}


def test_corosync_knows_two_nodes_and_waits_for_both():
    """Two nodes need two_node, and wait_for_all so that a node that boots alone shoots nobody."""
    text = configuration(TWO)
    assert "two_node: 1" in text
    assert "wait_for_all: 1" in text
    assert "two_node" not in configuration(THREE)
    assert text.count("ring0_addr: ") == 2
    assert text.count("{") == text.count("}")


def test_fencing_is_on_and_never_by_the_node_itself():
    """stonith-enabled always; a device a node, kept off the node that it fences."""
    for planned in (TWO, THREE):
        cib = ElementTree.fromstring(information_base(planned, "project", 8443))
        assert values(cib.find("configuration/crm_config"))["stonith-enabled"] == "true"
        devices = [p for p in cib.iter("primitive") if p.get("class") == "stonith"]
        kept_off = {(c.get("rsc"), c.get("node"), c.get("score")) for c in cib.iter("rsc_location")}
        assert [values(d)["pcmk_host_list"] for d in devices] == list(planned.nodes)
        assert kept_off == {(d.get("id"), values(d)["pcmk_host_list"], "-INFINITY") for d in devices}
        assert not any("action" in name for d in devices for name in values(d))


def test_the_recipes_differ_in_what_moves():
    """The classic moves address and server as a group; with a clone only the address moves, to where a server runs."""
    two = ElementTree.fromstring(information_base(TWO, "p", 1))
    assert [p.get("type") for p in two.find("configuration/resources/group")] == ["IPaddr2", "nginx"]
    three = ElementTree.fromstring(information_base(THREE, "p", 1))
    assert three.find("configuration/resources/clone/primitive").get("type") == "nginx"
    together = three.find("configuration/constraints/rsc_colocation")
    assert (together.get("rsc"), together.get("with-rsc")) == ("vip", "vip-servers")


def test_secrets_are_readable_by_their_owner_only():
    """Keys and the cluster's base are not the world's."""
    files = node_files(TWO, "web1", SECRETS, project="p", port=1, host_key=(b"PRIVATE", "ssh-ed25519 BBBB"))
    for path in (
        "/etc/corosync/authkey",
        "/etc/harehearse/fence.key",
        "/etc/ssh/ssh_host_ed25519_key",
        "/root/.ssh/authorized_keys",
    ):
        assert files[path].mode & 0o077 == 0, path
    assert files["/var/lib/pacemaker/cib/cib.xml"].owner == "hacluster"
    assert b"PRIVATE" not in repr(files).encode()
    assert b"served by web1" in files["/etc/nginx/sites-available/default"].data
    assert b"198.18.0.12 web2" in files["/etc/hosts"].data
