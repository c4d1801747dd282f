# SPDX-License-Identifier: MIT
"""Patch day: what is patched, in which order, with which gates and which way back."""
