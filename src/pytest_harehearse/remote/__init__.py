# SPDX-License-Identifier: MIT
"""Run something on a node: one contract, several transports."""
