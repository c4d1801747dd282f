# SPDX-License-Identifier: MIT
"""``harehearse lab``: what it says; the real lab is in tests/real/cli."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
from pathlib import Path

import pytest

from pytest_harehearse.cli import exits, lab
from pytest_harehearse.cli.status import Answer
from pytest_harehearse.errors import LabError
from pytest_harehearse.inventory.load import load
from pytest_harehearse.inventory.model import Cluster, Environment, Node
from pytest_harehearse.labs import base
from pytest_harehearse.labs.base import LabReport
from pytest_harehearse.managers.pacemaker import PacemakerManager
from pytest_harehearse.managers.state import ClusterState, Member
from pytest_harehearse.rehearsal.session import cluster_lock
from pytest_harehearse.remote.base import Done
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


@pytest.mark.parametrize("verb", ["", "up", "down", "reset", "ssh", "status"])
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


HOSTS = LabReport("staging", True, True, "hosts that are there already", 1, keep=True, holds="web1 on, web2 silent")


@pytest.mark.parametrize(
    ("up", "line"),
    [
        (True, "✓ staging is on hosts that are there already: web1 on, web2 silent"),
        (False, "✗ staging is on hosts that are there already, and none answers: web1 on, web2 silent"),
    ],
)
def test_the_status_of_hosts_that_are_there_already(up, line):
    """They were not made, so nothing tells how to remove them."""
    assert lab.lines(dataclasses.replace(HOSTS, up=up), {}) == [line]


def test_what_up_came_to_on_hosts():
    """Nobody knows since when."""
    assert lab.up_sentence(DEMO, [HEALTHY], made=False, took=0.1, report=HOSTS) == (
        f"demo was already up: 1 cluster, healthy, hosts that are there already; {WELL}"
    )


def test_the_status_of_a_lab_of_hosts():
    """Says which nodes are on."""
    report = dataclasses.replace(UP, holds="web1 on, web2 off")
    assert lab.lines(report, {})[1] == "  home     /tmp/h/demo-1, web1 on, web2 off"


def test_the_json_contract():
    """Other programs rely on every key."""
    assert lab.document(UP, {"orders": "u"}) == {
        "schema": 1,
        "environment": "demo",
        "up": True,
        "exists": True,
        "home": "/tmp/h/demo-1",
        "processes": 12,
        "holds": "",
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


@pytest.mark.parametrize("verb", ["up", "down", "reset", "status"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dmo", "There is no environment 'dmo' in harehearse.toml; its environments: demo, lab, production. Did you mean 'demo'?"),
        ("demo/orders", "There is no environment 'demo/orders' in harehearse.toml"),
        ("lab", "environments.lab.provider is 'vagrant', which this version cannot create yet; it can: embedded, lxd, hosts."),
        ("production", "production is production, not a lab: harehearse neither creates nor removes it."),
    ],
)  # fmt: skip
def test_an_environment_that_is_no_embedded_lab(everything, harehearse, verb, name, text):
    """Wrong usage, in a sentence."""
    file = everything / "harehearse.toml"
    file.write_text(file.read_text().replace('provider = "lxd"', 'provider = "vagrant"'))
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


class Machines:
    """A lab of hosts that resets, and that a person can log in to."""

    def __init__(self, inventory, environment):
        self.environment = environment

    def report(self):
        return UP

    def reset(self, say, within=90.0):
        say("restoring every node")
        if (trouble := TROUBLE.pop("reset", None)) is not None:
            raise trouble

    def ssh(self, node):
        if node not in {"web1", "web2"}:
            raise LabError(f"The lab lab has no node {node!r}; it has web1, web2.")
        return ["ssh", "-i", "key", "root@198.18.0.11"]


TROUBLE = {}


@pytest.fixture
def machines(everything, monkeypatch):
    """The project, whose LXD lab is up in memory."""
    monkeypatch.setitem(base.PROVIDERS, "lxd", f"{__name__}:Machines")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Machines.__module__])
    TROUBLE.clear()
    return everything


def test_reset(machines, harehearse):
    """Its progress goes to standard error; faults that are open on it are gone with it, those of others not."""
    journal = Journal(machines / ".harehearse")
    journal.open(run="r-1", cluster="lab/web", fault="drain", target="web1", undo="undrain it")
    other = journal.open(run="r-1", cluster="demo/orders", fault="stack_kill", target="n1", undo="start it")
    said = harehearse("lab", "reset", "lab")
    assert said.status == exits.OK
    first, second = said.out.splitlines()
    assert re.fullmatch(r"lab is as new and healthy after \d+\.\d s", first)
    assert second == "  closed in the journal: drain web1 on lab/web, of run r-1: its lab is gone"
    assert said.err == "  restoring every node\n"
    assert journal.still_open() == [other]


def test_a_reset_that_fails(machines, harehearse):
    """Says why; what is open in the journal stays open."""
    TROUBLE["reset"] = LabError("lab was not healthy within 90 s: web: no quorum")
    journal = Journal(machines / ".harehearse")
    entry = journal.open(run="r-1", cluster="lab/web", fault="drain", target="web1", undo="undrain it")
    said = harehearse("lab", "reset", "lab")
    assert (said.status, said.out) == (exits.NO, "")
    assert "harehearse: lab was not healthy within 90 s: web: no quorum\n" in said.err
    assert journal.still_open() == [entry]


def test_reset_refuses_while_a_rehearsal_runs(machines, harehearse):
    """Names who holds the cluster; nothing is restored."""
    inventory = load(machines / "harehearse.toml")
    with cluster_lock(inventory.path, "lab/web", "run r-2026w45-01 (pid 17)"):
        said = harehearse("lab", "reset", "lab")
    assert (said.status, said.out) == (exits.NO, "")
    assert "lab/web is being used by run r-2026w45-01 (pid 17), so nothing was" in said.err
    assert "restoring" not in said.err


def test_a_lab_that_cannot_be_reset(project, harehearse):
    """Says how it is made anew, with the option that was given."""
    said = harehearse("lab", "reset", "--config", "harehearse.toml")
    assert (said.status, said.out) == (exits.NO, "")
    assert said.err == (
        "harehearse: demo is a lab by embedded, which is made anew instead: harehearse lab down demo --config "
        "harehearse.toml and harehearse lab up demo --config harehearse.toml\n"
    )


@pytest.mark.parametrize("words", [(), ("uptime", "-p"), ("df", "-h"), ("ls", "--config", "x"), ("--", "ls", "--help")])
def test_ssh(machines, harehearse, monkeypatch, words):
    """Becomes ssh, with the command's own options untouched."""
    seen = []

    def execvp(program, arguments):
        seen.append((program, arguments))
        raise SystemExit(0)

    monkeypatch.setattr(os, "execvp", execvp)
    assert harehearse("lab", "ssh", "lab", "web1", *words).status == 0
    assert harehearse("lab", "ssh", "--config", "harehearse.toml", "lab", "web1", *words).status == 0
    assert seen == [("ssh", ["ssh", "-i", "key", "root@198.18.0.11", *words])] * 2


