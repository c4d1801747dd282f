# SPDX-License-Identifier: MIT
"""Faults of the network, before anything is touched: what is read of a node, what cannot be done, and in which words."""

from __future__ import annotations

import json

import pytest

from pytest_harehearse.errors import HarehearseError, Indeterminate, Unsupported
from pytest_harehearse.faults import netem, nft
from pytest_harehearse.faults.base import Armed, Expected, Scene
from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.faults.compose import Together
from pytest_harehearse.faults.degrade import Wanted, by_nft, in_the_way, wanted
from pytest_harehearse.faults.fence_path import devices
from pytest_harehearse.faults.interface import had, interfaces
from pytest_harehearse.faults.isolate import reached
from pytest_harehearse.faults.network import (
    fence_fail,
    net_degrade,
    net_isolate_from_clients,
    net_nic_down,
    net_partition,
    net_ring_down,
    partition,
)
from pytest_harehearse.faults.ring import links, ports
from pytest_harehearse.inventory.model import Cluster, Node, Service
from pytest_harehearse.remote.base import Done, Script, Unreachable

CLUSTER = Cluster("lab", "web", "lab", "pacemaker", (Node("n1"), Node("n2"), Node("n3")))


class Host:
    """A host that answers by a table: the first key that is a part of the command."""

    url = "ssh://root@198.51.100.1:22"

    def __init__(self, node, **answers):
        self.node = node
        self.answers = {"address": [{"addr_info": [{"local": f"198.51.100.{node[-1]}"}]}]} | answers
        self.commands = []

    def run(self, command, *, deadline, stdin=b"", root=True):
        text = command.text if isinstance(command, Script) else " ".join(command)
        self.commands.append(text)
        for key, answer in self.answers.items():
            if key in text:
                return answer if not isinstance(answer, str | list) else Done(0, _bytes(answer))
        return Done(0)


def _bytes(answer):
    return (answer if isinstance(answer, str) else json.dumps(answer)).encode()


def hosts(**more):
    return {name: Host(name, **(more if name == "n1" else {})) for name in ("n1", "n2", "n3")}


def scene(channels=None, manager=None, **more):
    return Scene(CLUSTER, manager, hosts() if channels is None else channels, **more)


BUILT = {
    "net_partition": net_partition, "net_isolate_from_clients": net_isolate_from_clients, "net_ring_down": net_ring_down,
    "net_nic_down": net_nic_down, "fence_fail": fence_fail,
    "net_degrade": lambda scene, node: net_degrade(scene, node, loss="5%"),
}  # fmt: skip


@pytest.mark.parametrize("name", BUILT)
def test_built_for_a_plan(name):
    """Nothing is asked, all is told: strike, undo, and how long it outlives us."""
    assert CATALOGUE[name].build.startswith(CATALOGUE[name].builder.__module__.rpartition(".")[2])
    fault = BUILT[name](Scene(CLUSTER, None, planned=True), "n1")
    assert (fault.name, fault.target, fault.dead_man) == (name, "n1", 60.0)
    assert fault.strike_text.startswith("on n1, ")
    assert fault.undo_text.startswith("on n1, ")
    assert fault.undo_text.endswith("/undo.sh")
    assert fault.limitation() == "n1 is no host that commands can be run on"


@pytest.mark.parametrize("name", BUILT)
def test_built_on_hosts(name):
    """Nothing is asked either, until it is to be struck; it is not struck before its timer is armed."""
    channels = hosts()
    fault = BUILT[name](scene(channels), "n1")
    assert [host.commands for host in channels.values()] == [[], [], []]
    assert fault.expected in {Expected.FENCED, Expected.STAYS_DOWN, Expected.DEGRADED}


def test_who_is_fenced():
    """By Pacemaker; other managers let a peer take over."""
    other = Scene(Cluster("lab", "db", "lab", "patroni", CLUSTER.nodes), None)
    assert net_partition(scene(), "n1").expected is Expected.FENCED
    assert net_partition(other, "n1").expected is Expected.ON_PEER


# -- partition -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peers", "text"),
    [
        ([], "nobody has no address to be cut off from"),
        (["n1"], "n1 cannot be cut off from itself"),
        (["n9"], "n9 is no host whose addresses could be asked"),
    ],
)
def test_whom_a_partition_needs(peers, text):
    """Somebody else, with an address."""
    assert partition(hosts(), "n1", peers).limitation() == text


