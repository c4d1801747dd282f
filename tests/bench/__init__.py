# SPDX-License-Identifier: MIT
"""Benches of the meter: they print a table and write JSON; nothing here is a test. ``python -m tests.bench``."""
