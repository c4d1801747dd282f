# SPDX-License-Identifier: MIT
"""The settings of etcd and Patroni in the embedded lab. Pure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_harehearse.labs.home import NodePlace

ETCD_CLIENT, ETCD_PEER = 2379, 2380
POSTGRES, REST = 5432, 8008


def etcd_command(etcd: Path, index: int, addresses: tuple[str, ...], data: Path) -> list[str]:
    """Return the command of member ``index``; nothing is synced to disk, for a lab's data is worth nothing."""
    client, peer = f"http://{addresses[index]}:{ETCD_CLIENT}", f"http://{addresses[index]}:{ETCD_PEER}"
    members = ",".join(f"e{number}=http://{address}:{ETCD_PEER}" for number, address in enumerate(addresses))
    return [
        str(etcd), "--name", f"e{index}", "--data-dir", str(data),
        "--listen-client-urls", client, "--advertise-client-urls", client,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
        "--initial-cluster", members, "--initial-cluster-token", data.parent.parent.name, "--initial-cluster-state", "new",
        "--unsafe-no-fsync", "--log-level", "warn",
    ]  # fmt: skip


def patroni(
    *,
    scope: str,
    node: str,
    place: NodePlace,
    etcd: tuple[str, ...],
    postgres: Path,
    folder: Path,
    secret: str,
    standbys: int,
) -> str:
    """Return a node's patroni.yml (JSON, which is YAML).

    The timers are the shortest Patroni takes (``ttl`` 20 s is its least), so that a rehearsal of a crash does not last
    half a minute. Every standby is synchronous: a lab whose cluster may lose acknowledged writes by design could not
    tell a loss from a defect, and with one synchronous standby of two there is no switchback to the other. (With
    ``quorum`` a switchover's interruption is 4.2 s instead of 2.5 s, measured 2026-11: after the promotion, commits
    wait until a standby follows.)
    """
    users = {name: {"username": name, "password": secret} for name in ("superuser", "replication", "rewind")}
    users["superuser"]["username"] = "postgres"
    users["replication"]["username"] = "replicator"
    users["rewind"]["username"] = "rewinder"
    settings: dict[str, Any] = {
        "scope": scope,
        "name": node,
        "restapi": {
            "listen": f"{place.address}:{place.ports['rest']}",
            "connect_address": f"{place.address}:{place.ports['rest']}",
            "authentication": {"username": "harehearse", "password": secret},
        },
        "etcd3": {"hosts": [f"{address}:{ETCD_CLIENT}" for address in etcd]},
        "bootstrap": {
            "dcs": {
                "ttl": 20,
                "loop_wait": 1,
                "retry_timeout": 3,
                "primary_start_timeout": 0,
                "maximum_lag_on_failover": 1048576,
                "synchronous_mode": True,
                "synchronous_node_count": standbys,
                "postgresql": {
                    "use_pg_rewind": True,
                    "use_slots": True,
                    "parameters": {
                        "shared_buffers": "16MB",
                        "max_connections": 100,
                        "max_wal_size": "256MB",
                        "wal_log_hints": "on",
                        "wal_keep_size": "128MB",
                        "dynamic_shared_memory_type": "mmap",
                        "autovacuum_naptime": "10min",
                        "wal_receiver_status_interval": "1s",
                    },
                },
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums", "no-sync"],
        },
        "postgresql": {
            "listen": f"{place.address}:{place.ports['postgres']}",
            "connect_address": f"{place.address}:{place.ports['postgres']}",
            "data_dir": str(folder / "data"),
            "bin_dir": str(postgres),
            "pgpass": str(folder / "pgpass"),
            "authentication": users,
            "parameters": {"unix_socket_directories": str(folder), "logging_collector": "off"},
            "basebackup": [{"checkpoint": "fast"}, "no-sync"],
            "pg_hba": [
                "local all all trust",
                "host all all 127.0.0.0/8 scram-sha-256",
                "host replication replicator 127.0.0.0/8 scram-sha-256",
            ],
        },
        "tags": {},
    }
    return json.dumps(settings, indent=1)
