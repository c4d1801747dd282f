# SPDX-License-Identifier: MIT
"""Pacemaker: state by every node's own word, confirmed by its addresses and by the quorum; moves that leave nothing behind."""

from pytest_harehearse.managers.pacemaker.manager import PacemakerManager

__all__ = ["PacemakerManager"]
