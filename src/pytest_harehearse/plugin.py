# SPDX-License-Identifier: MIT
"""pytest hooks only."""
