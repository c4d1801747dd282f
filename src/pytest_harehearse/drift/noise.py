# SPDX-License-Identifier: MIT
"""What tells nothing of a node's make: counters, and values drawn anew at every start. It is never kept."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import Final

#: Path → why.
NOISE: Final[dict[str, str]] = {
    "sysctl/kernel.random.*": "drawn anew at every look or start",
    "sysctl/fs.dentry-state": "a counter",
    "sysctl/fs.inode-*": "a counter",
    "sysctl/fs.file-nr": "a counter",
    "sysctl/fs.quota.*": "a counter",
    "sysctl/fs.aio-nr": "a counter",
    "sysctl/fs.binfmt_misc.*": "of the host, not of the node",
    "sysctl/kernel.ns_last_pid": "a counter",
    "sysctl/kernel.pty.nr": "a counter",
    "sysctl/kernel.hostname": "the node's own name",
    "sysctl/kernel.domainname": "the node's own name",
    "sysctl/kernel.core_modes": "of the kernel",
    "sysctl/kernel.sched_domain.*": "of the processors",
    "sysctl/kernel.tainted": "a record of what happened",
    "sysctl/kernel.bootloader_*": "of the boot loader",
    "sysctl/kernel.acct": "a measured threshold",
    "sysctl/kernel.perf_cpu_time_max_percent": "lowered by the kernel itself under load",
    "sysctl/kernel.perf_event_max_sample_rate": "lowered by the kernel itself under load",
    "sysctl/kernel.keys.*": "a limit by the machine's memory",
    "sysctl/kernel.threads-max": "a limit by the machine's memory",
    "sysctl/user.max_*": "a limit by the machine's memory",
    "sysctl/fs.file-max": "a limit by the machine's memory",
    "sysctl/fs.epoll.max_user_watches": "a limit by the machine's memory",
    "sysctl/net.netfilter.nf_conntrack_count": "a counter",
    "sysctl/net.ipv4.route.*": "of routes that come and go",
    "sysctl/net.ipv4.tcp_mem": "a limit by the machine's memory",
    "sysctl/net.ipv4.udp_mem": "a limit by the machine's memory",
    "sysctl/net.ipv4.tcp_fastopen_key": "a secret, drawn by the node itself",
    "sysctl/net.ipv4.tcp_max_orphans": "a limit by the machine's memory",
    "sysctl/net.ipv4.tcp_max_tw_buckets": "a limit by the machine's memory",
    "sysctl/net.ipv6.conf.*.stable_secret": "a secret, drawn by the node itself",
    "sysctl/dev.cdrom.*": "of the device",
    "sysctl/vm.*_stat*": "a counter",
    "sysctl/vm.stat_*": "a counter",
    "corosync/runtime.config.totem.pg.*": "a counter",
}
_NOISE: Final = re.compile("|".join(map(translate, NOISE)))


def is_noise(path: str) -> bool:
    """Whether a fact tells nothing of how a node is made."""
    area, _, _ = path.partition("/")
    return area in {"sysctl", "corosync"} and _NOISE.match(path) is not None
