# SPDX-License-Identifier: MIT
"""Patroni's word beside PostgreSQL's: the state, and what a switchover came to."""

from __future__ import annotations

import json

import pytest

from pytest_harehearse.errors import Indeterminate, Refused, Unreachable
from pytest_harehearse.managers import patroni
from pytest_harehearse.managers.base import Manager, Switchover
from pytest_harehearse.managers.patroni import Patroni, PatroniNode
from pytest_harehearse.managers.postgres_witness import Testimony as Says
from pytest_harehearse.managers.postgres_witness import ask

NAMES = ("n1", "n2", "n3")
SYNC = {"synchronous_mode": True, "synchronous_node_count": 2}
MEMBERS = [
    {"name": "n1", "role": "leader", "state": "running", "timeline": 3},
    {"name": "n2", "role": "sync_standby", "state": "streaming", "timeline": 3, "lag": 0},
    {"name": "n3", "role": "sync_standby", "state": "streaming", "timeline": 3, "lag": 24},
]


class Cluster:
    """Three scripted members, n1 the primary, and what PostgreSQL says of itself."""

    def __init__(self, make, monkeypatch):
        self.servers = {name: make() for name in NAMES}
        self.witness = {"n1": Says(True, 3), "n2": Says(False, 3), "n3": Says(False, 3)}
        for name, server in self.servers.items():
            role = {"role": "primary"} if name == "n1" else {"role": "replica", "replication_state": "streaming"}
            self.say(name, {"state": "running", "timeline": 3, **role})
            server.answers["GET /config"] = (200, SYNC)
        self.cluster({"members": MEMBERS})
        monkeypatch.setattr(patroni, "ask", lambda conninfo, _deadline: self.witness[conninfo])
        nodes = tuple(PatroniNode(name, "127.0.0.1", self.servers[name].port, name) for name in NAMES)
        self.manager = Patroni(nodes, user="me", password="s3cret")

    def say(self, name, body, status=200):
        self.servers[name].answers["GET /patroni"] = (status, body)

    def cluster(self, body, status=200):
        for server in self.servers.values():
            server.answers["GET /cluster"] = (status, body)

    def switchover(self, answer):
        self.servers["n1"].answers["POST /switchover"] = answer

    def state(self):
        return self.manager.state(30)


@pytest.fixture
def cluster(rest_servers, monkeypatch):
    return Cluster(rest_servers, monkeypatch)


def test_it_is_a_manager_that_can_switch_over(cluster):
    """By the protocols' own test."""
    assert isinstance(cluster.manager, Manager)
    assert isinstance(cluster.manager, Switchover)


def test_the_state(cluster):
    """Roles, lag, synchronous standbys and the timeline, in the inventory's order."""
    found = cluster.state()
    assert found.names == NAMES
    assert found.active == "n1"
    assert (found.pending, found.sync_wanted) == (None, 2)
    assert [(m.role, m.lag, m.streaming, m.sync, m.timeline) for m in found.members] == [
        ("primary", None, None, False, 3),
        ("replica", 0, True, True, 3),
        ("replica", 24, True, True, 3),
    ]
    assert found.standbys == ("n2", "n3")
    assert cluster.manager.choose_target(found) == "n2"


@pytest.mark.parametrize("word", ["primary", "master", "leader", "standby_leader"])
def test_a_primary_by_any_name(cluster, word):
    """Patroni's versions call it differently."""
    cluster.say("n1", {"state": "running", "role": word, "timeline": 3})
    assert cluster.state().active == "n1"


def test_an_unknown_lag_is_not_none(cluster):
    """Patroni says "unknown" where it does not know."""
    cluster.cluster({"members": [MEMBERS[0], {**MEMBERS[1], "lag": "unknown"}, MEMBERS[2]]})
    found = cluster.state()
    assert found.member("n2").lag is None
    assert found.redundancy_limitation() == "n2 lags: n2 replica running timeline 3 lag unknown sync"


@pytest.mark.parametrize(
    ("asked", "lag"),
    [([90, 100], 0), ([90, 95, 110], 0), ([90, 92, 94], 6), ([90, None], 24), ([100], 0), ([None], 24)],
)
def test_writes_in_flight_are_no_lag(cluster, monkeypatch, asked, lag):
    """A standby that was asked before the primary is asked again; where PostgreSQL does not tell, Patroni's word holds."""
    said = iter(asked)

    def answer(conninfo, _deadline):
        if conninfo == "n3":
            return Says(False, 3, next(said))
        return Says(conninfo == "n1", 3, 100)

    monkeypatch.setattr(patroni, "ask", answer)
    found = cluster.state()
    assert found.member("n3").lag == lag
    assert next(said, "asked no more") == "asked no more"
    assert (found.redundancy_limitation() is None) is (lag == 0)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (SYNC, 2),
        ({"synchronous_mode": True}, 1),
        ({"synchronous_mode": "quorum", "synchronous_node_count": 2}, 2),
        ({"synchronous_mode": False, "synchronous_node_count": 2}, 0),
        ({}, 0),
    ],
)
def test_synchronous_standbys_wanted(cluster, settings, wanted):
    """As the cluster's settings say; one member that knows is enough."""
    for name in ("n2", "n3"):
        cluster.servers[name].answers["GET /config"] = (503, "")
    cluster.servers["n1"].answers["GET /config"] = (200, settings)
    assert cluster.state().sync_wanted == wanted


