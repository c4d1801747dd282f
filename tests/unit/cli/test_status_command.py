# SPDX-License-Identifier: MIT
"""``harehearse status``: its table, its sentence, its JSON contract, its exit status."""

from __future__ import annotations

import json

import pytest

from pytest_harehearse.cli import common, exits, status
from pytest_harehearse.inventory.model import Cluster, Node
from pytest_harehearse.managers.pacemaker import PacemakerManager
from pytest_harehearse.managers.state import ClusterState, Member

CLUSTER = Cluster("demo", "orders", "lab", "patroni", (Node("n1"), Node("n2")), provider="embedded")
PRIMARY = Member("n1", "primary", "running", 3, witness_primary=True)
REPLICA = Member("n2", "replica", "running", 3, 0, streaming=True, sync=True, witness_primary=False)
LAGGING = Member("n2", "replica", "running", 3, 4096, streaming=True, witness_primary=True)
DEAD = Member("n2", "unreachable", problem="its REST API did not answer: refused")
GONE = Member("n1", "unreachable", problem="its REST API did not answer: refused")

HOSTS = Cluster("production", "web", "production", "pacemaker", (Node("web1"), Node("web2")), group="web")
WEB1 = Member("web1", "active", "running", witness_primary=True)
WEB2 = Member("web2", "standby", ready=True, witness_primary=False)
WEB3 = Member("web3", "standby", ready=True, witness_primary=False)
PACEMAKER = ClusterState((WEB1, WEB2), notes=("fencing: reboot of web2 by web1: success",))


def answer(*members, pending=None):
    return status.judge(CLUSTER, ClusterState(members, pending=pending))


UNKNOWN = status.Answer(CLUSTER, None, None, "its lab is not up")


def test_the_help_is_golden(harehearse, snapshot):
    """Read it as a user does."""
    assert harehearse("status", "--help").out == snapshot


def test_a_redundant_cluster():
    """A table, then a sentence."""
    assert status.lines(answer(PRIMARY, REPLICA)) == [
        "demo/orders  (patroni, lab by embedded)",
        "  node  role     state    timeline  lag  sync  node itself says",
        "  n1    primary  running  3         –    –     primary",
        "  n2    replica  running  3         0 B  yes   replica",
        "✓ orders is redundant: primary n1, replica n2 (sync)",
    ]


def test_a_cluster_that_is_not():
    """Says why; a node that contradicts its manager is marked."""
    *_, row, last = status.lines(answer(PRIMARY, LAGGING))
    assert row.split() == ["n2", "replica", "running", "3", "4096", "B", "no", "primary", "(!)"]
    assert last.startswith("✗ orders is not redundant: n2 lags: n2 replica running")


def test_a_dead_node_is_shown_with_its_problem():
    """It is in the table, never left out."""
    text = "\n".join(status.lines(answer(PRIMARY, DEAD)))
    assert "  n2    unreachable  –        –         –    –     no answer\n" in text
    assert "  n2: its REST API did not answer: refused\n✗ orders is not redundant: n2 does not replicate" in text


def test_nothing_answers_is_unknown():
    """Neither redundant nor not."""
    found = answer(GONE, DEAD)
    assert found.redundant is None
    assert status.lines(found)[-1] == "? orders: unknown: no node's manager answers"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([answer(PRIMARY, REPLICA)], exits.OK),
        ([answer(PRIMARY, LAGGING)], exits.NO),
        ([UNKNOWN], exits.UNKNOWN),
        ([answer(PRIMARY, REPLICA), UNKNOWN], exits.UNKNOWN),
        ([UNKNOWN, answer(PRIMARY, LAGGING), answer(PRIMARY, REPLICA)], exits.NO),
        ([answer(PRIMARY, REPLICA, pending="Patroni is paused")], exits.NO),
    ],
)
def test_the_exit_status(answers, expected):
    """What is known to be wrong weighs more than what is not known."""
    assert status.status(answers) == expected


