# SPDX-License-Identifier: MIT
"""Ports of the embedded lab's etcd, for ``harehearse doctor``."""

from __future__ import annotations

from pytest_harehearse.labs.embedded.patroni.config import ETCD_CLIENT, ETCD_PEER

__all__ = ["ETCD_CLIENT", "ETCD_PEER"]