def test_a_pause_is_pending(cluster):
    """Patroni would do nothing by itself."""
    cluster.cluster({"members": MEMBERS, "pause": True})
    found = cluster.state()
    assert found.pending == "Patroni is paused"
    assert cluster.manager.switchover_limitation(found, "n2") == "Patroni is paused"


def test_a_scheduled_switchover_is_pending(cluster):
    """It would come in between."""
    cluster.cluster({"members": MEMBERS, "scheduled_switchover": {"at": "2026-12-01T10:00:00+00:00", "from": "n1"}})
    assert cluster.state().pending == ('a switchover is scheduled: {"at": "2026-12-01T10:00:00+00:00", "from": "n1"}')


def test_a_node_that_does_not_answer_is_unreachable(cluster):
    """Never left out, never an exception; its PostgreSQL may still answer."""
    cluster.servers["n2"].close()
    found = cluster.state()
    member = found.member("n2")
    assert (member.role, member.witness_primary, member.timeline) == ("unreachable", False, 3)
    assert member.problem.startswith("its REST API did not answer: could not connect to 127.0.0.1:")
    assert found.active == "n1"
    assert found.standbys == ("n3",)


def test_a_node_that_hangs_is_unreachable(cluster):
    """The others' answers count."""
    for path in ("/patroni", "/cluster", "/config"):
        cluster.servers["n1"].answers[f"GET {path}"] = None
    found = cluster.manager.state(1.0)
    assert found.member("n1").role == "unreachable"
    assert found.active is None
    assert found.redundancy_limitation() == "no confirmed primary (claimed by: nobody)"


def test_nobody_answers(cluster):
    """Said, not raised."""
    for server in cluster.servers.values():
        server.close()
    cluster.witness = dict.fromkeys(NAMES, Says(None, problem="connection refused"))
    found = cluster.state()
    assert found.pending == "no member tells the state of the cluster"
    assert [m.role for m in found.members] == ["unreachable"] * 3
    assert cluster.manager.roles(30) == dict.fromkeys(NAMES, "down")


def test_postgresql_that_does_not_answer_confirms_nothing(cluster):
    """The manager's word alone is not enough."""
    cluster.witness["n1"] = Says(None, problem="timeout expired")
    found = cluster.state()
    assert found.active is None
    assert found.member("n1").describe() == (
        "n1 primary running timeline 3 (not confirmed by itself) (PostgreSQL did not answer: timeout expired)"
    )


def test_two_that_claim_it_are_none(cluster):
    """A split brain has no active node."""
    cluster.say("n2", {"state": "running", "role": "primary", "timeline": 4})
    cluster.witness["n2"] = Says(True, 4)
    found = cluster.state()
    assert found.active is None
    assert found.redundancy_limitation() == "no confirmed primary (claimed by: n1, n2)"
    assert cluster.manager.switchover_limitation(found, None) == "there is no confirmed primary to switch over from"


def test_a_member_that_starts_is_what_it_says(cluster):
    """Patroni answers 503 with a body then; its role would be its last one."""
    cluster.say("n3", {"state": "starting", "role": "replica"}, 503)
    found = cluster.state()
    assert (found.member("n3").role, found.member("n3").streaming) == ("starting", None)
    assert found.member("n3").timeline == 3
    assert cluster.manager.roles(30) == {"n1": "primary", "n2": "replica", "n3": "starting"}


@pytest.mark.parametrize("garbage", ["", "<html>", {"role": None}, {"role": 7, "state": ["x"], "timeline": "3"}])
def test_garbage_makes_no_primary(cluster, garbage):
    """Another server on that port."""
    cluster.say("n1", garbage)
    assert cluster.state().active is None
    assert cluster.manager.roles(30)["n1"] != "primary"


@pytest.mark.parametrize("body", [{"members": None}, {"members": "x"}, {"members": [1, "x", None]}, {"members": 7}, {}])
def test_garbage_about_the_cluster_is_no_error(cluster, body):
    """Lags are not known then."""
    cluster.cluster(body)
    assert cluster.state().member("n2").lag is None


@pytest.mark.parametrize("count", ["x", None, [1]])
def test_garbage_in_the_settings_is_no_error(cluster, count):
    """One is what Patroni takes by itself."""
    for server in cluster.servers.values():
        server.answers["GET /config"] = (200, {"synchronous_mode": True, "synchronous_node_count": count})
    assert cluster.state().sync_wanted == 1


