# SPDX-License-Identifier: MIT
"""Things that tests in several folders are made of."""
