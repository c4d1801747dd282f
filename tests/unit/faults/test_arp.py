# SPDX-License-Identifier: MIT
"""A stale neighbour entry needs one that is there, that is a neighbour's, and that nobody else keeps."""

from __future__ import annotations

import json

import pytest

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults.arp import arp_stale
from pytest_harehearse.faults.base import Expected, Scene
from pytest_harehearse.remote.base import Done, Script, Unreachable

ADDRESS, MAC = "10.0.0.100", "02:00:00:00:00:0a"
ROUTE = [{"dst": ADDRESS, "dev": "eth0"}]


def entry(*state, **more):
    return [{"dst": ADDRESS, "lladdr": MAC, "state": list(state), **more}]


class Node:
    """Says its route, and its entries, one after the other."""

    url, node = "ssh://n1", "n1"

    def __init__(self, route=ROUTE, *entries):
        self.route, self.entries = route, list(entries)
        self.pings = 0
        self.scripts = []

    def run(self, command, *, deadline, stdin=b"", root=True):
        if isinstance(command, Script):
            self.scripts.append(command)
            return Done(0)
        if command[0] == "ping":
            assert command[-1] == ADDRESS
            self.pings += 1
            return Done(1)
        said = self.route if command[2] == "route" else self.entries.pop(0)
        return said if not isinstance(said, list) else Done(0, json.dumps(said).encode())


class Manager:
    """A cluster with these addresses."""

    def __init__(self, *addresses):
        self.found = addresses

    def addresses(self):
        return self.found


class Described:
    """A cluster of the inventory, as far as it is asked."""

    id = "lab/shop"


def fault(node, **options):
    return arp_stale(Scene(Described, Manager(ADDRESS), {"n1": node}), "n1", **options)


@pytest.mark.parametrize("state", ["REACHABLE", "STALE", "DELAY"])
def test_an_entry_that_is_there(state):
    """Is kept as it is; the scripts get what it was."""
    node = Node(ROUTE, entry(state))
    made = fault(node)
    assert made.limitation() is None
    assert node.pings == 0
    assert made._arguments == (ADDRESS, "eth0", MAC, "/run/harehearse", made.id)


@pytest.mark.parametrize("first", [[], entry("FAILED"), [{"dst": ADDRESS, "state": ["INCOMPLETE"]}]])
def test_an_entry_that_has_to_be_made(first):
    """By one ping, whatever comes of that."""
    node = Node(ROUTE, first, entry("REACHABLE"))
    assert fault(node).limitation() is None
    assert node.pings == 1


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (
            Node([{"type": "local", "dst": ADDRESS, "dev": "lo"}]),
            "n1 has 10.0.0.100 itself, and sends nothing to it over the network",
        ),
        (
            Node([{"dst": ADDRESS, "gateway": "10.1.0.1", "dev": "eth0"}]),
            "n1 is not on the network of 10.0.0.100: it sends to a gateway, and knows no MAC of it",
        ),
        (
            Node(ROUTE, [], []),
            "n1 has no neighbour entry for 10.0.0.100, and a ping made none: nobody has that address",
        ),
        (Node(ROUTE, entry("PERMANENT")), "the entry of 10.0.0.100 on n1 is permanent already, and not by us"),
        (Node(ROUTE, entry("NOARP")), "the entry of 10.0.0.100 on n1 is permanent already, and not by us"),
        (Node(Unreachable("no route")), "ip route get 10.0.0.100 failed on n1: no route"),
        (Node(Done(2, b"", b"unreachable")), "ip route get 10.0.0.100 failed on n1: unreachable"),
        (
            Node(Done(0, b"old ip")),
            "ip route get 10.0.0.100 on n1 gave no JSON: Expecting value: line 1 column 1 (char 0)",
        ),
    ],
)
def test_what_cannot_be_kept(node, text):
    """Is said before anything is touched."""
    assert fault(node).limitation() == text
    assert node.scripts == []


@pytest.mark.parametrize(
    ("manager", "text"),
    [
        (Manager(), 'lab/shop has no address that moves: name the one that is meant, as in address="10.0.0.100".'),
        (object(), 'lab/shop has no address that moves: name the one that is meant, as in address="10.0.0.100".'),
        (
            Manager("10.0.0.1", "10.0.0.2"),
            'lab/shop has the addresses 10.0.0.1, 10.0.0.2: name the one that is meant, as in address="10.0.0.100".',
        ),
    ],
)
def test_an_address_that_is_not_clear(manager, text):
    """Is asked for."""
    with pytest.raises(Unsupported) as caught:
        arp_stale(Scene(Described, manager), "n1")
    assert str(caught.value) == text
    assert arp_stale(Scene(Described, manager), "n1", address="10.0.0.2").target == "n1"


def test_its_words():
    """What a person would do by hand."""
    made = arp_stale(Scene(Described, Manager(ADDRESS)), "n1", dead_man="20s")
    assert made.strike_text == (
        "on n1, keep the neighbour entry (MAC) of 10.0.0.100 as it is (ip neigh … nud permanent)"
    )
    assert made.undo_text == f"on n1, delete that entry: sh /run/harehearse/{made.id}/undo.sh"
    assert (made.expected, made.dead_man) == (Expected.NO_EFFECT, 20.0)
    assert made.limitation() == "n1 is no host that commands can be run on"
