# SPDX-License-Identifier: MIT
"""The command `harehearse`, one file a verb."""
