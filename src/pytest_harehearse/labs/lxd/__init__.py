# SPDX-License-Identifier: MIT
"""The LXD lab: real hosts with systemd, Corosync, Pacemaker and working fencing, as containers of this machine."""