def test_a_direction_that_is_none():
    """Is told at once."""
    with pytest.raises(Unsupported) as caught:
        partition(hosts(), "n1", ["n2"], direction="up")
    assert str(caught.value) == 'direction=\'up\' is none; it is "both", "in" or "out".'


def test_peers_that_do_not_answer():
    """Cannot be cut off, for their addresses are not known."""
    channels = hosts()
    channels["n2"].answers["address"] = Unreachable("no route to host")
    said = net_partition(scene(channels), "n1").limitation()
    assert said == "The addresses of n2 could not be read: no route to host"


def test_without_nft():
    """The host says so."""
    channels = hosts(nft=Done(1, b"", b"nft is not installed there"))
    assert net_partition(scene(channels), "n1").limitation() == "n1: nft is not installed there"


def test_only_addresses_reach_a_rule():
    """Whatever a host says its addresses are."""
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6 address"):
        nft.by_family(["198.51.100.1", "} ; flush ruleset"])
    assert nft.by_family(["2001:db8:0::1", "198.51.100.2", "198.51.100.1"]) == {
        "ip": "198.51.100.1, 198.51.100.2", "ip6": "2001:db8::1",
    }  # fmt: skip


def test_names_that_nobody_knows():
    """Are told; addresses need nobody."""
    host = Host("n1")
    host.answers = {"getent": "db.invalid 198.51.100.9\ndb.invalid 198.51.100.9\n"}
    assert nft.resolved(host, ["db.invalid", "[2001:db8::1]"]) == {
        "[2001:db8::1]": ("2001:db8::1",), "db.invalid": ("198.51.100.9",),
    }  # fmt: skip
    with pytest.raises(Unsupported, match=r"^n1 does not know the address of other\.invalid$"):
        nft.resolved(host, ["other.invalid", "db.invalid"])


# -- users ---------------------------------------------------------------------------------------------------------


def test_what_users_reach():
    """Host and port of each service, once; several hosts in one URL; a port that goes without saying."""
    services = [
        Service("page", "http", "http://198.51.100.10/"), Service("same", "http", "http://198.51.100.10:80/x"),
        Service("db", "postgresql", "postgresql://me:se@cret@h1:5433,h2/app"), Service("odd", "tcp", "tcp://h3"),
    ]  # fmt: skip
    assert reached(services) == (("198.51.100.10", 80), ("h1", 5433), ("h2", 5432))


def test_a_service_of_a_node_s_own():
    """Without an address that moves, host and port of the services count; the cluster's nodes still reach it."""
    cluster = Cluster(
        "lab", "db", "lab", "patroni", CLUSTER.nodes, services=(Service("db", "tcp", "tcp://198.51.100.1:5432"),)
    )
    fault = net_isolate_from_clients(Scene(cluster, None, hosts()), "n1")
    assert fault.limitation() is None
    chains = fault._scripts.arguments[0]
    friends = "{ 198.51.100.1, 198.51.100.2, 198.51.100.3 }"
    assert f"ip saddr != {friends} ip daddr 198.51.100.1 tcp dport 5432 counter drop" in chains
    assert f"ip daddr != {friends} ip saddr 198.51.100.1 tcp sport 5432 counter drop" in chains
    other = net_isolate_from_clients(Scene(cluster, None, hosts()), "n2")
    assert (
        other.limitation() == "n2 has none of the addresses that users reach (198.51.100.1), so they are not there now"
    )


def test_no_user_at_all():
    """There is nothing to cut off."""
    said = net_isolate_from_clients(scene(), "n1").limitation()
    assert said == "lab/web has no service with an address that users reach"


# -- Corosync ------------------------------------------------------------------------------------------------------

MAP = """nodelist.local_node_pos (u32) = 0
nodelist.node.0.ring0_addr (str) = 198.51.100.1
nodelist.node.0.ring1_addr (str) = 203.0.113.1
nodelist.node.1.ring0_addr (str) = 198.51.100.2
nodelist.node.1.ring1_addr (str) = 203.0.113.2
totem.interface.1.mcastport (u16) = 5500
"""
SOCKETS = """== sockets
UNCONN 0 0 198.51.100.1:5405 0.0.0.0:* users:(("corosync",pid=51,fd=28))
"""


