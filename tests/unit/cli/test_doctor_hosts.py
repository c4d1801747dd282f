# SPDX-License-Identifier: MIT
"""The doctor's look at hosts: reach, rights and clock of each node, and what their cluster says."""

from __future__ import annotations

import json

import pytest

from pytest_harehearse.cli import doctor_checks, exits
from pytest_harehearse.managers.pacemaker import PacemakerManager
from pytest_harehearse.managers.state import ClusterState, Member
from pytest_harehearse.remote import clock_offset
from pytest_harehearse.remote.base import Done, Unknown, Unreachable

ROOT = Done(0, b"0\n")
STATE = ClusterState((
    Member("web1", "active", "running", witness_primary=True),
    Member("web2", "standby", ready=True, witness_primary=False),
))  # fmt: skip


@pytest.fixture(autouse=True)
def only_clusters(monkeypatch):
    """The other checks are other tests' business."""
    for name in list(doctor_checks.TABLE):
        if name != "clusters":
            monkeypatch.setitem(doctor_checks.TABLE, name, lambda patient: [])


@pytest.fixture
def clocks(monkeypatch):
    """Node → seconds by which its clock is off, or the reason why that is not known."""
    found = {}

    def measure(channel, deadline):
        off = found.get(channel.node, 0.002)
        return off if isinstance(off, str) else clock_offset.NodeClock(channel.node, off, 0.001, 0.0, 0.0)

    monkeypatch.setattr(clock_offset, "measure", measure)
    return found


@pytest.fixture
def well(everything, hosts, clocks, monkeypatch):
    """Two nodes of production that answer as root."""
    hosts.answers = {("web1", "run"): ROOT, ("web2", "run"): ROOT}
    monkeypatch.setattr(PacemakerManager, "state", lambda self, deadline=3.0: STATE)
    return everything


def checks(harehearse, word="production"):
    said = harehearse("doctor", "--json", word)
    found = {check["name"]: check for check in json.loads(said.out)["checks"]}
    assert said.status == (exits.OK if all(check["ok"] for check in found.values()) else exits.NO)
    assert all((check["fix"] is None) == check["ok"] for check in found.values())
    return found


def test_all_is_well(well, harehearse, hosts):
    """Each node, then the cluster; every connection is given back."""
    found = checks(harehearse)
    assert [*found] == ["production/web web1", "production/web web2", "production/web"]
    assert found["production/web web1"]["said"] == (
        "ssh://ops@10.1.0.11: reached as root, clock +2 ms ± 1 ms off this machine's"
    )
    assert found["production/web"]["said"] == "web is redundant: active web1, standby web2"
    assert [way.closed for way in hosts.ways] == [True, True]


@pytest.mark.parametrize("answer", [Unreachable("nobody is there"), Unknown("frozen")])
def test_a_node_that_is_not_reached(well, harehearse, hosts, answer):
    """Says by which command to try; the other is looked at, the cluster is not."""
    hosts.answers["web1", "run"] = answer
    found = checks(harehearse)
    assert [*found] == ["production/web web1", "production/web web2"]
    check = found["production/web web1"]
    assert check["said"] == f"ssh://ops@10.1.0.11: {answer.reason}"
    assert check["fix"].startswith("make sure that this works: ssh ")
    assert found["production/web web2"]["ok"]


def test_the_url_is_said_once(well, harehearse, hosts):
    """A reason of the channel begins with it already."""
    hosts.answers["web1", "run"] = Unreachable("ssh://ops@10.1.0.11: connection refused")
    assert checks(harehearse)["production/web web1"]["said"] == "ssh://ops@10.1.0.11: connection refused"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Done(0, b"1000\n"), "id -u said '1000'"),
        (Done(2, b"", b"id: broken"), "id -u said 'id: broken'"),
        (Done(1, b"", b"sudo: a password is required"), "sudo wants a password"),
    ],
)
def test_a_user_without_the_rights(well, harehearse, hosts, answer, why):
    """What it is, or why sudo refused, and what allows it."""
    hosts.answers["web2", "run"] = answer
    check = checks(harehearse)["production/web web2"]
    assert check["said"].startswith("ssh://ops@10.1.0.12: ")
    assert why in check["said"]
    assert check["fix"] == "let this user run commands by sudo -n"


def test_a_clock_that_cannot_be_read(well, harehearse, clocks):
    """Is no ✓."""
    clocks["web1"] = "the clock of web1 could not be read: cut off"
    check = checks(harehearse)["production/web web1"]
    assert check["said"] == "ssh://ops@10.1.0.11: the clock of web1 could not be read: cut off"
    assert check["fix"] == "look at the node"


@pytest.mark.parametrize("off", [-1.5, 90.0])
def test_a_clock_that_is_far_off(well, harehearse, clocks, off):
    """What its nodes record could not be brought together."""
    clocks["web1"] = off
    check = checks(harehearse)["production/web web1"]
    assert f"clock {off * 1000:+.0f} ms" in check["said"]
    assert check["fix"] == "let it keep time: chrony or systemd-timesyncd"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            ClusterState((STATE.members[0], Member("web2", "standby", "drained", ready=False))),
            "web is not redundant: web2 could not take over: web2 standby drained",
        ),
        (
            ClusterState((Member("web1", "unreachable"), Member("web2", "unreachable"))),
            "web: unknown: no node's manager answers",
        ),
    ],
)
def test_a_cluster_that_is_not_well(well, harehearse, monkeypatch, state, said):
    """Its nodes are reached, and yet; unknown is no ✓ either."""
    monkeypatch.setattr(PacemakerManager, "state", lambda self, deadline=3.0: state)
    check = checks(harehearse)["production/web"]
    assert (check["said"], check["fix"]) == (said, "heal it before anything is rehearsed")


def test_a_node_without_a_url(well, harehearse, hosts):
    """Is what the check found; nobody is asked."""
    file = well / "harehearse.toml"
    file.write_text(file.read_text().replace('{ name = "web2", url = "ssh://ops@10.1.0.12" }', '{ name = "web2" }'))
    check = checks(harehearse)["production/web"]
    assert "production/web does not say how web2 can be reached" in check["said"]
    assert hosts.ways == []


def test_a_lab_on_hosts_is_looked_at_in_the_same_way(well, harehearse, hosts):
    """It was not made here, so nothing is said of making it anew."""
    file = well / "harehearse.toml"
    text = file.read_text().replace('provider = "lxd"', 'provider = "hosts"')
    nodes = 'nodes = [{ name = "web1", url = "ssh://a" }, { name = "web2", url = "ssh://b" }]'
    file.write_text(text.replace('nodes = ["web1", "web2"]', nodes))
    assert [*checks(harehearse, "lab")] == ["lab/web web1", "lab/web web2", "lab/web"]
    hosts.answers.clear()
    found = checks(harehearse, "lab")
    assert [check["said"] for check in found.values()] == ["ssh://a: nobody is there", "ssh://b: nobody is there"]
