# SPDX-License-Identifier: MIT
"""The files that make a bare instance a node of its cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files

from pytest_harehearse.labs.lxd.cib import information_base
from pytest_harehearse.labs.lxd.corosync import configuration
from pytest_harehearse.labs.lxd.plan import HOST, SUBNET, PlannedCluster

AGENT = "/usr/sbin/fence_harehearse"


@dataclass(frozen=True, slots=True)
class File:
    """A file of a node; ``owner`` is a user's name there."""

    data: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = "root"


@dataclass(frozen=True, slots=True)
class ClusterSecrets:
    """What the nodes of a lab share, and how the runner gets in."""

    authkey: bytes = field(repr=False)
    #: Certificate and key for fencing, and the certificate of LXD itself, all PEM.
    fence_certificate: bytes = field(repr=False)
    fence_key: bytes = field(repr=False)
    lxd_certificate: bytes = field(repr=False)
    #: The runner's public key.
    authorized: str


def _network(address: str) -> str:
    return (
        "[Match]\nName=eth0\n\n[Network]\n"
        f"Address={address}/{SUBNET.prefixlen}\nGateway={HOST}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )


def _hosts(cluster: PlannedCluster) -> str:
    lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in cluster.nodes.items())]
    return "\n".join(lines) + "\n"


def _nginx(node: str) -> str:
    return (
        "server {\n    listen 80 default_server;\n    server_tokens off;\n    root /var/www/html;\n"
        f"    add_header X-Served-By {node} always;\n"
        '    location / { default_type text/plain; return 200 "served by ' + node + '\\n"; }\n}\n'
    )


def node_files(
    cluster: PlannedCluster, node: str, secrets: ClusterSecrets, *, project: str, port: int, host_key: tuple[bytes, str]
) -> dict[str, File]:
    """Return path → file for one node; ``host_key`` is its private and its public ssh host key."""
    agent = files("pytest_harehearse.labs.lxd").joinpath("files/fence_harehearse").read_bytes()
    text = {
        "/etc/hostname": f"{node}\n",
        "/etc/hosts": _hosts(cluster),
        "/etc/systemd/network/10-eth0.network": _network(cluster.nodes[node]),
        "/etc/corosync/corosync.conf": configuration(cluster),
        "/etc/nginx/sites-available/default": _nginx(node),
        "/etc/ssh/ssh_host_ed25519_key.pub": f"{host_key[1]} {node}\n",
    }
    return {
        **{path: File(content.encode()) for path, content in text.items()},
        "/etc/ssh/ssh_host_ed25519_key": File(host_key[0], 0o600),
        "/root/.ssh/authorized_keys": File(f"{secrets.authorized} harehearse\n".encode(), 0o600),
        "/etc/corosync/authkey": File(secrets.authkey, 0o400),
        "/etc/harehearse/fence.crt": File(secrets.fence_certificate, 0o600),
        "/etc/harehearse/fence.key": File(secrets.fence_key, 0o600),
        "/etc/harehearse/lxd.crt": File(secrets.lxd_certificate, 0o600),
        AGENT: File(agent, 0o755),
        "/var/lib/pacemaker/cib/cib.xml": File(information_base(cluster, project, port), 0o600, "hacluster"),
    }