def test_the_links_of_corosync():
    """By its map."""
    by_link, here, keys = links(MAP)
    assert by_link[1] == {0: "203.0.113.1", 1: "203.0.113.2"}
    assert (here, keys["totem.interface.1.mcastport"]) == (0, "5500")
    assert ports(SOCKETS, ("198.51.100.1",)) == (5405,)
    assert ports("UNCONN 0 0 [2001:db8::1%eth0]:5406 [::]:* users", ("2001:db8::1",)) == (5406,)
    assert ports(SOCKETS, ("203.0.113.1",)) == ()


@pytest.mark.parametrize(("link", "port", "peer"), [(0, 5405, "198.51.100.2"), (1, 5500, "203.0.113.2")])
def test_one_link_of_two(link, port, peer):
    """Its own packets only: by the socket that is open, or the port that is configured. Nobody should notice."""
    fault = net_ring_down(scene(hosts(corosync=MAP + SOCKETS)), "n1", link=link)
    assert fault.limitation() is None
    assert fault.expected is Expected.NO_EFFECT
    chains = fault._scripts.arguments[0]
    assert f"ip saddr {{ {peer} }} udp dport {{ {port} }} counter drop" in chains
    assert f"ip daddr {{ {peer} }} udp sport {{ {port} }} counter drop" in chains
    assert "tcp" not in chains
    asked = net_ring_down(scene(hosts(corosync=MAP + SOCKETS)), "n1", link=link)
    asked.expected, asked.asserted = Expected.DEGRADED, True
    assert asked.limitation() is None
    assert asked.expected is Expected.DEGRADED


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (MAP, "Corosync on n1 has no link 2; it has: 0, 1"),
        (
            Done(1, b"", b"Corosync does not run there"),
            "the links of Corosync on n1 could not be read: Corosync does not run there",
        ),
        (
            MAP.replace("local_node_pos (u32) = 0", "x (u32) = 0").replace("ring1", "ring2"),
            "Corosync on n1 does not say which of the addresses of link 2 are its own",
        ),
    ],
)
def test_a_link_that_cannot_be_taken(answer, text):
    """The reason, with the links that there are."""
    assert net_ring_down(scene(hosts(corosync=answer)), "n1", link=2).limitation() == text


# -- the fence device ----------------------------------------------------------------------------------------------

CIB = b"""<resources>
  <template id="t" class="stonith" type="fence_ipmilan"/>
  <primitive id="f1" class="stonith" type="fence_harehearse"><instance_attributes id="a">
    <nvpair id="x" name="ip" value="198.51.100.66"/><nvpair id="y" name="ipport" value="8443"/>
  </instance_attributes></primitive>
  <primitive id="f2" template="t"><instance_attributes id="b"><nvpair id="z" name="ip" value="bmc2"/></instance_attributes>
  </primitive>
  <primitive id="f3" class="stonith" type="fence_odd"><instance_attributes id="c">
    <nvpair id="v" name="ipaddr" value="198.51.100.67"/></instance_attributes></primitive>
  <primitive id="f4" class="stonith" type="external/sbd"/>
  <primitive id="ip" class="ocf" type="IPaddr2"><instance_attributes id="d">
    <nvpair id="w" name="ip" value="198.51.100.10"/></instance_attributes></primitive>
</resources>"""


def test_where_the_fence_devices_are():
    """By the cluster's own configuration: templates, standard ports; an address that users reach is none."""
    assert devices(CIB) == (("198.51.100.66", 8443), ("bmc2", 623), ("198.51.100.67", None))


