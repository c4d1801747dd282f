# SPDX-License-Identifier: MIT
"""The embedded lab: real servers from wheels, as processes on loopback."""
