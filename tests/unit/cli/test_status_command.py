# SPDX-License-Identifier: MIT
"""``harehearse status``: its table, its sentence, its JSON contract, its exit status."""

from __future__ import annotations

import json

import pytest

from pytest_harehearse.cli import common, exits, status
from pytest_harehearse.inventory.model import Cluster, Node
from pytest_harehearse.managers.state import ClusterState, Member

CLUSTER = Cluster("demo", "orders", "lab", "patroni", (Node("n1"), Node("n2")), provider="embedded")
PRIMARY = Member("n1", "primary", "running", 3, witness_primary=True)
REPLICA = Member("n2", "replica", "running", 3, 0, streaming=True, sync=True, witness_primary=False)
LAGGING = Member("n2", "replica", "running", 3, 4096, streaming=True, witness_primary=True)
DEAD = Member("n2", "unreachable", problem="its REST API did not answer: refused")
GONE = Member("n1", "unreachable", problem="its REST API did not answer: refused")


def answer(*members, pending=None):
    return status.judge(CLUSTER, ClusterState(members, pending=pending))


UNKNOWN = status.Answer(CLUSTER, None, None, "its lab is not up")


def test_the_help_is_golden(harehearse, snapshot):
    """Read it as a user does."""
    assert harehearse("status", "--help").out == snapshot


def test_a_redundant_cluster():
    """A table, then a sentence."""
    assert status.lines(answer(PRIMARY, REPLICA)) == [
        "demo/orders  (patroni, embedded)",
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
        "demo/orders  (patroni, embedded)\n? orders: unknown: its lab is not up; create it: harehearse lab up demo\n",
        "",
    )
    assert "harehearse lab up demo --config harehearse.toml" in harehearse("status", "--config", "harehearse.toml").out
    (cluster,) = json.loads(harehearse("status", "--json").out)["clusters"]
    assert (cluster["redundant"], cluster["nodes"]) == (None, [])


def test_clusters_of_other_kinds_are_unknown(everything, harehearse):
    """Not an error: they are in the inventory, and nothing can be said."""
    said = harehearse("status", "lab/web", "production")
    assert said.status == exits.UNKNOWN
    assert "? web: unknown: harehearse.toml: environments.lab.provider is 'lxd', which this version cannot" in said.out
    assert "? web: unknown: it is production, which this version cannot read yet" in said.out


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
