# SPDX-License-Identifier: MIT
"""What nodes of real clusters printed (Pacemaker 2.1.5), and channels that answer with it.

Two nodes with a group: recorded from a cluster of two containers. Three nodes with a clone, and what cannot be had there:
``crm_mon`` and ``cibadmin`` on a file. The history of operations is left out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from pytest_harehearse.inventory.model import Cluster, Node
from pytest_harehearse.managers.pacemaker import PacemakerManager
from pytest_harehearse.remote.base import Done, Script, Unreachable

RECORDINGS = Path(__file__).parent / "recordings"
VIP = "198.18.0.100"
CLONE_VIP = "198.18.0.101"


def recording(name: str) -> bytes:
    """Read one."""
    return (RECORDINGS / name).read_bytes()


def addresses(*found: str) -> bytes:
    """What ``ip -j addr`` prints on a node with these addresses."""
    info = [{"family": "inet", "local": one, "prefixlen": 24, "scope": "global"} for one in ("127.0.0.1", *found)]
    return json.dumps([{"ifname": "eth0", "addr_info": info}]).encode()


def says(name, mon="group.xml", *, config="group-config.xml", has=(), state="S_NOT_DC", quorum=b"1", **other):
    """Return section → (rc, output) of a node that answers; a str for a recording, bytes as they stand."""
    parts = {
        "addresses": addresses(*has),
        "time": b"1795411700",  # 2026-11-23 05:28:20 UTC
        "name": name.encode(),
        "mon": mon,
        "quorum": quorum,
        "votes": "votes.txt",
        "config": config,
        "controller": f'<pacemaker-result><crmd node_name="{name}" state="{state}" result="ok"/></pacemaker-result>'.encode(),
        **other,
    }
    found = {}
    for section, said in parts.items():
        rc, data = said if isinstance(said, tuple) else (0, said)
        if data is not None:
            found[section] = (rc, recording(data) if isinstance(data, str) else data)
    return found


class ScriptedChannel:
    """Answers a script with those of its sections that it knows, in the script's order; anything else as it is told.

    ``answers``: words of a script → sections, an outcome, or a function of the command; the first that fits is taken.
    """

    def __init__(self, node, *answers):
        self.node = node
        self.url = f"test://{node}"
        self.answers = list(answers)
        self.asked = []

    def run(self, command, *, deadline, **_):
        """See :class:`~pytest_harehearse.remote.base.Channel`."""
        assert isinstance(command, Script)
        assert deadline > 0
        self.asked.append(command)
        for words, answer in self.answers:
            if words in command.text:
                found = answer(command) if callable(answer) else answer
                return printed(command, found) if isinstance(found, dict) else found
        return Done(127, b"", b"nothing was told for it")

    def close(self):
        """Nothing to close."""


def printed(command, said, rc=0):
    """What a script prints whose sections say this."""
    mark = command.arguments[0].encode()
    known = set(re.findall(r"(?:section|kept|begin) (\w+)", command.text))
    out = b""
    for name, (code, data) in said.items():
        if name in known:
            out += b"%s begin %s\n%s\n%s end %s %d\n" % (mark, name.encode(), data, mark, name.encode(), code)
    return Done(rc, out)


ALL = "section config"
MON = "section mon"


def cluster(group="web", nodes=("web1", "web2")):
    """A cluster of the inventory."""
    return Cluster("lab", "web", "lab", "pacemaker", tuple(Node(name) for name in nodes), group=group)


def manager(said, group="web", **answers):
    """A manager whose nodes answer: node → sections or an outcome; ``answers``: node → more answers, tried first."""
    channels = {
        name: ScriptedChannel(name, *answers.get(name, ()), (ALL, one), (MON, one)) for name, one in said.items()
    }
    found = PacemakerManager(cluster(group, tuple(said)), channels)
    found.channels = channels
    return found


def healthy():
    """Two nodes, the group on web1."""
    return {"web1": says("web1", has=["198.18.0.11", VIP], state="S_IDLE"), "web2": says("web2", has=["198.18.0.12"])}


GONE = Unreachable("no connection within 3.00 s")
