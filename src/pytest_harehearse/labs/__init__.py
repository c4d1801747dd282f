# SPDX-License-Identifier: MIT
"""Create, find and remove environments to rehearse in."""
