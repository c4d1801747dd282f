# SPDX-License-Identifier: MIT
"""``harehearse lab``: what it says; the real lab is in tests/real/cli."""

from __future__ import annotations

import json

import pytest

from pytest_harehearse.cli import exits, lab
from pytest_harehearse.cli.status import Answer
from pytest_harehearse.inventory.load import load
from pytest_harehearse.inventory.model import Cluster, Environment, Node
from pytest_harehearse.labs.base import LabReport
from pytest_harehearse.managers.state import ClusterState, Member
from pytest_harehearse.rehearsal.session import cluster_lock
from pytest_harehearse.safety.journal import Journal

UP = LabReport(
    "demo", exists=True, up=True, home="/tmp/h/demo-1", processes=12, created_at="2026-11-01T00:00:00+00:00", keep=True,
    up_s=8.24, notes=("as nobody",),
)  # fmt: skip
CLUSTER = Cluster("demo", "orders", "lab", "patroni", (Node("n1"), Node("n2")), provider="embedded")
STATE = ClusterState(
    (
        Member("n1", "primary", "running", 1, witness_primary=True),
        Member("n2", "replica", "running", 1, 0, streaming=True, witness_primary=False),
    )
)
WELL = "orders: primary n1, replica n2"
HEALTHY = Answer(CLUSTER, STATE, redundant=True, reason=None)
SICK = Answer(CLUSTER, STATE, redundant=False, reason="n2 lags")
DEMO = Environment("demo", "lab", "embedded", {"orders": CLUSTER})


@pytest.mark.parametrize("verb", ["", "up", "down", "status"])
def test_the_help_is_golden(harehearse, snapshot, verb):
    """Read it as a user does."""
    assert harehearse("lab", *verb.split(), "--help").out == snapshot


@pytest.mark.parametrize(
    ("answers", "made", "text"),
    [
        ([HEALTHY], True, "demo is up: 1 cluster, healthy, 8.2 s; orders: primary n1, replica n2"),
        (
            [HEALTHY, HEALTHY],
            False,
            f"demo was already up: 2 clusters, healthy, since {UP.created_at}; {WELL}; {WELL}",
        ),
        (
            [HEALTHY, SICK],
            False,
            "demo was already up: 2 clusters, not healthy, since 2026-11-01T00:00:00+00:00; orders: n2 lags",
        ),
    ],
)
def test_what_up_came_to(answers, made, text):
    """One sentence; of sick clusters only what they lack."""
    assert lab.up_sentence(DEMO, answers, made=made, took=8.24, report=UP) == text


def test_the_status_of_a_lab_that_is_up():
    """Since when, where, how to connect, how to remove."""
    assert lab.lines(UP, {"orders": "postgresql://postgres:***@h/postgres"}) == [
        "✓ demo is up since 2026-11-01T00:00:00+00:00, healthy after 8.2 s; it stays until it is removed",
        "  home     /tmp/h/demo-1, 12 processes",
        "  note     as nobody",
        "  connect  orders: psql 'postgresql://postgres:***@h/postgres'",
        "  remove   harehearse lab down demo",
    ]


def test_the_status_of_a_lab_half_made():
    """Says that something is left, and how it is removed."""
    first, second = lab.lines(LabReport("demo", exists=True, up=False, home="/h", processes=3), {})
    assert first.startswith("✗ demo is not up, but something is left of it")
    assert second == "  remove   harehearse lab down demo"


def test_the_json_contract():
    """Other programs rely on every key."""
    assert lab.document(UP, {"orders": "u"}) == {
        "schema": 1,
        "environment": "demo",
        "up": True,
        "exists": True,
        "home": "/tmp/h/demo-1",
        "processes": 12,
        "created_at": "2026-11-01T00:00:00+00:00",
        "keep": True,
        "up_s": 8.24,
        "notes": ["as nobody"],
        "urls": {"orders": "u"},
    }


def test_a_lab_that_is_not_up(project, harehearse):
    """Status says how to create it; down has nothing to do, which is no error."""
    assert harehearse("lab", "status") == (
        exits.NO,
        "✗ demo is not up. Create it: harehearse lab up demo\n",
        "",
    )
    document = json.loads(harehearse("lab", "status", "demo", "--json").out)
    assert (document["up"], document["exists"], document["urls"]) == (False, False, {})
    assert harehearse("lab", "down") == (exits.OK, "demo is not up: there is nothing to remove\n", "")


def test_down_closes_the_faults_of_a_lab_that_is_gone(project, harehearse):
    """Else the next rehearsal would refuse to start; those of other environments stay open."""
    journal = Journal(project / ".harehearse")
    journal.open(run="r-1", cluster="demo/orders", fault="stack_kill", target="n1", undo="start it")
    other = journal.open(run="r-1", cluster="demonic/orders", fault="stack_kill", target="n1", undo="start it")
    assert "  closed in the journal: stack_kill n1 on demo/orders, of run r-1" in harehearse("lab", "down").out
    assert journal.still_open() == [other]
    assert "closed" not in harehearse("lab", "down").out


def test_down_refuses_while_a_rehearsal_runs(project, harehearse):
    """Names who holds the cluster; removes nothing."""
    inventory = load(project / "harehearse.toml")
    with cluster_lock(inventory.path, "demo/orders", "run r-2026w45-01 (pid 17)"):
        said = harehearse("lab", "down", "demo")
    assert (said.status, said.out) == (exits.NO, "")
    assert said.err == (
        "harehearse: demo/orders is being used by run r-2026w45-01 (pid 17), so nothing was removed. "
        "Wait for it to end, or stop it, then try again.\n"
    )


@pytest.mark.parametrize("verb", ["up", "down", "status"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dmo", "There is no environment 'dmo' in harehearse.toml; its environments: demo, lab, production. Did you mean 'demo'?"),
        ("demo/orders", "There is no environment 'demo/orders' in harehearse.toml"),
        ("lab", "environments.lab.provider is 'lxd', which this version cannot create yet; it can: embedded."),
        ("production", "production is production, not a lab: harehearse neither creates nor removes it."),
    ],
)  # fmt: skip
def test_an_environment_that_is_no_embedded_lab(everything, harehearse, verb, name, text):
    """Wrong usage, in a sentence."""
    said = harehearse("lab", verb, name)
    assert (said.status, said.out) == (exits.USAGE, "")
    assert text in said.err


def test_several_environments_and_no_default(everything, harehearse):
    """Asks which."""
    file = everything / "harehearse.toml"
    file.write_text(file.read_text().replace('default_environment = "demo"', ""))
    said = harehearse("lab", "status")
    assert said.status == exits.USAGE
    assert said.err == (
        "harehearse: Which environment? harehearse.toml has no default_environment; "
        "its environments: demo, lab, production.\n"
    )
