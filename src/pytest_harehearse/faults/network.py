# SPDX-License-Identifier: MIT
"""Faults of the network, by one import; each has a module of its own."""

from __future__ import annotations

from pytest_harehearse.faults.degrade import net_degrade
from pytest_harehearse.faults.fence_path import fence_fail
from pytest_harehearse.faults.interface import net_nic_down
from pytest_harehearse.faults.isolate import net_isolate_from_clients
from pytest_harehearse.faults.nft import addresses
from pytest_harehearse.faults.partition import Direction, net_partition, partition
from pytest_harehearse.faults.ring import net_ring_down

__all__ = [
    "Direction", "addresses", "fence_fail", "net_degrade", "net_isolate_from_clients", "net_nic_down", "net_partition",
    "net_ring_down", "partition",
]  # fmt: skip
