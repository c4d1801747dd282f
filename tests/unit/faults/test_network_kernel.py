# SPDX-License-Identifier: MIT
"""Faults of the network between two namespaces of this machine: what its kernel really does, and what stays."""

from __future__ import annotations

import contextlib
import dataclasses
import os

import pytest

from pytest_harehearse.faults import dead_man, netem, nft
from pytest_harehearse.faults.base import Expected, Scene
from pytest_harehearse.faults.degrade import wanted
from pytest_harehearse.faults.network import (
    fence_fail,
    net_degrade,
    net_isolate_from_clients,
    net_nic_down,
    net_partition,
)
from pytest_harehearse.inventory.model import Cluster, Node
from unit.faults import netns

pytestmark = pytest.mark.skipif(netns.limitation() is not None, reason=str(netns.limitation()))

ABOUT = dead_man.about(run="r", cluster="lab/pair", fault="f", target="a", strike="s", undo="u")
CLUSTER = Cluster("lab", "pair", "lab", "pacemaker", (Node("a"), Node("b")))
VIP = "192.0.2.100"
USER = "192.0.2.77"


class Owner:
    """A manager whose service has an address of its own."""

    def addresses(self):
        return (VIP,)


@pytest.fixture
def pair():
    """Two hosts, ended after the test whatever became of it."""
    made = netns.Pair()
    yield made
    made.end()


@pytest.fixture
def scene(pair):
    return Scene(CLUSTER, Owner(), pair.channels, dead_man=30.0)


@contextlib.contextmanager
def struck(fault):
    """As a rehearsal strikes, twice; and nothing stays of it."""
    assert fault.limitation() is None
    fault.arm(ABOUT)
    try:
        fault.strike()
        # Scripts may be run twice.
        fault.strike()
        yield fault
    finally:
        fault.undo()
        assert fault.undone() is None
        fault.undo()
        fault.disarm()
    assert fault.ended_early is None


def clean(pair):
    """No table and no folder stays."""
    for host in (pair.a, pair.b):
        assert host.sh("nft list tables") == ""
        pair.until(lambda host=host: host.sh("ls -A /run/harehearse 2> /dev/null || true") == "")


@pytest.mark.parametrize("direction", ["both", "in", "out"])
def test_a_partition(pair, scene, direction):
    """Neither hears an answer of the other while it lasts; what somebody else's table does goes on."""
    pair.a.sh("nft add table inet theirs")
    with struck(net_partition(scene, "a", direction=direction)) as fault:
        assert not pair.hears("a", "b")
        assert not pair.hears("b", "a")
        assert fault.effect() is None
        hooks = {"both": ["input", "output"], "in": ["input"], "out": ["output"]}[direction]
        table = pair.a.sh(f"nft list table inet harehearse_{fault.id}")
        assert [hook for hook in ("input", "output") if f"chain {hook}" in table] == hooks
        assert "2001:db8::2" in table
    assert pair.hears("a", "b")
    assert pair.a.sh("nft list tables") == "table inet theirs"


def test_what_users_reach_is_kept(pair, scene):
    """The address that moves with the service is not cut off, wherever it is."""
    pair.b.sh(f"ip address add {VIP}/32 dev eth0")
    with struck(net_partition(scene, "a")) as fault:
        assert VIP not in pair.a.sh(f"nft list table inet harehearse_{fault.id}")


def test_an_effect_that_nobody_felt(pair, scene, monkeypatch):
    """Without a packet nothing is proved; without the table even less."""
    monkeypatch.setattr(nft, "addresses", lambda channel: ("198.51.100.1",))
    with struck(net_partition(scene, "a")) as fault:
        assert fault.effect() == "no packet was dropped in 5 s"
        pair.a.sh(f"nft delete table inet harehearse_{fault.id}")
        assert fault.effect() == "its table is not there"


def test_an_undo_that_did_nothing_is_seen(pair, scene):
    """What is still there is told."""
    with struck(net_partition(scene, "a")) as fault:
        assert fault.undone() == "its table is still there"


def reaches(pair, source, port=9):
    """Whether an answer to who connects from this address comes back."""
    text = f"import socket;s=socket.socket();s.settimeout(1);s.bind(('{source}',0));s.connect(('{VIP}',{port}))"
    return b"ConnectionRefusedError" in pair.b.run(["python3", "-c", text], deadline=10).stderr


def test_users_are_cut_off_and_nodes_are_not(pair, scene, monkeypatch):
    """From an address that is no node's nothing arrives; a node's own packets do."""
    pair.a.sh(f"ip address add {VIP}/24 dev eth0")
    pair.b.sh(f"ip address add {USER}/24 dev eth0")
    real = nft.addresses
    monkeypatch.setattr(nft, "addresses", lambda channel: tuple(one for one in real(channel) if one != USER))
    assert reaches(pair, USER)
    with struck(net_isolate_from_clients(scene, "a")) as fault:
        assert fault.expected is Expected.STAYS_DOWN
        assert not reaches(pair, USER)
        assert reaches(pair, netns.ADDRESSES["b"])
        assert pair.hears("b", "a")
        assert fault.effect() is None
    assert reaches(pair, USER)
    clean(pair)


