# SPDX-License-Identifier: MIT
"""The undo journal and the locks."""