@pytest.mark.parametrize(
    ("cib", "options", "text"),
    [
        (Done(0, CIB), {}, "the port of the fence device 198.51.100.67 is not known; name it: port=…"),
        (
            Done(0, b"<resources/>"), {},
            'the cluster has no fence device with an address; name one: address="…", port=…',
        ),
        (
            Done(127, b"", b"cibadmin: not found"), {},
            'the fence devices could not be read on n1 (cibadmin: not found); name one: address="…", port=…',
        ),
        (
            Done(0, b"nonsense"), {},
            ("the configuration of the cluster cannot be understood: what it printed is no XML (ParseError: syntax error: "
            "line 1, column 0)"),
        ),
        (Done(0, CIB), {"address": "198.51.100.5"}, "the port of the fence device 198.51.100.5 is not known; name it: port=…"),
        (Done(0, CIB), {"address": "198.51.100.5", "port": 22}, None),
    ],
)  # fmt: skip
def test_a_fence_device_that_is_not_found(cib, options, text):
    """Has to be named."""
    assert fence_fail(scene(hosts(cibadmin=cib)), "n1", **options).limitation() == text


@pytest.mark.parametrize("port", ["623", 0, 65536, True, "1 accept; flush ruleset"])
def test_a_port_that_is_none(port):
    """Never reaches a rule."""
    with pytest.raises(Unsupported) as caught:
        fence_fail(scene(), "n1", address="198.51.100.5", port=port)
    assert str(caught.value) == f"port={port!r} is no port; it is a whole number from 1 to 65535."


# -- interfaces ----------------------------------------------------------------------------------------------------

ETH = {
    "ifname": "eth0", "flags": ["UP"],
    "addr_info": [
        {"family": "inet", "local": "198.51.100.1", "prefixlen": 24, "broadcast": "198.51.100.255", "scope": "global"},
        {"family": "inet", "local": "198.51.100.10", "prefixlen": 24, "scope": "global"},
        {"family": "inet6", "local": "2001:db8::1", "prefixlen": 64, "scope": "global"},
        {"family": "inet6", "local": "2001:db8::77", "prefixlen": 64, "scope": "global", "dynamic": True},
        {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
    ],
}  # fmt: skip
ROUTES = [
    {"dst": "default", "gateway": "198.51.100.254", "dev": "eth0", "protocol": "static", "flags": ["onlink"]},
    {"dst": "198.51.100.0/24", "dev": "eth0", "protocol": "kernel", "scope": "link", "prefsrc": "198.51.100.1"},
    {"dst": "203.0.113.0/24", "dev": "eth1", "scope": "link"},
    {"dst": "2001:db8:9::/48", "gateway": "2001:db8::9", "dev": "eth0", "metric": 1024, "pref": "medium"},
    {"dst": "203.0.113.9", "via": {"family": "inet6", "host": "fe80::9"}, "dev": "eth0"},
    {"dst": "default", "gateway": "fe80::9", "dev": "eth0", "protocol": "ra"},
    {"type": "blackhole", "dst": "192.0.2.0/24", "dev": "eth0"},
]


def test_what_an_interface_is_given_back():
    """Its own addresses and routes; not what the cluster, the kernel or a router gives."""
    found = had(ETH, ROUTES, frozenset({"198.51.100.10"}))
    assert found.restore == [
        "address replace 198.51.100.1/24 dev eth0 broadcast 198.51.100.255",
        "address replace 2001:db8::1/64 dev eth0 nodad",
        "-4 route replace default via 198.51.100.254 dev eth0 proto static onlink",
        "-6 route replace 2001:db8:9::/48 via 2001:db8::9 dev eth0 metric 1024 pref medium",
        "-4 route replace 203.0.113.9 via inet6 fe80::9 dev eth0",
    ]
    assert found.check == [
        "address show to 198.51.100.1 dev eth0", "address show to 2001:db8::1 dev eth0",
        "-4 route show exact default dev eth0", "-6 route show exact 2001:db8:9::/48 dev eth0",
        "-4 route show exact 203.0.113.9 dev eth0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (
            {"dst": "default", "nexthops": [{"dev": "eth0"}, {"dev": "eth1"}]},
            "the route to default goes several ways, one of them by eth0",
        ),
        ({"dst": "$(reboot)", "dev": "eth0"}, "what eth0 has could not be given back faithfully: "),
    ],
)
def test_what_could_not_be_given_back(route, text):
    """Is not taken away."""
    with pytest.raises(Unsupported) as caught:
        had(ETH, [route], frozenset())
    assert str(caught.value).startswith(text)


