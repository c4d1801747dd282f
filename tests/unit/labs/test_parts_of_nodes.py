# SPDX-License-Identifier: MIT
"""What belongs to which part of an embedded node, and what of a node does not run: by places, never by who is alive."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_harehearse.inventory.model import Cluster, Node
from pytest_harehearse.labs.embedded import hanging
from pytest_harehearse.labs.embedded.hanging import Hanging
from pytest_harehearse.labs.embedded.patroni import stack as patroni_stack
from pytest_harehearse.labs.embedded.patroni.stack import PatroniStack
from pytest_harehearse.labs.embedded.sentinel import stack as sentinel_stack
from pytest_harehearse.labs.embedded.sentinel.stack import SentinelStack
from pytest_harehearse.labs.home import LabState, NodePlace, Owner
from pytest_harehearse.labs.processes import Found

HOME = Path("/lab")
VALKEY = "/wheels/valkey-server"


def cluster(name, manager, *nodes):
    return Cluster("demo", name, "lab", manager, tuple(map(Node, nodes)), provider="embedded")


#: Not in the order of the alphabet, as an inventory may have them.
ORDERS = cluster("orders", "patroni", "n3", "n1", "n2", "n4")
CARTS = cluster("carts", "sentinel", "c2", "c1", "c3", "c4")
PAIR = cluster("pair", "sentinel", "p2", "p1")


class Machine:
    """The processes that there are."""

    def __init__(self, monkeypatch):
        self.found = []
        for module in (hanging, patroni_stack, sentinel_stack):
            monkeypatch.setattr(
                module.processes, "below", lambda folder: [p for p in self.found if p.cwd.is_relative_to(folder)]
            )

    def run(self, folder, command):
        self.found.append(Found(len(self.found) + 1, HOME / folder, command))
        return len(self.found)

    def end(self, *pids):
        self.found = [process for process in self.found if process.pid not in pids]


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


def pids(stack, of, node, part):
    return [process.pid for process in Hanging(HOME, stack, of).processes(node, part)]


def patroni(machine):
    for index in range(3):
        machine.run(f"etcd{index}", f"etcd --name e{index}")
    return {
        node: [
            machine.run(f"orders/{node}", f"python -m patroni /lab/orders/{node}/patroni.yml"),
            machine.run(f"orders/{node}/data", "postgres -D data"),
            machine.run(f"orders/{node}/data", "postgres: orders: checkpointer"),
        ]
        for node in ("n3", "n1")
    }


def valkey(machine, of, *nodes):
    return {
        node: [machine.run(f"{of}/{node}", f"{VALKEY} 127.0.0.1:6379"),
               machine.run(f"{of}/{node}", f"{VALKEY} 127.0.0.1:26379 [sentinel]")]
        for node in nodes
    }  # fmt: skip


def test_the_parts_of_a_patroni_node(machine):
    """PostgreSQL serves, also what is left of it when its first process is gone; Patroni manages; both are the node."""
    found, stack = patroni(machine), PatroniStack(HOME, (ORDERS,))
    manager, first, child = found["n3"]
    assert pids(stack, ORDERS, "n3", "server") == [first, child]
    assert pids(stack, ORDERS, "n3", "manager") == [manager]
    assert pids(stack, ORDERS, "n3", "node") == [manager, first, child]
    machine.end(first)
    assert pids(stack, ORDERS, "n3", "server") == [child]


def test_the_parts_of_a_valkey_node(machine):
    """The server serves, the sentinel manages, as it calls itself and as it was started."""
    found, stack = valkey(machine, "carts", "c1"), SentinelStack(HOME, (CARTS,))
    server, sentinel = found["c1"]
    started = machine.run("carts/c1", f"{VALKEY} /lab/carts/c1/sentinel.conf --sentinel")
    assert pids(stack, CARTS, "c1", "server") == [server]
    assert pids(stack, CARTS, "c1", "manager") == [sentinel, started]


def test_the_members_of_etcd(machine):
    """Beside the first three nodes as the inventory has them, whoever of them is alive."""
    stack = PatroniStack(HOME, (ORDERS,))
    patroni(machine)
    assert [pids(stack, ORDERS, node, "dcs") for node in ("n3", "n1", "n2", "n4")] == [[1], [2], [3], []]
    assert pids(stack, ORDERS, "n2", "dcs-majority") == [1, 2]
    machine.end(1)
    assert [pids(stack, ORDERS, node, "dcs") for node in ("n3", "n1", "n2")] == [[], [2], [3]]
    assert pids(stack, ORDERS, "n2", "dcs-majority") == [2]


def test_the_sentinels(machine):
    """Beside the first three nodes as the inventory has them; of two nodes the witness is the third, beside none."""
    stack = SentinelStack(HOME, (CARTS, PAIR))
    carts, pair = valkey(machine, "carts", "c1", "c2", "c3"), valkey(machine, "pair", "p1", "p2")
    machine.run("pair/+witness", f"{VALKEY} 127.0.0.9:26379 [sentinel]")
    for node in ("c1", "c2", "c3"):
        assert pids(stack, CARTS, node, "dcs") == [carts[node][1]]
    for node in ("p1", "p2"):
        assert pids(stack, PAIR, node, "dcs") == [pair[node][1]]
    assert pids(stack, CARTS, "c4", "dcs") == []
    assert pids(stack, CARTS, "c3", "dcs-majority") == [carts["c2"][1], carts["c1"][1]]
    assert pids(stack, PAIR, "p1", "dcs-majority") == [pair["p2"][1], pair["p1"][1]]


def test_a_node_without_a_member_beside_it(machine):
    """Is named before anything is touched; everything else there is."""
    for stack, of, last in (
        (PatroniStack(HOME, (ORDERS,)), ORDERS, "n4"),
        (SentinelStack(HOME, (CARTS,)), CARTS, "c4"),
    ):
        parts = Hanging(HOME, stack, of)
        assert parts.limitation(last, "dcs") == (f"there is no member beside {last}, only beside the first 3 nodes")
        assert [parts.limitation(last, part) for part in ("dcs-majority", "server", "node")] == [None] * 3
        assert parts.limitation(of.nodes[2].name, "dcs") is None


def state_of(of):
    places = {node.name: NodePlace(f"127.0.0.{number}") for number, node in enumerate(of.nodes, 1)}
    held = tuple(place.address for place in list(places.values())[:3])
    return LabState("demo", "/x", "", Owner(1, 1), True, "up", {of.name: places}, {}, sentinels={of.name: held})


def test_what_a_killed_kill_or_start_leaves_of_a_valkey_node(machine):
    """Server and sentinel are looked for apart; what the server forked to write a file is no server."""
    stack, state = SentinelStack(HOME, (CARTS,)), state_of(CARTS)
    assert stack.absent(state, "carts", "c1") == ("Valkey", "its sentinel")
    assert stack.absent(state, "carts", "c4") == ("Valkey",)
    ((server, sentinel),) = valkey(machine, "carts", "c1").values()
    assert stack.absent(state, "carts", "c1") == ()
    machine.end(server)
    machine.run("carts/c1", "valkey-aof-rewrite 127.0.0.1:6379")
    assert stack.absent(state, "carts", "c1") == ("Valkey",)
    machine.end(sentinel)
    machine.run("carts/c1", f"{VALKEY} /lab/carts/c1/valkey.conf")
    assert stack.absent(state, "carts", "c1") == ("its sentinel",)


def test_what_a_killed_kill_leaves_of_a_patroni_node(machine):
    """A PostgreSQL without its Patroni is no node; a Patroni without PostgreSQL is, for it starts one."""
    stack, state = PatroniStack(HOME, (ORDERS,)), state_of(ORDERS)
    assert stack.absent(state, "orders", "n3") == ("Patroni",)
    manager, first, child = patroni(machine)["n3"]
    assert stack.absent(state, "orders", "n3") == ()
    machine.end(manager)
    machine.run("orders/n3", "pg_basebackup -D data")
    assert stack.absent(state, "orders", "n3") == ("Patroni",)
    machine.end(first, child)
    machine.run("orders/n3", "python -m patroni /lab/orders/n3/patroni.yml")
    assert stack.absent(state, "orders", "n3") == ()


def test_only_what_is_missing_is_started(monkeypatch, machine):
    """A second server would come up beside the one that runs, and a second sentinel too."""
    stack, state, did = SentinelStack(HOME, (CARTS,)), state_of(CARTS), []
    monkeypatch.setattr(stack, "_start_sentinel", lambda *given: did.append("sentinel"))
    monkeypatch.setattr(stack, "_decided", lambda *given: did.append("decided"))
    ((_, sentinel),) = valkey(machine, "carts", "c1").values()
    stack.start_node(state, "carts", "c1")
    assert did == []
    machine.end(sentinel)
    stack.start_node(state, "carts", "c1")
    assert did == ["sentinel"]


def test_a_patroni_that_runs_is_not_started_again(monkeypatch, machine):
    """Its settings are not written anew either."""
    stack = PatroniStack(HOME, (ORDERS,))
    monkeypatch.setattr(stack, "_privilege", lambda: pytest.fail("something was started"))
    patroni(machine)
    stack.start_node(state_of(ORDERS), "orders", "n3")
