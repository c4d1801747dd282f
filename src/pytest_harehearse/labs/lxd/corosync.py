# SPDX-License-Identifier: MIT
"""``corosync.conf`` of a lab's cluster (see corosync.conf(5), votequorum(5))."""

from __future__ import annotations

from pytest_harehearse.labs.lxd.plan import PlannedCluster


def configuration(cluster: PlannedCluster) -> str:
    """Return the file; the same on every node."""
    quorum = ["    provider: corosync_votequorum"]
    if len(cluster.nodes) == 2:
        # two_node implies it; written out, for after a fence the survivor must not be shot by a node that boots alone.
        quorum += ["    two_node: 1", "    wait_for_all: 1"]
    nodes = "\n".join(
        f"    node {{\n        ring0_addr: {address}\n        name: {name}\n        nodeid: {number}\n    }}"
        for number, (name, address) in enumerate(cluster.nodes.items(), 1)
    )
    return (
        "totem {\n    version: 2\n"
        f"    cluster_name: {cluster.name}\n"
        "    transport: knet\n    crypto_cipher: aes256\n    crypto_hash: sha256\n"
        f"    token: {cluster.token}\n}}\n\n"
        f"nodelist {{\n{nodes}\n}}\n\n"
        "quorum {\n" + "\n".join(quorum) + "\n}\n\n"
        "logging {\n    to_logfile: no\n    to_stderr: no\n    to_syslog: yes\n    timestamp: off\n}\n"
    )
