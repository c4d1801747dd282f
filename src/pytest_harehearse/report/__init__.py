# SPDX-License-Identifier: MIT
"""What people see, computed from the summary of a run."""
