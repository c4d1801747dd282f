# SPDX-License-Identifier: MIT
"""The embedded Valkey cluster for real: healthy, switched over in both ways, killed and back, and gone without a trace."""

from __future__ import annotations

import socket
import time

import pytest
from redis import Redis
from redis.exceptions import ReadOnlyError

from pytest_harehearse.errors import Refused
from pytest_harehearse.inventory.load import load
from pytest_harehearse.labs import home as homes
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.base import StackControl, lab_of

TEXT = """
[environments.trial]
kind = "lab"
provider = "embedded"
{clusters}
"""

CLUSTER = """
[environments.trial.clusters.{name}]
manager = "{manager}"
nodes = [{nodes}]
"""


def quiet(_text):
    """Say nothing."""


def lab_in(folder, **clusters):
    """A lab of clusters: name → manager and its nodes."""
    tables = [
        CLUSTER.format(name=name, manager=manager, nodes=", ".join(f'"{node}"' for node in nodes))
        for name, (manager, *nodes) in clusters.items()
    ]
    path = folder / "harehearse.toml"
    path.write_text(TEXT.format(clusters="".join(tables)))
    inventory = load(path)
    return lab_of(inventory, inventory.environments["trial"])


def until(question, within=90.0):
    """Ask until the answer is None; say the last one otherwise."""
    deadline = time.monotonic() + within
    while (answer := question()) is not None:
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)


def lacking(lab, cluster="carts"):
    return lab.reach(cluster).manager.state().redundancy_limitation()


def server(lab, node, cluster="carts"):
    state = homes.read(lab.home)
    place = state.clusters[cluster][node]
    return Redis(
        place.address, place.ports["valkey"], password=state.secrets["valkey"], decode_responses=True, socket_timeout=30,
    )  # fmt: skip


def read(lab, node, key):
    with server(lab, node) as client:
        return client.get(key)


def ports(lab):
    """Every port of the lab that it remembers."""
    state = homes.read(lab.home)
    return [
        (place.address, port)
        for nodes in state.clusters.values()
        for place in nodes.values()
        for port in place.ports.values()
    ] + [(address, 26379) for held in state.sentinels.values() for address in held]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """One lab for the questions that do not end it."""
    made = lab_in(tmp_path_factory.mktemp("trial"), carts=("sentinel", "c1", "c2", "c3"))
    assert made.up(quiet, keep=False) is True
    places = ports(made)
    yield made
    assert made.down(quiet) is True
    assert processes.below(made.home) == []
    assert not made.home.exists()
    for host, port in places:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, port), timeout=30)


def test_it_comes_up_healthy(lab):
    """One primary, confirmed by itself; every replica in sync and known to three sentinels. And without etcd."""
    until(lambda: lacking(lab))
    state = lab.reach("carts").manager.state()
    assert state.names == ("c1", "c2", "c3")
    assert len(state.standbys) == 2
    assert state.member(state.active).confirmed_primary
    assert homes.read(lab.home).etcd == ()
    assert lab.report().processes == 6
    assert isinstance(lab, StackControl)


def test_nobody_else_is_let_in(lab):
    """Servers and sentinels ask for a password, and only their owner reads it."""
    for host, port in ports(lab):
        with socket.create_connection((host, port), timeout=30) as session:
            session.sendall(b"INFO\r\n")
            assert session.recv(100).startswith(b"-NOAUTH ")
    # A sentinel writes its settings anew for all to read, in a folder that nobody else can enter.
    for private in (*lab.home.glob("carts/*"), lab.home / "lab.json"):
        assert private.stat().st_mode & 0o077 == 0, private


def test_a_coordinated_switchover_and_back(lab):
    """The old primary steps down by itself: at no time are there two. And the first node can be asked for again."""
    until(lambda: lacking(lab))
    manager = lab.reach("carts").manager
    before = manager.state()
    target = manager.choose_target(before)
    with server(lab, before.active) as client:
        client.set("kept", "by the switchover")
    assert manager.switchover(before, target, 10).startswith("OK by the sentinel 127.")
    seen = []

    def arrived():
        seen.append(list(manager.roles().values()).count("primary"))
        return None if manager.state().active == target else "not there yet"

    until(arrived)
    until(lambda: lacking(lab))
    assert max(seen) == 1
    assert read(lab, target, "kept") == "by the switchover"
    with server(lab, before.active) as client, pytest.raises(ReadOnlyError):
        client.set("kept", "not")
    back = manager.state()
    if manager.candidates(back) == (before.active,):
        assert manager.switchover_limitation(back, before.active) is None
        manager.switchover(back, before.active, 10)
        until(lambda: None if manager.state().active == before.active else "not back yet")
        until(lambda: lacking(lab))