def test_which_interfaces_count():
    """Those that are up and have an address; a loopback does not."""
    lo = {"ifname": "lo", "flags": ["LOOPBACK", "UP"], "addr_info": ETH["addr_info"]}
    down = {"ifname": "eth1", "flags": [], "addr_info": ETH["addr_info"]}
    bare = {"ifname": "eth2", "flags": ["UP"], "addr_info": []}
    assert list(interfaces([lo, down, bare, ETH])) == ["eth0"]


def test_several_interfaces():
    """One has to be named."""
    two = [ETH, ETH | {"ifname": "eth1"}]
    said = net_nic_down(scene(hosts(address=two)), "n1").limitation()
    assert said == 'n1 has several interfaces, or none: eth0, eth1. Name one: interface="eth1"'


def test_an_interface_that_never_comes_back(monkeypatch):
    """Is waited for with a deadline; the message says what was seen last."""
    fault = net_nic_down(scene(), "n1", cut_me_off=True)
    fault.cuts_us_off = True

    class Timer:
        seconds, stopped = -40.0, False

        def stop(self):
            self.stopped = True

    fault._timer = Timer()
    fault.sleep = lambda duration: None
    monkeypatch.setattr(fault, "_channels", {"n1": Host("n1", true=Unreachable("no route to host"))})
    with pytest.raises(Indeterminate) as caught:
        fault.undo()
    assert str(caught.value) == (
        "n1 did not come back -10 s after its interface was taken down, though its timer should have brought it up; it was "
        "seen last: no route to host."
    )
    assert fault._timer.stopped


# -- degrade -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({}, 'say what is to become of the packets: delay="50ms", jitter="10ms", loss="5%", rate="2mbit".'),
        ({"loss": 5}, 'loss=5 is no share of packets; write a percentage, as in loss="5%".'),
        ({"loss": "101%"}, "loss='101%' is no share of packets; write a percentage, as in loss=\"5%\"."),
        ({"loss": "0.001%"}, 'loss="0.001%" is less than can be drawn; the least is "0.01%".'),
        (
            {"rate": "2"},
            "rate='2' is no rate; write a number and a unit, as in rate=\"2mbit\" (kbit, mbit, gbit; at least 8kbit).",
        ),
        ({"jitter": "1ms"}, 'jitter is how much a delay varies, so it needs one: delay="50ms", jitter="10ms".'),
        (
            {"delay": "1ms", "jitter": "2ms"},
            "jitter='2ms' is more than delay='1ms', and nothing arrives before it was sent.",
        ),
    ],
)
def test_what_cannot_become_of_packets(asked, text):
    """Is told with how it is written."""
    with pytest.raises(Unsupported) as caught:
        wanted(**({"delay": None, "jitter": None, "loss": None, "rate": None} | asked))
    assert str(caught.value) == text


def test_what_becomes_of_packets_in_words():
    """All four."""
    what = wanted("50ms", "10ms", "2.5%", "1.5mbit")
    assert what == Wanted(0.05, 0.01, 2.5, 1.5e6)
    assert str(what) == "50 ms ± 10 ms late, 2.5 % lost, 1.5 Mbit/s at most"
    assert netem.options(what) == "delay 50000us 10000us loss 2.5% rate 1500000bit"


def test_rules_of_nft():
    """By lot, then by rate; of named peers, or of everybody."""
    chains = by_nft(Wanted(loss=2.5, rate=8e6), ["198.51.100.2", "2001:db8::2"], ["198.51.100.2"]).arguments[0]
    assert (
        "numgen random mod 10000 < 250 counter drop\nlimit rate over 1000000 bytes/second burst 50000 bytes counter drop"
        in (chains)
    )
    assert "ip saddr { 198.51.100.2 } jump degraded\nip6 saddr { 2001:db8::2 } jump degraded" in chains
    assert "\njump degraded\n" in by_nft(Wanted(loss=1), [], []).arguments[0]


QDISC = [{"kind": "noqueue", "handle": "0:", "root": True}]


def degraded(qdisc, **options):
    answers = {"netem delay": "", "route get": [{"dev": "eth0"}], "qdisc": qdisc}
    return net_degrade(scene(hosts(**answers)), "n1", **options)


def test_somebody_else_s_queue():
    """Is never replaced, and named."""
    theirs = degraded([{"kind": "htb", "handle": "1:", "root": True}], delay="5ms")
    assert theirs.limitation() == (
        "eth0 of n1 has a queueing discipline of somebody else's (htb 1:), which would have to be replaced"
    )
    assert in_the_way(Host("n1", qdisc=QDISC), "eth0") is None


