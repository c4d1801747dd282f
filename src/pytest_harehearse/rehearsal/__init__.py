# SPDX-License-Identifier: MIT
"""One test on one cluster: what is done, awaited, measured and judged."""