def test_the_json_contract():
    """Other programs rely on every key; not known is null."""
    assert status.document([answer(PRIMARY, DEAD), UNKNOWN]) == {
        "schema": 1,
        "clusters": [
            {
                "cluster": "demo/orders",
                "kind": "lab",
                "manager": "patroni",
                "redundant": False,
                "reason": "n2 does not replicate: n2 unreachable (its REST API did not answer: refused)",
                "active": "n1",
                "notes": [],
                "nodes": [
                    {
                        "node": "n1",
                        "role": "primary",
                        "state": "running",
                        "timeline": 3,
                        "lag_bytes": None,
                        "streaming": None,
                        "sync": False,
                        "witness": "primary",
                        "problem": None,
                    },
                    {
                        "node": "n2",
                        "role": "unreachable",
                        "state": "",
                        "timeline": None,
                        "lag_bytes": None,
                        "streaming": None,
                        "sync": False,
                        "witness": None,
                        "problem": "its REST API did not answer: refused",
                    },
                ],
            },
            {
                "cluster": "demo/orders",
                "kind": "lab",
                "manager": "patroni",
                "redundant": None,
                "reason": "its lab is not up",
                "active": None,
                "notes": [],
                "nodes": [],
            },
        ],
    }


@pytest.mark.parametrize(
    ("standbys", "text"),
    [
        ((), "primary n1"),
        (("n2",), "primary n1, replica n2"),
        (("n2", "n3"), "primary n1, replicas n2 and n3"),
        (("n2", "n3", "n4"), "primary n1, replicas n2, n3 and n4"),
    ],
)
def test_who_is_active_in_words(standbys, text):
    """Grammar for any number of nodes."""
    members = [Member(name, "replica", "running", 3, 0, streaming=True) for name in standbys]
    assert status.brief(ClusterState((PRIMARY, *members))) == text


def test_a_lab_that_is_not_up(project, harehearse):
    """Unknown, with the command that creates it; the option that was given is repeated."""
    said = harehearse("status")
    assert said == (
        exits.UNKNOWN,
        "demo/orders  (patroni, lab by embedded)\n? orders: unknown: its lab is not up; create it: harehearse lab up demo\n",
        "",
    )
    assert "harehearse lab up demo --config harehearse.toml" in harehearse("status", "--config", "harehearse.toml").out
    (cluster,) = json.loads(harehearse("status", "--json").out)["clusters"]
    assert (cluster["redundant"], cluster["nodes"]) == (None, [])


def test_a_provider_that_is_not_known_yet_is_unknown(everything, harehearse):
    """Not an error: it is in the inventory, and nothing can be said."""
    file = everything / "harehearse.toml"
    file.write_text(file.read_text().replace('provider = "lxd"', 'provider = "vagrant"'))
    said = harehearse("status", "lab/web")
    assert said.status == exits.UNKNOWN
    assert (
        "? web: unknown: harehearse.toml: environments.lab.provider is 'vagrant', which this version cannot" in said.out
    )


def test_an_lxd_lab_that_is_not_up(everything, harehearse):
    """As any other lab."""
    said = harehearse("status", "lab")
    assert said == (
        exits.UNKNOWN,
        "lab/web  (pacemaker, lab by lxd)\n? web: unknown: its lab is not up; create it: harehearse lab up lab\n",
        "",
    )


def test_production_that_does_not_answer(everything, harehearse, hosts):
    """Unknown, each node with its reason; and every connection is given back."""
    said = harehearse("status", "production")
    assert said.status == exits.UNKNOWN
    assert said.out.startswith(
        "production/web  (pacemaker, PRODUCTION)\n  node  role         state  node itself says\n"
    )
    assert "  web1  unreachable  –      no answer\n" in said.out
    assert "nobody is there" in said.out
    assert said.out.endswith("? web: unknown: no node's manager answers\n")
    assert [way.closed for way in hosts.ways] == [True, True]


