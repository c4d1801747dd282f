# SPDX-License-Identifier: MIT
"""Two hosts that are network namespaces of this machine, joined by a cable of their own: nothing else is reached."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from pytest_harehearse.remote.base import Done, Unknown, argv

#: Addresses from the range for documentation.
ADDRESSES = {"a": "192.0.2.1", "b": "192.0.2.2"}


def limitation():
    """Why none can be made here; None when they can."""
    for tool in ("unshare", "nsenter", "nft", "ip", "bash"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed here"
    if os.geteuid() != 0:
        return "a network namespace with a /run of its own needs root"
    tried = subprocess.run(["unshare", "-nm", "nft", "list", "tables"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"no namespace can be made here: {tried.stderr.strip()}"


class Host:
    """One of them; a channel."""

    def __init__(self, node):
        self.node, self.url = node, f"ssh://{node}.invalid"
        # A /run of its own, so that no undo of a test ever lies in this machine's.
        inner = "mount -t tmpfs tmpfs /run && echo ready && exec sleep 600"
        self._holder = subprocess.Popen(
            ["unshare", "-nm", "sh", "-c", inner], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        )
        assert self._holder.stdout.readline() == "ready\n"
        self.pid = self._holder.pid
        self.commands = []

    def run(self, command, *, deadline, stdin=b"", root=True):
        """Run in the namespace."""
        self.commands.append(command)
        words = ["nsenter", "-t", str(self.pid), "-n", "-m", *argv(command)]
        try:
            done = subprocess.run(words, input=stdin, capture_output=True, timeout=deadline, check=False)
        except subprocess.TimeoutExpired:
            return Unknown("no answer in time", deadline)
        return Done(done.returncode, done.stdout, done.stderr)

    def sh(self, text):
        """Run a line of shell, and return what it printed."""
        done = self.run(["sh", "-c", text], deadline=30)
        assert done.rc == 0, (text, done.err)
        return done.out

    def end(self):
        """End what runs there and the namespace with it."""
        inside = f"/proc/{self.pid}/ns/net"
        here = Path(inside).stat().st_ino
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.pid:
                with contextlib.suppress(OSError):
                    if (entry / "ns" / "net").stat().st_ino == here:
                        os.kill(int(entry.name), signal.SIGKILL)
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()


class Pair:
    """Both, joined by eth0."""

    def __init__(self):
        self.a, self.b = Host("a"), Host("b")
        self.channels = {"a": self.a, "b": self.b}
        try:
            self.a.sh(f"ip link add eth0 type veth peer name eth0 netns {self.b.pid}")
            for name, host in self.channels.items():
                host.sh(f"ip link set lo up; ip address add {ADDRESSES[name]}/24 dev eth0; ip link set eth0 up")
                host.sh(f"ip -6 address add 2001:db8::{1 if name == 'a' else 2}/64 dev eth0 nodad")
            self.until(lambda: self.hears("a", "b"))
        except BaseException:
            self.end()
            raise

    def hears(self, one, other):
        """Whether an answer comes back: that nothing listens there."""
        tried = f"timeout 1 bash -c ': < /dev/tcp/{ADDRESSES[other]}/9'"
        return b"refused" in self.channels[one].run(["sh", "-c", tried], deadline=10).stderr

    def flood(self, to, within=3.0):
        """Send datagrams of 1400 bytes to one of them for a while, from the other; return the sender."""
        other = self.channels["b" if to == "a" else "a"]
        text = (
            f"import socket,time\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\nend=time.monotonic()+{within}\n"
            f"while time.monotonic()<end:\n for i in range(20): s.sendto(bytes(1400),({ADDRESSES[to]!r},9))\n"
            " time.sleep(0.005)\n"
        )
        return subprocess.Popen(["nsenter", "-t", str(other.pid), "-n", sys.executable, "-c", text])

    def until(self, condition, within=15):
        """Wait for something."""
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def end(self):
        """End both."""
        self.a.end()
        self.b.end()