def test_the_fence_device_is_not_reached(pair, scene):
    """From any node, on its port only; the effect is proved by what the node itself sends there."""
    with struck(fence_fail(scene, address=netns.ADDRESSES["b"], port=623, node="a")) as fault:
        assert fault.effect() is None
        assert pair.hears("a", "b")
        table = pair.a.sh(f"nft list table inet harehearse_{fault.id}")
        assert "dport 623" in table
        assert "sport 623" in table
    with struck(fence_fail(scene, address="192.0.2.66", port=623)) as fault:
        assert fault.target == "a, b"
        assert fault.effect() is None
    clean(pair)


def test_packets_are_lost_by_lot_and_beyond_a_rate(pair, scene):
    """Both rules drop some of what arrives, and let some through."""
    fault = net_degrade(scene, "a", loss="20%", rate="1mbit", peers=["b"])
    if "netem" in str(net_degrade(scene, "a", delay="10ms").limitation()):
        with struck(fault):
            sender = pair.flood("a")
            try:
                assert fault.effect() is None
            finally:
                sender.wait(30)
            assert pair.a.sh(f"nft list table inet harehearse_{fault.id} | grep -c jump") == "2"
    clean(pair)
    assert "hh" not in pair.a.sh("ip -o link | cut -d' ' -f2")


def test_a_rule_that_dropped_nothing_is_told(pair, scene):
    """By its own words."""
    fault = net_degrade(scene, "a", rate="900mbit")
    with struck(fault):
        assert fault.effect().startswith("in 6 s no packet was dropped by: limit rate over ")


def test_an_interface_comes_back_with_what_it_had(pair, scene):
    """Addresses and routes of both families; what the cluster gives is not given back."""
    pair.a.url = f"ssh://root@{netns.ADDRESSES['a']}:22"
    pair.a.sh(
        "ip link add eth1 type veth peer name eth2; ip link set eth1 up; ip link set eth2 up;"
        "ip address add 198.51.100.1/24 dev eth1; ip -6 address add 2001:db8:1::1/64 dev eth1 nodad;"
        "ip route add 203.0.113.0/24 via 198.51.100.9 dev eth1 metric 77;"
        "ip -6 route add 2001:db8:9::/48 via 2001:db8:1::9 dev eth1"
    )

    def seen():
        return pair.a.sh("ip -4 route; ip -6 route | grep -v fe80; ip -o address | grep -v fe80 | sed 's/^[0-9]*: //'")

    pair.until(lambda: "linkdown" not in seen())
    before = seen()
    with struck(net_nic_down(scene, "a", interface="eth1")) as fault:
        assert fault.effect() is None
        assert "203.0.113.0" not in seen()
        assert "2001:db8:1::1" not in seen()
        assert fault.undone() == "eth1 is still down"
    pair.until(lambda: seen() == before)
    with struck(net_nic_down(scene, "a", interface="eth1")) as fault:
        pair.a.sh("ip link set eth1 up")
        assert fault.effect() == "eth1 is still up"
        assert "eth1 still lacks: ip address show to 2001:db8:1::1 dev eth1" in fault.undone()
    clean(pair)


def test_the_cluster_s_address_is_not_given_back(pair):
    """An IPv6 address that moves with the service may be elsewhere by then."""

    class Moves:
        def addresses(self):
            return ("2001:db8:1::5",)

    scene = Scene(CLUSTER, Moves(), pair.channels)
    pair.a.url = "lxd://a"
    pair.a.sh(
        "ip link add eth1 type veth peer name eth2; ip link set eth1 up; ip link set eth2 up;"
        "ip -6 address add 2001:db8:1::5/64 dev eth1 nodad; ip -6 address add 2001:db8:1::1/64 dev eth1 nodad"
    )
    with struck(net_nic_down(scene, "a", interface="eth1")):
        pass
    assert "2001:db8:1::1" in (told := pair.a.sh("ip -6 address show dev eth1"))
    assert "2001:db8:1::5" not in told


def test_the_interface_by_which_it_is_reached(pair, scene):
    """Is named, and needs to be agreed to; then its own timer brings it back, and the end of the block waits for that."""
    pair.a.url = f"ssh://root@{netns.ADDRESSES['a']}:22"
    assert net_nic_down(scene, "a").limitation() == (
        "eth0 is how the runner reaches a, so nobody could undo it but the node's own timer. If that is what you want, say "
        "cut_me_off=True: it then lasts as long as dead_man says"
    )
    pair.a.url = "ssh://somewhere.invalid"
    assert net_nic_down(scene, "a").limitation().startswith("eth0 may be how the runner reaches a, so nobody could")


def test_an_interface_that_is_not_there(pair, scene):
    """Is told with those that are; one that is down cannot be taken down."""
    assert net_nic_down(scene, "a", interface="eth7").limitation() == "a has no interface 'eth7'; it has eth0"
    pair.a.sh("ip link add eth1 type veth peer name eth2")
    assert net_nic_down(scene, "a", interface="eth1").limitation() == "the interface eth1 of a is down already"


