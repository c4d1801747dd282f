# SPDX-License-Identifier: MIT
"""The history in SQL: an index of run directories that can be made anew from them."""
