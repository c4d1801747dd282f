# SPDX-License-Identifier: MIT
"""What a cluster manager says and does, one file a manager."""
