# SPDX-License-Identifier: MIT
"""A network of two hosts in namespaces of its own, and echo requests in it; ends with this process.

Run as ``unshare -Urn python icmp_network.py GROUPS``; no groups: nobody but root may send, from a raw socket. The first host is this one; the second routes and has no way to
10.8.0.0/16, which it says. Prints one JSON line a URL.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.kinds import make
from pytest_harehearse.probes.kinds.base import ask

URLS = ("icmp://10.9.0.2", "icmp://10.8.0.1", "icmp://10.7.0.1", "icmp://10.9.0.77", "icmp://[::1]")


def run(command: str) -> None:
    subprocess.run(command.split(), check=True, timeout=20)


def build(other: int) -> None:
    inside = f"nsenter -t {other} -n"
    run("ip link set lo up")
    run(f"ip link add v0 type veth peer name v1 netns {other}")
    run("ip addr add 10.9.0.1/24 dev v0")
    run("ip link set v0 up")
    run("ip route add 10.8.0.0/16 via 10.9.0.2")
    run("ip route add unreachable 10.7.0.0/16")
    run(f"{inside} ip addr add 10.9.0.2/24 dev v1")
    run(f"{inside} ip link set v1 up")
    # Routers send few such messages a second; here each attempt is to get its own.
    run(f"{inside} sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0")
    run(f"{inside} ip route add unreachable 10.8.0.0/16")


async def ask_all() -> None:
    for url in URLS:
        kind = make(Service("vip", "icmp", url))
        limitation = kind.limitation()
        answers = await asyncio.gather(*(ask(kind, n, 0.5) for n in range(3)))
        raw = [echoes._raw for echoes in kind._echoes.values()]
        kind.close()
        found = sorted({(a.outcome.value, a.by, a.error) for a in answers})
        print(json.dumps({"url": url, "limitation": limitation, "raw": raw, "answers": found}))


def main() -> None:
    if groups := sys.argv[1]:
        Path("/proc/sys/net/ipv4/ping_group_range").write_text(groups)
    with subprocess.Popen(["unshare", "-n", "sleep", "60"]) as other:
        try:
            own = Path("/proc/self/ns/net").readlink()
            ends = time.monotonic() + 10
            while Path(f"/proc/{other.pid}/ns/net").readlink() == own and time.monotonic() < ends:
                time.sleep(0.01)
            build(other.pid)
            asyncio.run(ask_all())
        finally:
            other.kill()


if __name__ == "__main__":
    main()
