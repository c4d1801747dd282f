# SPDX-License-Identifier: MIT
"""What may be sent to a production that is not armed, word for word, and channels that write down what is."""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

from pytest_harehearse.drift import areas
from pytest_harehearse.history.gate import room
from pytest_harehearse.managers.pacemaker.sections import _PRELUDE
from pytest_harehearse.remote.base import Done, Script, argv

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "managers" / "pacemaker"))
import recorded_pacemaker as recorded

#: Closed: a command that is not here changes something until somebody has looked at it and written it down.
COMMANDS = {
    ("true",),
    ("id", "-u"),
    ("uname", "-r"),
    ("cat", "/proc/sys/kernel/random/boot_id"),
}
#: Line by line, of what stands after the functions that mark the answers.
LINES = {
    "section addresses ip -j addr",
    "section time date -u +%s",
    "section name crm_node -n 2>&1",
    "section mon crm_mon -1 -r --output-as=xml",
    "case $? in 124|127) exit 0;; esac",
    "section quorum crm_node -q 2>&1",
    "section votes corosync-quorumtool -s 2>&1",
    "section config cibadmin --query --scope configuration",
    'section controller crmadmin -S "$(timeout "$limit" crm_node -n 2>/dev/null)" --output-as=xml 2>&1',
    "section history stonith_admin --history '*' --verbose --output-as=xml",
    "while read -r asked; do date +%s.%N; done",
    "LC_ALL=C df -P -k -l -x tmpfs -x devtmpfs -x overlay -x squashfs 2> /dev/null || LC_ALL=C df -P -k || exit 1",
    "LC_ALL=C df -P -i -l -x tmpfs -x devtmpfs -x overlay -x squashfs 2> /dev/null || :",
    "echo --",
    "grep -E '^(MemTotal|MemAvailable):' /proc/meminfo",
}
#: Of what reads a node for drift, as it was when somebody last read every line of it: whoever changes it reads it, too.
DRIFT = "8a0c4033e3b4835c"
#: Longer ones, by the digest of their text as it was when it was last read.
REVIEWED = {
    "6848d9878d30b085": "lists what lies on a node",
    "a665c8e6cd0376d6": "shows who holds the lease; the lock is taken on a folder that is there",
}


def digest(text):
    """Of a script."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def drift_digest():
    """Of the script and of all its areas."""
    return digest("\0".join([areas.SCRIPT, *areas.AREAS.values()]))


def read_only(command):
    """Whether a command is on the closed list."""
    if not isinstance(command, Script):
        return tuple(command) in COMMANDS
    if command.text == areas.SCRIPT:
        ours = [str(areas.AREA_S), *(word for area in areas.AREAS.items() for word in area)]
        return list(command.arguments[1:]) == ours and drift_digest() == DRIFT
    if digest(command.text) in REVIEWED:
        return True
    lines = [line.strip() for line in command.text.removeprefix(_PRELUDE).splitlines()]
    return all(line in LINES for line in lines if line)


class Stream:
    """Answers each question for the time."""

    def send(self, data, deadline):
        return True

    def lines(self, deadline):
        yield f"{time.time():.9f}"

    def outcome(self):
        return None

    def close(self):
        """Nothing to close."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        """Nothing to close."""


class Recording:
    """A channel to a node with Pacemaker, which answers what a healthy one does and writes down everything."""

    def __init__(self, node, says):
        self.node, self.url = node, f"test://{node}"
        self.says = says
        self.sent = []

    def run(self, command, *, deadline, stdin=b"", root=True):
        self.sent.append(command)
        if stdin:
            self.sent.append(["input", stdin])
        if isinstance(command, Script) and digest(command.text) in REVIEWED:
            return Done(0)
        if isinstance(command, Script) and command.text in {areas.SCRIPT, room._ASK}:
            return Done(0, b"end\t\t\n")
        if isinstance(command, Script):
            return recorded.printed(command, self.says)
        return Done(0, {"id": b"0", "cat": b"boot-1", "uname": b"6.1.0"}.get(argv(command)[0], b""))

    def stream(self, command, *, deadline, root=True):
        self.sent.append(command)
        return Stream()

    def put(self, data, path, *, deadline, mode=0o600, root=True):
        self.sent.append(["put", path])
        return Done(0)

    def get(self, path, *, deadline, root=True):
        self.sent.append(["get", path])
        return Done(1)

    def close(self):
        """Nothing to close."""


def channels():
    """A healthy cluster of two nodes, the group on web1."""
    return {node: Recording(node, says) for node, says in recorded.healthy().items()}


def sent(made):
    """All that was sent, over whichever channel."""
    return [command for channel in made.values() for command in channel.sent]
