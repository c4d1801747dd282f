# SPDX-License-Identifier: MIT
"""Where everything of an LXD lab goes."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Cluster, Environment, Node, Service
from pytest_harehearse.labs.lxd.plan import HOST, SUBNET, plan


def cluster(name="web", nodes=("web1", "web2"), manager="pacemaker", urls=(), group=None):
    services = tuple(Service(f"s{n}", "http", url) for n, url in enumerate(urls))
    return Cluster("lab", name, "lab", manager, tuple(Node(n) for n in nodes), "lxd", group, services)


def environment(*clusters):
    return Environment("lab", "lab", "lxd", {c.name: c for c in clusters})


def test_two_nodes_are_the_classic_group_three_are_a_clone():
    """The two recipes, with the token timeouts that their interruptions were measured with."""
    two = plan(environment(cluster()))["web"]
    three = plan(environment(cluster(nodes=("a", "b", "c"))))["web"]
    assert (two.recipe, two.token, two.off_time) == ("group", 3000, 9)
    assert (three.recipe, three.token, three.off_time) == ("clone", 1000, 5)
    assert two.nodes == {"web1": "198.18.0.11", "web2": "198.18.0.12"}


def test_the_address_is_the_one_the_services_name():
    """What users type in a service's URL is what the cluster serves; without any it is .100."""
    assert (
        plan(environment(cluster(urls=("http://198.18.0.77/", "http://198.18.0.77:8080/x"))))["web"].vip
        == "198.18.0.77"
    )
    assert plan(environment(cluster(urls=("http://example.org/",))))["web"].vip == "198.18.0.100"


@pytest.mark.parametrize(
    ("clusters", "said"),
    [
        ((cluster(manager="patroni"),), "can only have clusters of pacemaker yet, not of patroni"),
        ((cluster(nodes=("web1",)),), "a cluster of 1 has nobody to fail over to"),
        ((cluster(urls=("http://198.18.0.77/", "tcp://198.18.0.78:80")),), "(198.18.0.77, 198.18.0.78); one is made"),
        ((cluster(urls=("http://198.18.0.11/",)),), "198.18.0.11 is to be web1, but it is the address of web"),
        ((cluster("a"), cluster("b")), "the node web1 is in environments.lab.clusters.a already"),
        ((cluster(urls=("http://198.18.0.1/",)),), "198.18.0.1 is to be the address of web, but it is the machine itself"),
    ],
)  # fmt: skip
def test_what_cannot_be_laid_out_is_told(clusters, said):
    """A clear sentence, with the place in the inventory."""
    with pytest.raises(ConfigError) as caught:
        plan(environment(*clusters))
    assert said in str(caught.value)
    assert "environments.lab.clusters." in str(caught.value)


def test_every_fault_is_told_at_once():
    """Not only the first one."""
    with pytest.raises(ConfigError) as caught:
        plan(environment(cluster("a", manager="patroni"), cluster("b", nodes=("x",))))
    assert len(caught.value.problems) == 2


@given(st.lists(st.integers(2, 5), min_size=1, max_size=5))
def test_no_two_things_share_an_address(sizes):
    """Whatever the environment holds: all addresses are in the lab's network, and none is used twice."""
    clusters = [cluster(f"c{c}", tuple(f"c{c}n{n}" for n in range(size))) for c, size in enumerate(sizes)]
    planned = plan(environment(*clusters)).values()
    used = [a for one in planned for a in (*one.nodes.values(), one.vip)] + [str(HOST)]
    assert len(used) == len(set(used))
    assert all(ipaddress.ip_address(address) in SUBNET for address in used)
