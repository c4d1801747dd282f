# SPDX-License-Identifier: MIT
"""Run directories, read back as plain data."""
