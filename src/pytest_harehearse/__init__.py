# SPDX-License-Identifier: MIT
"""Failover rehearsals as pytest tests."""
