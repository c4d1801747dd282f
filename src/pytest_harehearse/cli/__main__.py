# SPDX-License-Identifier: MIT
"""``python -m pytest_harehearse.cli``."""

from pytest_harehearse.cli.main import main

main()
