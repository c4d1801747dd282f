# SPDX-License-Identifier: MIT
"""The go or no-go before a window: each gate from evidence, its age and where it comes from."""
