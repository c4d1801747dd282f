# SPDX-License-Identifier: MIT
"""One file a kind of probe."""
