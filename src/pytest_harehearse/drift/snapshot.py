# SPDX-License-Identifier: MIT
"""What a node was found to be: plain facts by path, and what could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One node at one time.

    A path is ``AREA/NAME`` (``sysctl/net.ipv4.ip_forward``, ``package/corosync``); the area ends at the first slash. A
    name may hold further slashes. Values are text as the node gave them, unmasked.
    """

    #: ENVIRONMENT/CLUSTER.
    cluster: str
    node: str
    #: ISO 8601, UTC.
    at: str
    facts: Mapping[str, str]
    #: Area → why it could not be read: not known, which is not the same as nothing there.
    problems: Mapping[str, str] = field(default_factory=dict)
    #: Values that belong to this node alone (its names and addresses) → the word that stands for them in a comparison.
    own: Mapping[str, str] = field(default_factory=dict)
    #: Seconds that reading took.
    took: float = 0.0
