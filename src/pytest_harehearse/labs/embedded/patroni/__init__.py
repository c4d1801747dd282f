# SPDX-License-Identifier: MIT
"""PostgreSQL clusters of an embedded lab: Patroni on every node, one etcd for all of them."""
