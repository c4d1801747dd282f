# SPDX-License-Identifier: MIT
"""The ``faults`` of a test: which fault is struck where, what cannot be done, and what a cluster can do by its inventory."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults import process
from pytest_harehearse.managers.capabilities import ManagesUnits
from pytest_harehearse.rehearsal.abilities import FENCING, capabilities
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.faults import Faults
from pytest_harehearse.rehearsal.scene import scene_of
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.remote.base import Done, Script
from pytest_harehearse.safety.journal import Journal


class Lab:
    """Gives everything of its nodes; keeps what it was asked for."""

    def __init__(self):
        self.power, self.alive, self.serving = "on", [11], [21]
        self.calls = []

    def power_state(self, node):
        return self.power

    def _set(self, what, node, power):
        self.calls.append((what, node))
        self.power = power

    def power_off(self, node, deadline=30.0):
        self._set("off", node, "off")

    def power_on(self, node, deadline=30.0):
        self._set("on", node, "on")

    def freeze(self, node, deadline=30.0):
        self._set("freeze", node, "frozen")

    def thaw(self, node, deadline=30.0):
        self._set("thaw", node, "on")

    def kill_stack(self, cluster, node):
        self.calls.append(("kill_stack", cluster, node))
        killed, self.alive = self.alive, []
        return killed

    def stack_processes(self, cluster, node):
        return self.alive

    def start_stack(self, cluster, node):
        self.calls.append(("start_stack", cluster, node))
        self.alive = [12]

    def service_processes(self, cluster, node):
        return self.serving

    def kill_service(self, cluster, node):
        self.calls.append(("kill_service", cluster, node))
        killed, self.serving = self.serving, [22]
        return killed


class Host:
    """A channel to a host with one unit, which has another process after a kill."""

    url, node = "ssh://n2", "n2"

    def __init__(self):
        self.pid, self.units = 4711, []

    def run(self, command, *, deadline, stdin=b"", root=True):
        if isinstance(command, Script):
            self.units.append(command.arguments[0])
            return Done(0, f"{self.pid}\n".encode())
        self.pid += 1
        return Done(0)


class Units:
    """A manager of systemd units."""

    name = "pacemaker"

    def __init__(self, *names):
        self._names = names

    def state(self, deadline=3.0):
        raise AssertionError

    roles = state

    def units(self):
        return self._names


@pytest.fixture
def make(described, manager, recorder, tmp_path, monkeypatch):
    """``make(manager=…, lab=…, channels=…)`` gives the faults of lab/web."""
    monkeypatch.setattr(process, "DEATH_S", 0.05)

    def faults(*, by=manager, lab=None, channels=None):
        cluster = Cluster(described, by, channels)
        striker = Striker(cluster.id, "run-1", Journal(tmp_path), recorder)
        cluster.attend(recorder, striker)
        return Faults(scene_of(cluster, lab), striker)

    return faults


def names(events):
    return [f"{event.name} {event.target}" for event in events if type(event).__name__ == "ActionStarted"]


@pytest.mark.parametrize(
    ("fault", "calls"),
    [
        ("stack_kill", [("kill_stack", "web", "n2"), ("start_stack", "web", "n2")]),
        ("node_power_off", [("off", "n2"), ("on", "n2")]),
        ("node_freeze", [("freeze", "n2"), ("thaw", "n2"), ("on", "n2")]),
        ("service_kill", [("kill_service", "web", "n2")]),
    ],
)
def test_each_fault_is_struck_and_undone(make, events, fault, calls):
    """On the lab, on the node that was named, while the block runs."""
    lab = Lab()
    with getattr(make(lab=lab), fault)("n2"):
        assert lab.calls == calls[:1]
        assert names(events) == [f"fault {fault} n2"]
    assert lab.calls == calls
    assert names(events) == [f"fault {fault} n2", f"undo {fault} n2"]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("stack_kill", "this environment gives no control over the processes of its nodes"),
        ("node_power_off", "this environment gives no control over the power of its nodes"),
        ("node_freeze", "this environment gives no control over the power of its nodes"),
        ("service_kill", 'this environment gives no control over what serves users; name a systemd unit: unit="…"'),
    ],
)
def test_where_it_cannot_be_done(make, events, tmp_path, fault, text):
    """The reason; nothing is touched."""
    with pytest.raises(Unsupported) as caught, getattr(make(lab=object()), fault)("n2"):
        raise AssertionError
    assert str(caught.value) == f"lab/web cannot do {fault}, so nothing was touched: {text}."
    assert events == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", ["stack_kill", "node_power_off", "node_freeze", "service_kill"])
def test_an_unknown_node(make, events, fault):
    """Is named with those there are."""
    with (
        pytest.raises(Unsupported, match=r"^lab/web has no node 'n9'; its nodes are n1, n2\.$"),
        getattr(make(lab=Lab()), fault)("n9"),
    ):
        raise AssertionError
    assert events == []


def test_the_unit_that_the_cluster_manages(make, events):
    """Needs not be named when there is one."""
    manager, host = Units("nginx"), Host()
    assert isinstance(manager, ManagesUnits)
    with make(by=manager, channels={"n2": host}).service_kill("n2"):
        pass
    assert set(host.units) == {"nginx"}
    assert host.pid == 4712
    assert names(events) == ["fault service_kill n2", "undo service_kill n2"]


@pytest.mark.parametrize("units", [(), ("nginx",), ("nginx", "php-fpm")])
def test_a_unit_by_its_name(make, units):
    """Counts, whatever the manager manages."""
    host = Host()
    with make(by=Units(*units), channels={"n2": host}).service_kill("n2", unit="haproxy"):
        pass
    assert set(host.units) == {"haproxy"}


@pytest.mark.parametrize(
    ("units", "text"),
    [
        ((), 'lab/web manages no systemd unit: name what is to be killed, as in unit="nginx".'),
        (
            ("nginx", "php-fpm"),
            'lab/web manages nginx, php-fpm: name what is to be killed, as in unit="nginx".',
        ),
    ],
)
def test_no_unit_or_several(make, events, units, text):
    """Has to be named."""
    host = Host()
    with pytest.raises(Unsupported) as caught, make(by=Units(*units), channels={"n2": host}).service_kill("n2"):
        raise AssertionError
    assert str(caught.value) == text
    assert (host.units, events) == ([], [])


def test_a_unit_where_nodes_are_no_hosts(make):
    """Cannot be killed."""
    with (
        pytest.raises(Unsupported, match="n2 is no host that commands can be run on"),
        make(lab=Lab()).service_kill("n2", unit="nginx"),
    ):
        raise AssertionError


@pytest.mark.parametrize(
    ("manager", "provider", "can"),
    [
        ("patroni", "embedded", {"switchover", "service_kill", "stack_kill", "node_freeze", "dcs_loss"}),
        ("sentinel", "embedded", {"switchover", "stack_kill", "node_freeze", "dcs_loss"}),
        (
            "pacemaker",
            "lxd",
            {"switchover", "drain", "maintenance", "fence", "reboot", "service_kill", "node_power_off", "node_freeze"},
        ),
        ("pacemaker", "hosts", {"switchover", "drain", "maintenance", "fence", "reboot", "service_kill"}),
        ("pacemaker", None, {"switchover", "drain", "maintenance", "fence", "reboot", "service_kill"}),
        ("galera", "vagrant", {"reboot", "net_partition"}),
    ],
)
def test_what_a_cluster_can_do(described, manager, provider, can):
    """By the inventory alone; each name once."""
    found = capabilities(dataclasses.replace(described, manager=manager, provider=provider))
    assert can <= set(found)
    assert len(found) == len(set(found))
    power = {"node_power_off", "node_freeze"}
    assert set(found) & power == can & power


def test_who_fences():
    """Pacemaker does; database managers do not."""
    assert "pacemaker" in FENCING
    assert not FENCING & {"patroni", "sentinel"}