def test_roles_of_the_timeline(cluster):
    """Down where nothing listens, unreachable where nobody answers."""
    cluster.servers["n2"].close()
    cluster.servers["n3"].answers["GET /patroni"] = None
    assert cluster.manager.roles(0.5) == {"n1": "primary", "n2": "down", "n3": "unreachable"}


def limited(cluster, to):
    return cluster.manager.switchover_limitation(cluster.state(), to)


def test_what_forbids_a_switchover(cluster):
    """Each reason in words."""
    assert limited(cluster, None) is None
    assert limited(cluster, "n2") is None
    assert limited(cluster, "n9") == "'n9' is not a node of it; nodes are n1, n2, n3"
    assert limited(cluster, "n1") == "n1 is the primary already"
    cluster.cluster({"members": [*MEMBERS[:2], {**MEMBERS[2], "role": "replica"}]})
    assert limited(cluster, "n3") == "n3 is not a synchronous standby, so it may lack writes; n2 is"
    cluster.cluster({"members": [*MEMBERS[:2], {**MEMBERS[2], "role": "replica", "state": "running"}]})
    cluster.say("n3", {"state": "running", "role": "replica", "timeline": 3})
    assert limited(cluster, "n3") == "n3 is not streaming: n3 replica running timeline 3 lag 24 B"
    cluster.cluster({"members": []})
    cluster.say("n2", {"state": "running", "role": "replica", "timeline": 3})
    assert limited(cluster, None) == "no standby is streaming"


def switch(cluster, deadline=30.0):
    return cluster.manager.switchover(cluster.state(), "n2", deadline)


def test_a_switchover_that_is_done(cluster):
    """The request goes to the primary, with the password."""
    cluster.switchover((200, 'Successfully switched over to "n2"'))
    assert switch(cluster) == '200 Successfully switched over to "n2"'
    ((_, headers, body),) = [r for r in cluster.servers["n1"].requests if r[0] == "POST /switchover"]
    assert json.loads(body) == {"leader": "n1", "candidate": "n2"}
    assert headers["authorization"].startswith("basic ")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "Switchover target and source are the same"),
        (401, "no auth header received"),
        (412, "candidate name does not match with sync_standby"),
        (503, "Switchover failed"),
    ],
)
def test_a_switchover_that_is_refused(cluster, status, text):
    """A clear no: nothing changed."""
    cluster.switchover((status, text))
    with pytest.raises(Refused, match=f"^Patroni refused the switchover from n1 to n2: {status} {text}$"):
        switch(cluster)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (503, "Switchover status unknown"),
        (503, "failed to write failover key into DCS"),
        (202, "Switchover scheduled"),
        (500, ""),
    ],
)
def test_a_switchover_patroni_does_not_know_about(cluster, status, text):
    """It may still happen, so it is neither done nor refused."""
    cluster.switchover((status, text))
    with pytest.raises(
        Indeterminate,
        match=f"^Patroni could not say what became of the switchover from n1 to n2: {status} {text}. It may happen: unknown",
    ):
        switch(cluster)


def test_a_switchover_without_an_answer_is_unknown(cluster):
    """It was sent."""
    cluster.switchover(None)
    with pytest.raises(Indeterminate) as caught:
        switch(cluster, 0.5)
    assert not isinstance(caught.value, Unreachable)
    assert str(caught.value).startswith(
        'POST /switchover {"leader": "n1", "candidate": "n2"} to n1: no answer from 127.0.0.1:'
    )
    assert str(caught.value).endswith("It was sent and not answered, so it may happen: unknown.")


def test_a_switchover_that_was_not_sent(cluster):
    """Nothing listens there."""
    state = cluster.state()
    cluster.servers["n1"].close()
    with pytest.raises(Unreachable, match=r"Connection refused\. It was not sent, so nothing was changed\.$"):
        cluster.manager.switchover(state, "n2", 30)


def test_no_switchover_without_a_primary(cluster):
    """Nobody is asked."""
    cluster.witness["n1"] = Says(False, 3)
    with pytest.raises(Refused, match=r"^there is no confirmed primary to switch over from$"):
        switch(cluster)
    assert not [r for server in cluster.servers.values() for r in server.requests if r[0].startswith("POST")]


def test_a_witness_that_does_not_answer_is_no_error(rest_servers):
    """Nothing listens, or something that is no PostgreSQL."""
    other = rest_servers()
    base = "host=127.0.0.1 user=x dbname=x password=s3cret sslmode=disable"
    assert ask(f"{base} port={other.port}", 2.0).primary is None
    other.close()
    found = ask(f"{base} port={other.port}", 2.0)
    assert (found.primary, found.timeline) == (None, None)
    assert "refused" in found.problem.lower()
    assert "s3cret" not in found.problem
