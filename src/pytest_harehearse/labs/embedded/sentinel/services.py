# SPDX-License-Identifier: MIT
"""What users of an embedded Valkey cluster reach: the primary for writes, and any node for reads."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_harehearse.inventory.model import Cluster, Service
from pytest_harehearse.labs.embedded.stack import beside_own

#: A new session and its answer take 1 ms, and 21 ms at worst while two busy loops held both cores (measured 2026-11, 12 s
#: each): 100 a second of each service cost a fifth of a core, and what has no answer after 100 ms was not served.
EVERY_S, TIMEOUT_S = 0.01, 0.1


def known_services(cluster: Cluster, hosts: Mapping[str, str], secret: str) -> tuple[Service, ...]:
    """Return the cluster's services, and before them those it has by itself unless the inventory names its own.

    Args:
        cluster: of the inventory.
        hosts: node → host:port.
        secret: the password.
    """
    url = f"redis://:{secret}@{','.join(hosts.values())}/0"
    known = (
        Service("write", "redis", url, mode="write", every=EVERY_S, timeout=TIMEOUT_S, responders=tuple(hosts)),
        Service(
            "pool", "redis", url, mode="read", session="held", every=EVERY_S, timeout=TIMEOUT_S, responders=tuple(hosts)
        ),
        Service("read", "redis", url, mode="read", every=EVERY_S, timeout=TIMEOUT_S, responders=tuple(hosts)),
    )
    return beside_own(cluster, known)
