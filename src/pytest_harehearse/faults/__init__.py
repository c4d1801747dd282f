# SPDX-License-Identifier: MIT
"""Faults, each with its effect check, its undo and the proof that it is undone."""