def test_how_to_get_in(machines):
    """The option comes before the names: what follows them is the command on the node."""
    found = load(machines / "harehearse.toml")
    environment = found.environments["lab"]
    made = Machines(found, environment)
    assert lab._connect(environment, made, None) == "harehearse lab ssh lab web1"
    assert lab._connect(environment, made, Path("a b.toml")) == "harehearse lab ssh --config 'a b.toml' lab web1"


def test_ssh_that_is_not_installed(machines, harehearse, monkeypatch):
    """Says how to get it."""
    monkeypatch.setenv("PATH", str(machines))
    said = harehearse("lab", "ssh", "lab", "web1")
    assert said.status == exits.NO
    assert said.err == ("harehearse: ssh is not installed. On Debian or Ubuntu: sudo apt-get install openssh-client\n")


def test_ssh_to_a_node_that_is_not_there(machines, harehearse):
    """Is named with those there are."""
    said = harehearse("lab", "ssh", "lab", "web9")
    assert (said.status, said.err) == (
        exits.NO, "harehearse: The lab lab has no node 'web9'; it has web1, web2.\n"
    )  # fmt: skip


def test_ssh_where_nodes_are_no_hosts(project, harehearse):
    """There is nothing to log in to."""
    said = harehearse("lab", "ssh", "demo", "n1")
    assert (said.status, said.err) == (
        exits.NO,
        "harehearse: The nodes of demo are processes on this machine, not hosts: there is nothing to log in to.\n",
    )


@pytest.fixture
def staging(everything):
    """The project, whose lab is on hosts that are there already."""
    file = everything / "harehearse.toml"
    text = file.read_text().replace('provider = "lxd"', 'provider = "hosts"')
    nodes = 'nodes = [{ name = "web1", url = "ssh://a" }, { name = "web2", url = "ssh://b" }]'
    file.write_text(text.replace('nodes = ["web1", "web2"]', nodes))
    return everything


def test_a_lab_of_hosts_is_never_removed(staging, harehearse):
    """Nor reset: nobody here made it."""
    said = harehearse("lab", "down", "lab")
    assert (said.status, said.err) == (
        exits.NO, "harehearse: The hosts of lab were not made by harehearse, so it does not remove them.\n",
    )  # fmt: skip
    assert harehearse("lab", "reset", "lab").status == exits.NO


def test_a_lab_of_hosts_none_of_which_answers(staging, harehearse):
    """Is not up, and cannot be brought up from here."""
    assert harehearse("lab", "status", "lab") == (
        exits.NO, "✗ lab is on hosts that are there already, and none answers: web1 silent, web2 silent\n", "",
    )  # fmt: skip
    said = harehearse("lab", "up", "lab")
    assert (said.status, said.out) == (exits.NO, "")
    assert "No node of lab answers, and harehearse does not create this lab" in said.err


def test_a_lab_of_hosts_is_up_when_it_is_healthy(staging, harehearse, hosts, monkeypatch):
    """Nothing is made, and nothing tells how to remove it."""
    hosts.answers = {("web1", "run"): Done(0), ("web2", "run"): Done(0)}
    state = ClusterState(
        (Member("web1", "active", "running", witness_primary=True), Member("web2", "standby", ready=True))
    )
    monkeypatch.setattr(PacemakerManager, "state", lambda self, deadline=3.0: state)
    assert harehearse("lab", "up", "lab") == (
        exits.OK,
        (
            "lab was already up: 1 cluster, healthy, hosts that are there already; web: active web1, standby web2\n"
            "  look     harehearse status lab\n"
            "  connect  as the inventory says\n"
        ),
        "",
    )
