# SPDX-License-Identifier: MIT
"""Nodes that should be alike and are not: snapshots of them, the rules they are held against, and what differs."""
