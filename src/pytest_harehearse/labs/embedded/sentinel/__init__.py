# SPDX-License-Identifier: MIT
"""Valkey clusters of an embedded lab: a server on every node, and sentinels that watch it."""
