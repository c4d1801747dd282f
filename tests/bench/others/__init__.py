# SPDX-License-Identifier: MIT
"""What engineers use instead of the meter: one file a tool, read the way its users read it."""
