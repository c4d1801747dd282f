# SPDX-License-Identifier: MIT
"""Kills rehearsals at random instants and looks whether anything of their faults stays: ``python -m tests.chaos``."""
