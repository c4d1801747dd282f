# SPDX-License-Identifier: MIT
"""Clusters on hosts that are there already: reached by their URLs, never made, never removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_harehearse.errors import ConfigError, LabError, Unsupported
from pytest_harehearse.events import CommandFinished, CommandStarted
from pytest_harehearse.inventory.model import Cluster, Environment, Inventory, Node
from pytest_harehearse.labs import base
from pytest_harehearse.labs.hosts import HostsLab, reach_hosts
from pytest_harehearse.managers.pacemaker import PacemakerManager
from pytest_harehearse.remote import open as opener
from pytest_harehearse.remote.base import Done, Unknown, Unreachable

NODES = (Node("web1", "ssh://ops@192.0.2.1"), Node("web2", "ssh://ops@192.0.2.2"))
GONE = Unreachable("nobody answers")


class Way:
    """A channel that answers as it is told."""

    def __init__(self, node, answer):
        self.node, self.url = node.name, str(node.url)
        self.answer = answer
        self.asked, self.closed = [], 0

    def run(self, command, *, deadline, stdin=b"", root=True):
        self.asked.append((list(command), deadline, root))
        return self.answer

    def close(self):
        self.closed += 1


@pytest.fixture
def ways(monkeypatch):
    """The channels that were opened, and what the nodes answer."""

    class Ways:
        def __init__(self):
            self.opened, self.answers, self.defaults = [], {}, []

        def open(self, node, defaults=None):
            self.defaults.append(defaults)
            self.opened.append(Way(node, self.answers.get(node.name, Done(0))))
            return self.opened[-1]

    made = Ways()
    monkeypatch.setattr(opener, "open_channel", made.open)
    return made


def inventory(*nodes, manager="pacemaker", provider="hosts"):
    cluster = Cluster("staging", "web", "lab", manager, nodes or NODES, provider=provider, group="web")
    environment = Environment("staging", "lab", provider, {"web": cluster})
    return Inventory(Path("/project/harehearse.toml"), {"staging": environment})


def reached(found, write=None):
    return reach_hosts(found, found.clusters["staging/web"], write)


def lab(*nodes, **more):
    found = inventory(*nodes, **more)
    return HostsLab(found, found.environments["staging"])


def test_a_cluster_is_reached(ways):
    """By a channel a node, which is closed at the end; nothing is sent before it is asked for."""
    with reached(inventory()) as found:
        assert list(found.channels) == ["web1", "web2"]
        assert [found.channels[way.node] for way in ways.opened] == ways.opened
        assert isinstance(found.manager, PacemakerManager)
        assert found.cluster.id == "staging/web"
        assert [(way.asked, way.closed) for way in ways.opened] == [([], 0)] * 2
    assert [way.closed for way in ways.opened] == [1, 1]
    # Keys and known hosts are named relative to the inventory.
    assert {defaults.folder for defaults in ways.defaults} == {Path("/project")}


def test_every_command_is_an_event(ways):
    """When somebody listens."""
    events = []
    with reached(inventory(), events.append) as found:
        assert found.channels["web1"].run(["true"], deadline=5.0) == Done(0)
    assert [type(event) for event in events] == [CommandStarted, CommandFinished]
    assert (events[0].node, events[0].what) == ("web1", "true")
    assert [way.closed for way in ways.opened] == [1, 1]


@pytest.mark.parametrize(
    ("nodes", "names", "example"),
    [
        ((Node("web1"), NODES[1]), "web1", "web1"),
        ((NODES[0], Node("web2"), Node("web3")), "web2, web3", "web2"),
    ],
)
def test_nodes_without_a_url(ways, nodes, names, example):
    """Are named, with how it is written; nothing was opened."""
    with pytest.raises(ConfigError) as caught, reached(inventory(*nodes)):
        raise AssertionError
    assert str(caught.value) == (
        f"harehearse.toml: staging/web does not say how {names} can be reached. Name a URL for each: "
        f'{{ name = "{example}", url = "ssh://root@ADDRESS" }}'
    )
    assert ways.opened == []


@pytest.mark.parametrize("manager", ["patroni", "sentinel"])
def test_a_manager_that_hosts_cannot_be_asked_for(ways, manager):
    """Says where it can."""
    with pytest.raises(Unsupported) as caught, reached(inventory(manager=manager)):
        raise AssertionError
    assert str(caught.value) == (
        f"staging/web is run by {manager}, which this version can only talk to in an embedded lab; on hosts it talks to "
        "pacemaker."
    )
    assert ways.opened == []


def test_a_url_that_cannot_be_used():
    """By the real opener: names the node, and connects to nobody."""
    with pytest.raises(ConfigError, match=r"node 'web2': telnet:// is no way to reach a node"):
        reached(inventory(NODES[0], Node("web2", "telnet://192.0.2.2"))).__enter__()


def test_what_was_opened_before_trouble_is_closed(ways, monkeypatch):
    """Also when a later node's URL is wrong."""

    def wrong(node, defaults=None):
        if node.name == "web2":
            raise ConfigError("wrong")
        return ways.open(node, defaults)

    monkeypatch.setattr(opener, "open_channel", wrong)
    with pytest.raises(ConfigError, match="wrong"):
        reached(inventory()).__enter__()
    assert [(way.node, way.closed) for way in ways.opened] == [("web1", 1)]