def test_by_netem():
    """Where the kernel has it; the arguments say all, the handle is the fault's own."""
    fault = degraded(QDISC, delay="50ms", jitter="10ms", peers=["n2"])
    assert fault.limitation() is None
    assert fault._scripts.arguments == (
        "eth0", f"7{fault.id[-3:]}", "delay 50000us 10000us", "198.51.100.2", "198.51.100.2", "40", "0", "0",
    )  # fmt: skip
    assert degraded(QDISC, loss="5%")._scripts.arguments[3] == ""


def test_without_netem():
    """A delay cannot be had, and the reason is the kernel's own; loss can, by nft."""
    without = Done(1, b"", b"Error: Specified qdisc kind is unknown.")
    late = net_degrade(scene(hosts(**{"netem delay": without})), "n1", delay="5ms")
    assert late.limitation() == (
        "the kernel of n1 has no netem (Error: Specified qdisc kind is unknown.), and nothing else delays packets"
    )
    lost = net_degrade(scene(hosts(**{"netem delay": without})), "n1", loss="5%")
    assert lost.limitation() is None
    assert "numgen" in lost._scripts.arguments[0]


@pytest.mark.parametrize("peers", [["n9"], "n1", ["n1", "n2"]])
def test_peers_that_are_none(peers):
    """Are told."""
    with pytest.raises(Unsupported, match=r"^n\d: peers= takes other nodes of lab/web$"):
        net_degrade(scene(), "n1", loss="5%", peers=peers)


# -- several as one ------------------------------------------------------------------------------------------------


class One(Armed):
    """A fault on one node that does as it is told; keeps what was asked."""

    name, strike_text, undo_text, expected = "fence_fail", "cut it", "mend it", Expected.STAYS_DOWN

    def __init__(self, target, **answers):
        self.target, self.answers, self.asked = target, answers, []

    def _do(self, what):
        self.asked.append(what)
        answer = self.answers.get(what)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def arm(self, about):
        self._do("arm")

    def disarm(self):
        self._do("disarm")

    def limitation(self):
        return self._do("limitation")

    def strike(self):
        self._do("strike")
        return "struck"

    def effect(self):
        return self._do("effect")

    def undo(self):
        self._do("undo")

    def undone(self):
        return self._do("undone")


def test_several_as_one():
    """Struck together and undone together; every answer names its node."""
    one, two = One("n1", limitation="no nft"), One("n2", effect="nothing dropped", undone="still there")
    both = Together([one, two])
    assert (both.name, both.target, both.expected, both.dead_man) == ("fence_fail", "n1, n2", Expected.STAYS_DOWN, None)
    assert both.limitation() == "no nft"
    both.arm(None)
    assert both.strike() == "struck"
    assert both.effect() == "n2: nothing dropped"
    both.undo()
    assert both.undone() == "n2: still there"
    both.disarm()
    assert one.asked == two.asked == ["limitation", "arm", "strike", "effect", "undo", "undone", "disarm"]
    assert both.ended_early is None


def test_one_that_cannot_be_armed():
    """Disarms those that were, and nothing may be struck."""
    one, two = One("n1"), One("n2", arm=HarehearseError("no timer"))
    with pytest.raises(HarehearseError, match="no timer"):
        Together([one, two]).arm(None)
    assert (one.asked, two.asked) == (["arm", "disarm"], ["arm"])


def test_one_that_cannot_be_undone():
    """Does not keep the others from it; what failed comes before what is unknown."""
    one, two, three = (
        One("n1", undo=Indeterminate("n1 is silent")),
        One("n2", undo=HarehearseError("n2 burns")),
        One("n3"),
    )
    with pytest.raises(HarehearseError, match=r"^n1 is silent; n2 burns") as caught:
        Together([one, two, three]).undo()
    assert type(caught.value) is HarehearseError
    assert three.asked == ["undo"]
    with pytest.raises(Indeterminate):
        Together([one, three]).undo()


def test_on_no_node():
    """Is none."""
    with pytest.raises(ValueError, match="a fault on no node is none"):
        Together([])
