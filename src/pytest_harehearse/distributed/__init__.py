# SPDX-License-Identifier: MIT
"""Rehearsals on many clusters at once, by pytest-xdist: a cluster belongs to one worker, and each outcome is counted."""
