# SPDX-License-Identifier: MIT
"""Fault plans that nobody thought of: drawn by Hypothesis within what a cluster may lose, the same again by the same seed."""
