# SPDX-License-Identifier: MIT
"""What a Valkey 9.1.2 server and its sentinels said in a lab, with the parts that differ left open."""

from __future__ import annotations

C1, C2, C3 = (f"127.77.88.{last}:6379" for last in (11, 12, 13))


def flat(table):
    """As a reply has it: names and values in turns."""
    return [word for pair in table.items() for word in pair]


def master(address=C1, flags="master", others="2"):
    """Return the reply to SENTINEL MASTER carts."""
    ip, port = address.split(":")
    return flat({
        "name": "carts", "ip": ip, "port": port, "runid": "8ff1faa22c454916fc5ccc14948c1e272074cc26", "flags": flags,
        "link-pending-commands": "0", "link-refcount": "1", "last-ping-sent": "0", "last-ok-ping-reply": "23",
        "last-ping-reply": "23", "down-after-milliseconds": "2000", "info-refresh": "9433", "role-reported": "master",
        "role-reported-time": "49639", "config-epoch": "0", "num-slaves": "2", "num-other-sentinels": others,
        "quorum": "2", "failover-timeout": "10000", "parallel-syncs": "2",
    })  # fmt: skip


def replica(address, flags="slave", of=C1):
    """Return an entry of the reply to SENTINEL REPLICAS carts."""
    ip, port = address.split(":")
    return flat({
        "name": address, "ip": ip, "port": port, "runid": "773e6c9371cc93496b8997f9f49740526b77a11b", "flags": flags,
        "link-pending-commands": "0", "link-refcount": "1", "last-ping-sent": "0", "last-ok-ping-reply": "568",
        "last-ping-reply": "568", "down-after-milliseconds": "2000", "info-refresh": "8336", "role-reported": "slave",
        "role-reported-time": "49596", "master-link-down-time": "0", "master-link-status": "ok",
        "master-host": of.split(":")[0], "master-port": "6379", "slave-priority": "110", "slave-repl-offset": "8757",
        "replica-announced": "1",
    })  # fmt: skip


def primary_info(offset=10501, failover="no-failover"):
    """Return a primary's INFO replication."""
    return (
        "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n"
        "slave0:ip=127.77.88.12,port=6379,state=online,offset=10501,lag=0,type=replica\r\n"
        f"replicas_waiting_psync:0\r\nmaster_failover_state:{failover}\r\n"
        "master_replid:f4bdab6f7b8e3ce1e1e09bbada79dabf83ab3ad2\r\n"
        f"master_repl_offset:{offset}\r\nsecond_repl_offset:-1\r\nrepl_backlog_active:1\r\n"
    )


def replica_info(of=C1, offset=10501, link="up", priority=110):
    """Return a replica's INFO replication."""
    host, port = of.split(":")
    return (
        f"# Replication\r\nrole:slave\r\nmaster_host:{host}\r\nmaster_port:{port}\r\nmaster_link_status:{link}\r\n"
        f"master_last_io_seconds_ago:0\r\nmaster_sync_in_progress:0\r\nslave_read_repl_offset:{offset}\r\n"
        f"slave_repl_offset:{offset}\r\nslave_priority:{priority}\r\nslave_read_only:1\r\nreplica_announced:1\r\n"
        f"connected_slaves:0\r\nmaster_failover_state:no-failover\r\nmaster_repl_offset:{offset}\r\n"
    )