def test_without_us_the_node_undoes_it(pair, scene):
    """Its timer removes the table, and then itself."""
    fault = net_partition(dataclasses.replace(scene, dead_man=2.0), "a")
    assert fault.limitation() is None
    fault.arm(ABOUT)
    fault._timer.stop()
    fault.strike()
    assert not pair.hears("a", "b")
    pair.until(lambda: pair.hears("a", "b"), within=30)
    clean(pair)
    fault.undo()
    assert fault.undone() is None
    fault.disarm()
    assert fault.ended_early.startswith("the timer on a undid it")


#: Stands for a kernel that has netem, and for a network that feels it: what tc is told is kept, and told again.
TC = r"""#!/bin/sh
echo "$@" >> /run/tc.said
case "$*" in
  *"qdisc add dev hh"*) exit 0 ;;
  *"-j qdisc show"*) echo '[{"kind":"noqueue","handle":"0:","root":true}]' ;;
  "qdisc add dev eth0 root handle "*) echo "qdisc $8 $7 root refcnt 2" > /run/tc.has ;;
  "qdisc add dev eth0 parent "*) echo "qdisc netem 8001: parent $6 limit 1000" >> /run/tc.has ;;
  "qdisc delete dev eth0 root"*) rm -f /run/tc.has ;;
  "-s qdisc show"*) cat /run/tc.has; echo " Sent 9 bytes 9 pkt (dropped 3, overlimits 0 requeues 0)" ;;
  "qdisc show"*) cat /run/tc.has 2> /dev/null || echo "qdisc noqueue 0: root refcnt 2" ;;
esac
"""
PING = r"""#!/bin/sh
took=0.2
[ -e /run/tc.has ] && took=$(cat /run/slow)
echo "rtt min/avg/max/mdev = $took/$took/$took/0.001 ms"
"""


@pytest.mark.parametrize(
    ("options", "slow", "unproved"),
    [
        ({"delay": "50ms", "jitter": "10ms"}, "45.1", None),
        ({"delay": "50ms"}, "0.3", "a ping to 192.0.2.2 takes 0.3 ms, and took 0.2 ms before"),
        ({"loss": "5%", "peers": ["b"]}, "0.2", None),
        ({"rate": "1mbit"}, "400.0", None),
        ({"rate": "1mbit"}, "1.0", "the last of 50 packets at once came after 1.0 ms, as it would without a limit"),
    ],
)
def test_what_tc_is_told(pair, scene, monkeypatch, options, slow, unproved):
    """Where the kernel has netem: under a handle of our own, measured, and removed by it."""
    monkeypatch.setenv("PATH", f"/run/bin:{os.environ['PATH']}")
    pair.a.sh("mkdir /run/bin")
    for name, text in (("tc", TC), ("ping", PING)):
        pair.a.run(["sh", "-c", f"cat > /run/bin/{name}; chmod +x /run/bin/{name}"], deadline=10, stdin=text.encode())
    pair.a.sh(f"echo {slow} > /run/slow")
    with struck(net_degrade(scene, "a", **options)) as fault:
        assert fault.effect() == unproved
        handle = netem.handle(fault.id)
        assert fault.undone() == "its queueing discipline is still on eth0"
    said = pair.a.sh("cat /run/tc.said").splitlines()
    told = netem.options(
        wanted(**({"delay": None, "jitter": None, "loss": None, "rate": None} | _without_peers(options)))
    )
    if "peers" in options:
        assert f"qdisc add dev eth0 root handle {handle}: prio bands 4" in said
        assert f"qdisc add dev eth0 parent {handle}:4 netem {told}" in said
        assert (
            f"filter add dev eth0 parent {handle}: protocol ip prio 1 u32 match ip dst 192.0.2.2/32 flowid {handle}:4"
            in said
        )
        assert (
            f"filter add dev eth0 parent {handle}: protocol ipv6 prio 2 u32 match ip6 dst 2001:db8::2/128 flowid {handle}:4"
            in said
        )
    else:
        assert f"qdisc add dev eth0 root handle {handle}: netem {told}" in said
    removed = [line for line in said if line.startswith("qdisc delete")]
    assert set(removed) == {f"qdisc delete dev eth0 root handle {handle}:"}


def _without_peers(options):
    return {key: value for key, value in options.items() if key != "peers"}


def test_somebody_else_s_queueing_discipline_stays(pair, scene, monkeypatch):
    """What does not carry our handle is not removed, even when it came in between."""
    monkeypatch.setenv("PATH", f"/run/bin:{os.environ['PATH']}")
    pair.a.sh("mkdir /run/bin")
    for name, text in (("tc", TC), ("ping", PING)):
        pair.a.run(["sh", "-c", f"cat > /run/bin/{name}; chmod +x /run/bin/{name}"], deadline=10, stdin=text.encode())
    pair.a.sh("echo 50 > /run/slow")
    with struck(net_degrade(scene, "a", delay="40ms")):
        pair.a.sh("echo 'qdisc htb 1: root refcnt 2' > /run/tc.has")
    assert pair.a.sh("cat /run/tc.has") == "qdisc htb 1: root refcnt 2"
