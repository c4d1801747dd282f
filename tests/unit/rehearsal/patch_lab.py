# SPDX-License-Identifier: MIT
"""A cluster in memory whose nodes can be drained, patched and rebooted; what was done is kept in order."""

from __future__ import annotations

from pytest_harehearse.managers.state import UNREACHABLE, ClusterState, Member
from pytest_harehearse.rehearsal.node import BOOT_ID
from pytest_harehearse.rehearsal.patching import patches, validation
from pytest_harehearse.remote.base import Done, Script, Unreachable


class Hosts:
    """A manager with hosts below it."""

    name = "pacemaker"

    def __init__(self, names=("n1", "n2")):
        self.names = names
        self.active = names[0]
        self.drained, self.left_alone, self.off = set(), False, set()
        self.did = []
        self.boots = dict.fromkeys(names, 1)
        self.failed = {name: [] for name in names}
        self.packages = {name: {"nginx": "1.0", "libc": "2"} for name in names}
        #: node → what its patch command ends with; a reboot of a node in ``stuck`` never ends.
        self.status = {}
        self.stuck = set()
        self.unfenced = None
        #: Standbys that are not in sync, nodes on which packages are held, and nodes without a repository.
        self.behind, self.held, self.no_repository = set(), set(), set()
        #: Nodes that are fenced while they reboot: node → for how many questions it is gone then.
        self.fenced = {}
        #: Why a switchover is refused.
        self.stays = None

    # -- the manager -----------------------------------------------------------------------------------------------

    def state(self, deadline=3.0):
        return ClusterState(tuple(self._member(name) for name in self.names), maintenance=self.left_alone)

    def _member(self, name):
        if name in self.off:
            return Member(name, UNREACHABLE)
        if name == self.active:
            return Member(name, "active", "running", witness_primary=True)
        ready = name not in self.drained | self.behind
        return Member(name, "standby", "drained" if name in self.drained else "", ready=ready, witness_primary=False)

    def roles(self, deadline=1.0):
        return {}

    def drain(self, node, deadline=120.0):
        self.did.append(f"drain {node}")
        self.drained.add(node)
        if node == self.active:
            self.active = next(name for name in self.names if name not in {*self.drained, *self.off})
        return "drained"

    def undrain(self, node, deadline=120.0):
        self.did.append(f"undrain {node}")
        self.drained.discard(node)
        return "undrained"

    def maintenance(self, on, deadline=60.0):
        self.did.append(f"maintenance {'on' if on else 'off'}")
        self.left_alone = on
        return "done"

    def switchover_limitation(self, state, to):
        return self.stays

    def choose_target(self, state):
        return next(iter(state.standbys), None)

    def describe_switchover(self, leader, to):
        return f"move to {to}"

    def switchover(self, state, to, deadline):
        self.did.append(f"switchover {to}")
        self.active = to
        return "moved"

    def fencing_limitation(self, node):
        return self.unfenced

    # -- the hosts -------------------------------------------------------------------------------------------------

    @property
    def channels(self):
        return {name: Host(self, name) for name in self.names}


class Host:
    """The channel to one of them."""

    def __init__(self, hosts, node):
        self.hosts, self.node, self.url = hosts, node, f"test://{node}"

    def run(self, command, *, deadline, stdin=b"", root=True):
        if self.node in self.hosts.off:
            self._boots_on()
            return Unreachable("no route to host")
        if isinstance(command, Script):
            return self._script(command)
        if list(command) == ["cat", BOOT_ID]:
            return Done(0, f"boot-{self.hosts.boots[self.node]}\n".encode())
        if list(command) == ["systemctl", "reboot"]:
            self.hosts.did.append(f"reboot {self.node}")
            if self.node in self.hosts.stuck:
                self.hosts.off.add(self.node)
            if self.node in self.hosts.fenced:
                # The fencer shoots what was on its way up: it boots a second time.
                self.hosts.off.add(self.node)
                self.hosts.boots[self.node] += 1
            self.hosts.boots[self.node] += 1
            return Done(0)
        self.hosts.did.append(f"{command[0]} {self.node}")
        status = self.hosts.status.get(self.node, 0)
        return Done(status, b"patched\n", b"no space left on device\n" if status else b"")

    def _boots_on(self):
        if self.node in self.hosts.fenced:
            self.hosts.fenced[self.node] -= 1
            if self.hosts.fenced[self.node] <= 0:
                self.hosts.off.discard(self.node)

    def _script(self, script):
        if script.text == validation._FACTS:
            rows = [f"{name} {version} ii" for name, version in self.hosts.packages[self.node].items()]
            text = ["[boot]", f"boot-{self.hosts.boots[self.node]}", "[kernel]", "6.1", "[units]"]
            return Done(0, "\n".join([*text, *self.hosts.failed[self.node], "[packages]", *rows]).encode())
        if script.text.startswith("command -v"):
            return Done(0 if script.arguments[0] == "patch-it" else 1)
        if script.text == patches._TOOL:
            return Done(0, b"apt-get\n")
        if script.text == patches._REFRESH:
            gone = self.node in self.hosts.no_repository
            return Done(100, b"", b"E: Failed to fetch file:/srv/x/Packages\n") if gone else Done(0)
        if script.text == patches._PROBE:
            held = self.node in self.hosts.held
            return Done(1, b"", b"nginx is held there (apt-mark unhold nginx)\n") if held else Done(0)
        raise AssertionError(script.text)
