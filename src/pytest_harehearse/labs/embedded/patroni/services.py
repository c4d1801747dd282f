# SPDX-License-Identifier: MIT
"""What users of an embedded cluster reach: the writable node, and any node, both by PostgreSQL's own client.

Writes are made in a new session each time, as by a user who comes, and in one held session, as by an application's pool.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_harehearse.inventory.model import Cluster, Service
from pytest_harehearse.labs.embedded.stack import beside_own

#: A new session takes about 10 ms here and a core is shared with three servers: 20 a second disturb little, and a
#: session may take half a second on a busy machine before it counts as not served.
EVERY_S, TIMEOUT_S = 0.05, 0.5


def known_services(cluster: Cluster, hosts: Mapping[str, str], secret: str) -> tuple[Service, ...]:
    """Return the cluster's services, and before them those it has by itself unless the inventory names its own.

    Args:
        cluster: of the inventory.
        hosts: node → host:port.
        secret: the password.
    """
    url = f"postgresql://postgres:{secret}@{','.join(hosts.values())}/postgres"
    known = (
        Service("write", "postgresql", url, mode="write", every=EVERY_S, timeout=TIMEOUT_S, responders=tuple(hosts)),
        Service(
            "pool", "postgresql", url, mode="write", session="held", every=EVERY_S, timeout=TIMEOUT_S,
            responders=tuple(hosts),
        ),
        Service("read", "postgresql", url, mode="read", every=EVERY_S, timeout=TIMEOUT_S, responders=tuple(hosts)),
    )  # fmt: skip
    return beside_own(cluster, known)
