# SPDX-License-Identifier: MIT
"""harehearse.toml → environments, clusters, nodes, services."""