def test_production_is_read(everything, harehearse, hosts, monkeypatch):
    """By its own manager, over its nodes' URLs."""
    monkeypatch.setattr(PacemakerManager, "state", lambda self, deadline=3.0: PACEMAKER)
    said = harehearse("status", "production")
    assert said.status == exits.OK
    assert said.out.endswith("✓ web is redundant: active web1, standby web2\n")
    assert [way.url for way in hosts.ways] == ["ssh://ops@10.1.0.11", "ssh://ops@10.1.0.12"]
    (cluster,) = json.loads(harehearse("status", "production", "--json").out)["clusters"]
    assert (cluster["kind"], cluster["active"], cluster["notes"]) == (
        "production", "web1", ["fencing: reboot of web2 by web1: success"],
    )  # fmt: skip
    assert [(node["node"], node["role"], node["witness"]) for node in cluster["nodes"]] == [
        ("web1", "active", "active"), ("web2", "standby", "standby"),
    ]  # fmt: skip


def test_a_node_without_a_url(everything, harehearse, hosts):
    """Unknown, with how it is written; nobody is asked."""
    file = everything / "harehearse.toml"
    file.write_text(file.read_text().replace('{ name = "web2", url = "ssh://ops@10.1.0.12" }', '{ name = "web2" }'))
    said = harehearse("status", "production")
    assert said.status == exits.UNKNOWN
    assert "? web: unknown: harehearse.toml: production/web does not say how web2 can be reached." in said.out
    assert hosts.ways == []


def test_a_cluster_under_pacemaker():
    """Nothing is replicated, so nothing lags; who was fenced lately is told."""
    assert status.lines(status.judge(HOSTS, PACEMAKER)) == [
        "production/web  (pacemaker, PRODUCTION)",
        "  node  role     state    node itself says",
        "  web1  active   running  active",
        "  web2  standby  –        standby",
        "  fencing: reboot of web2 by web1: success",
        "✓ web is redundant: active web1, standby web2",
    ]


def test_a_cluster_under_pacemaker_that_is_not_redundant():
    """A drained node cannot take over; one that its manager calls active against its own word is marked."""
    drained = Member("web2", "standby", "drained", ready=False, witness_primary=False, problem="it is in standby mode")
    unlike = Member("web1", "active", "running", witness_primary=False, problem="it has not the address of the group")
    *_, row, problem, last = status.lines(status.judge(HOSTS, ClusterState((WEB1, drained))))
    assert row.split() == ["web2", "standby", "drained", "standby"]
    assert problem == "  web2: it is in standby mode"
    assert last == "✗ web is not redundant: web2 could not take over: web2 standby drained (it is in standby mode)"
    lines = status.lines(status.judge(HOSTS, ClusterState((unlike, WEB2))))
    assert lines[2].split() == ["web1", "active", "running", "standby", "(!)"]
    assert lines[-1] == "✗ web is not redundant: no confirmed active node (claimed by: web1)"


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ((WEB1,), "active web1"),
        ((WEB1, WEB2), "active web1, standby web2"),
        ((WEB1, WEB2, WEB3), "active web1, standbys web2 and web3"),
        ((WEB2, WEB3), "active unknown, standbys web2 and web3"),
    ],
)
def test_who_is_active_under_pacemaker(members, text):
    """In its own words."""
    assert status.brief(ClusterState(members)) == text


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (
            "demo/order",
            "There is no cluster or environment 'demo/order' in harehearse.toml; there are demo/orders, demo.",
        ),
        ("dmo", "Did you mean 'demo'?"),
    ],
)
def test_an_unknown_cluster(project, harehearse, word, text):
    """Says which there are."""
    said = harehearse("status", word)
    assert (said.status, said.out) == (exits.USAGE, "")
    assert text in said.err


def test_no_inventory(tmp_path, monkeypatch, harehearse):
    """Says how to get one; the option has the name it has here."""
    monkeypatch.chdir(tmp_path)
    said = harehearse("status")
    assert said.status == exits.USAGE
    assert f"No harehearse.toml in {tmp_path} or above it. Write one: harehearse init." in said.err
    assert "name another with --config." in harehearse("status", "--config", "nowhere.toml").err


def test_text_fits_the_terminal():
    """No sign is worth a traceback."""
    assert common.fitting("✓ n1 · é", "utf-8") == "✓ n1 · é"
    assert common.fitting("✓ n1 · é", "ascii") == "+ n1 - \\xe9"
    assert common.fitting("✓", "no-such-encoding") == "+"
