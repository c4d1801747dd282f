# SPDX-License-Identifier: MIT
"""The settings of Valkey and its sentinels in the embedded lab. Pure."""

from __future__ import annotations

from pytest_harehearse.labs.home import NodePlace

VALKEY, SENTINEL = 6379, 26379

#: With 1 s a busy machine made the sentinels fail over once more than needed (measured 2026-11).
DOWN_AFTER_MS = 2000
#: Bounds a failover that does not get on, and how soon the next may begin: twice this.
FAILOVER_TIMEOUT_MS = 10_000


def server(place: NodePlace, rank: int, primary: NodePlace | None, secret: str) -> str:
    """Return a node's ``valkey.conf``.

    Every node has a ``replica-priority`` of its own, the first the lowest: Sentinel takes no target, and with equal ones
    nobody could tell beforehand where a switchover goes, nor go back to the first node. Writes are appended to a file
    that is never synced: it survives a kill, as a lab's crash is one, so that a primary that is started again before any
    failover still has what it acknowledged; with none it would come up empty, and its replicas would empty themselves.

    Args:
        place: where it listens.
        rank: the node's place in the inventory, from 0.
        primary: whose replica it is; None: it is the primary.
        secret: the password.
    """
    lines = [
        f"bind {place.address}",
        f"port {place.ports['valkey']}",
        "dir .",
        f"requirepass {secret}",
        f"primaryauth {secret}",
        # On 127/8 a replica would be taken for one at the address that its connection comes from.
        f"replica-announce-ip {place.address}",
        f"replica-announce-port {place.ports['valkey']}",
        f"replica-priority {100 + 10 * rank}",
        'save ""',
        "appendonly yes",
        "appendfsync no",
        "repl-diskless-sync-delay 0",
        "repl-ping-replica-period 1",
    ]
    if primary is not None:
        lines.append(f"replicaof {primary.address} {primary.ports['valkey']}")
    return "\n".join(lines) + "\n"


def sentinel(cluster: str, address: str, primary: NodePlace, quorum: int, secret: str) -> str:
    """Return a sentinel's first ``sentinel.conf``; from then on it keeps there what it knows."""
    return (
        f"bind {address}\n"
        f"port {SENTINEL}\n"
        "dir .\n"
        f"requirepass {secret}\n"
        f"sentinel sentinel-pass {secret}\n"
        f"sentinel announce-ip {address}\n"
        f"sentinel announce-port {SENTINEL}\n"
        f"sentinel monitor {cluster} {primary.address} {primary.ports['valkey']} {quorum}\n"
        f"sentinel auth-pass {cluster} {secret}\n"
        f"sentinel down-after-milliseconds {cluster} {DOWN_AFTER_MS}\n"
        f"sentinel failover-timeout {cluster} {FAILOVER_TIMEOUT_MS}\n"
        f"sentinel parallel-syncs {cluster} 2\n"
    )