def test_what_it_is(ways):
    """A lab of hosts, which neither resets nor opens shells nor has a power switch."""
    found = inventory()
    made = base.lab_of(found, found.environments["staging"])
    assert isinstance(made, HostsLab)
    assert isinstance(made, base.Hosts)
    for other in (base.Resets, base.Shells, base.PowerControl, base.StackControl, base.ServiceControl):
        assert not isinstance(made, other)


@pytest.mark.parametrize("answer", [GONE, Unknown("frozen"), Done(1)])
def test_it_is_up_when_a_node_answers(ways, answer):
    """Whatever the others do: then the cluster's own state tells what it lacks."""
    ways.answers = {"web2": answer}
    assert lab().up(print, keep=False) is False
    assert [way.asked for way in ways.opened] == [[(["true"], 5.0, False)]] * 2


def test_it_is_not_up(ways):
    """Says of each node why it does not answer, and that nobody creates it."""
    ways.answers = {"web1": GONE, "web2": Unknown("frozen")}
    with pytest.raises(LabError) as caught:
        lab().up(print, keep=True)
    assert str(caught.value) == (
        "No node of staging answers, and harehearse does not create this lab: its hosts are there already "
        '(provider = "hosts"). web1: nobody answers; web2: frozen'
    )


def test_it_is_never_removed(ways):
    """What was not made here is not removed here."""
    with pytest.raises(
        LabError, match=r"^The hosts of staging were not made by harehearse, so it does not remove them\.$"
    ):
        lab().down(print)
    assert ways.opened == []


@pytest.mark.parametrize(
    ("answers", "up", "alive", "holds"),
    [
        ({}, True, 2, "web1 on, web2 on"),
        ({"web1": GONE}, True, 1, "web1 silent, web2 on"),
        ({"web1": GONE, "web2": Unknown("frozen")}, False, 0, "web1 silent, web2 silent"),
    ],
)
def test_its_report(ways, answers, up, alive, holds):
    """Who answers now; it was not made, and it stays."""
    ways.answers = answers
    report = lab().report()
    assert (report.exists, report.up, report.processes, report.holds) == (True, up, alive, holds)
    assert (report.environment, report.home, report.created_at, report.keep) == (
        "staging", "hosts that are there already", None, True,
    )  # fmt: skip


def test_a_cluster_is_opened_once(ways):
    """The same as long as the lab is used; closed with it, and opened anew after that."""
    made = lab()
    first = made.reach("web")
    assert made.reach("web") is first
    assert made.report().up
    assert len(ways.opened) == 2
    made.close()
    made.close()
    assert [way.closed for way in ways.opened] == [1, 1]
    assert made.reach("web") is not first
    assert len(ways.opened) == 4
    made.close()


def test_recording_begins_with_new_channels(ways):
    """The same listener again changes nothing."""
    made, events = lab(), []
    made.reach("web")
    made.record_to(events.append)
    assert [way.closed for way in ways.opened] == [1, 1]
    channels = made.reach("web").channels
    made.record_to(events.append)
    assert made.reach("web").channels is channels
    channels["web2"].run(["true"], deadline=5.0)
    assert [type(event) for event in events] == [CommandStarted, CommandFinished]
    assert events[0].node == "web2"
    made.close()