def test_a_classic_failover_has_two_primaries_for_a_while(lab):
    """Both are seen, nobody is active meanwhile, and what the old one took meanwhile is lost."""
    until(lambda: lacking(lab))
    manager = lab.reach("carts").manager
    before = manager.state()
    target = manager.choose_target(before)
    manager.by("classic").switchover(before, target, 10)
    rivals = []

    def two():
        state = manager.state()
        claims = [member.name for member in state.members if member.confirmed_primary]
        if len(claims) == 2:
            rivals.append((claims, state.active))
            return None
        return f"claimed by {claims}"

    until(two, within=30)
    with server(lab, before.active) as client:
        client.set("lost", "without an error")
    assert rivals == [(sorted((before.active, target)), None)]
    assert [role for role in manager.roles().values() if role == "primary"] == ["primary"] * 2
    until(lambda: lacking(lab))
    assert manager.state().active == target
    assert read(lab, target, "lost") is None


def test_a_killed_primary_comes_back_as_a_replica(lab):
    """Killed with its sentinel; started again before the others had decided, it is never a second primary."""
    until(lambda: lacking(lab))
    manager = lab.reach("carts").manager
    before = manager.state().active
    with server(lab, before) as client:
        client.set("kept", "over the kill")
        client.wait(2, 5000)
    assert len(lab.kill_stack("carts", before)) == 2
    assert lab.stack_processes("carts", before) == []
    assert manager.roles()[before] == "down"
    lab.start_stack("carts", before)
    assert len(lab.stack_processes("carts", before)) == 2
    seen = set()

    def whole():
        seen.add(manager.roles()[before])
        return lacking(lab)

    until(whole)
    assert "primary" not in seen
    after = manager.state().active
    assert after != before
    assert read(lab, after, "kept") == "over the kill"
    assert read(lab, before, "kept") == "over the kill"


def test_without_a_majority_of_the_sentinels_nobody_is_active(lab):
    """Two nodes killed: why is told, no failover is asked for, and both come back."""
    until(lambda: lacking(lab))
    manager = lab.reach("carts").manager
    standbys = manager.state().standbys
    for node in standbys:
        lab.kill_stack("carts", node)
    state = manager.state()
    assert state.active is None
    assert manager.switchover_limitation(state, None).startswith("1 of 3 sentinels answer, and a failover needs 2")
    assert not lab.report().up
    for node in standbys:
        lab.start_stack("carts", node)
    until(lambda: lacking(lab))
    assert lab.report().up


def test_a_failover_that_the_sentinels_refuse(lab):
    """One is in progress already: a clear no, in their own words."""
    until(lambda: lacking(lab))
    manager = lab.reach("carts").manager
    state = manager.state()
    manager.switchover(state, manager.choose_target(state), 10)
    with pytest.raises(Refused, match=r"refused the failover from c\d: INPROG"):
        manager.switchover(state, manager.choose_target(state), 10)
    until(lambda: lacking(lab))


def test_two_kinds_in_one_lab(tmp_path):
    """A PostgreSQL cluster and a Valkey pair with a witness, both healthy; one process killed, then all of it gone."""
    both = lab_in(tmp_path, orders=("patroni", "n1", "n2"), pair=("sentinel", "c1", "c2"))
    try:
        both.up(quiet, keep=False, within=180.0)
        until(lambda: lacking(both, "orders"))
        until(lambda: lacking(both, "pair"))
        state = homes.read(both.home)
        assert len(state.etcd) == len(state.sentinels["pair"]) == 3
        before = both.reach("pair").manager.state().active
        both.kill_stack("pair", before)
        until(lambda: None if both.reach("pair").manager.state().active not in {None, before} else "not taken over")
        assert lacking(both, "orders") is None
        both.start_stack("pair", before)
        until(lambda: lacking(both, "pair"))
    finally:
        both.down(quiet)
    assert processes.below(both.home) == []
    assert not both.home.exists()
