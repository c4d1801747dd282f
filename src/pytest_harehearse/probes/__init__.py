# SPDX-License-Identifier: MIT
"""Ask services on a fixed schedule, in a process of its own, and derive interruptions."""
