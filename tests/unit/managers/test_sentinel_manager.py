# SPDX-License-Identifier: MIT
"""Sentinel asked over the wire: the state, the roles, the claims, and what a failover came to."""

from __future__ import annotations

import pytest
import recorded_valkey as said

from pytest_harehearse.errors import Indeterminate, Refused, Unreachable
from pytest_harehearse.managers.base import ChoosesItself, Claims, Manager, Switchover, SwitchoverWays
from pytest_harehearse.managers.patroni import Patroni, PatroniNode
from pytest_harehearse.managers.postgres_witness import url_of
from pytest_harehearse.managers.sentinel import Sentinel, ValkeyNode
from pytest_harehearse.managers.sentinel_view import SERVER_COMMANDS, sentinel_commands
from pytest_harehearse.managers.valkey_ask import Error, Place, ask
from pytest_harehearse.probes import kinds

INFO = SERVER_COMMANDS[0]
FAILOVER = ("SENTINEL", "FAILOVER", "carts")
PASSWORD = "p@ss:/w%rd"


class Cluster:
    """Three scripted servers, c1 the primary, and three scripted sentinels."""

    def __init__(self, make):
        self.servers = {name: make() for name in ("c1", "c2", "c3")}
        self.sentinels = [make() for _ in range(3)]
        self.address = {name: f"127.0.0.1:{server.port}" for name, server in self.servers.items()}
        self.info("c1", said.primary_info())
        self.servers["c1"].answers["ROLE",] = ["master", 7, []]
        for rank, name in enumerate(("c2", "c3"), 1):
            self.info(name, said.replica_info(self.address["c1"], priority=100 + 10 * rank))
            self.servers[name].answers["ROLE",] = ["slave", "127.0.0.1", self.servers["c1"].port, "connected", 7]
        for sentinel in self.sentinels:
            self.word(sentinel, "c1")
        self.manager = Sentinel(
            "carts",
            tuple(ValkeyNode(name, Place("127.0.0.1", server.port)) for name, server in self.servers.items()),
            tuple(Place("127.0.0.1", sentinel.port) for sentinel in self.sentinels),
            password=PASSWORD,
        )

    def info(self, name, text):
        self.servers[name].answers[INFO] = text

    def word(self, sentinel, primary):
        address = self.address[primary]
        replicas = [said.replica(other, of=address) for other in self.address.values() if other != address]
        answers = (address.split(":"), said.master(address), replicas)
        sentinel.answers |= dict(zip(sentinel_commands("carts"), answers, strict=True))

    def state(self):
        return self.manager.state(30)


@pytest.fixture
def cluster(valkey_servers):
    return Cluster(valkey_servers)


def test_its_capabilities(cluster):
    """By the protocols' own test."""
    for protocol in (Manager, Switchover, SwitchoverWays, ChoosesItself, Claims):
        assert isinstance(cluster.manager, protocol)
    assert cluster.manager.switchover_ways == ("coordinated", "classic")


def test_the_state(cluster):
    """Asked with the password."""
    found = cluster.state()
    assert (found.active, found.standbys, found.redundancy_limitation()) == ("c1", ("c2", "c3"), None)
    assert ("AUTH", PASSWORD) in cluster.servers["c1"].commands
    assert ("AUTH", PASSWORD) in cluster.sentinels[0].commands


def test_constant_writes_are_no_lag(cluster):
    """A replica that was asked before the primary is asked again; one that truly lags still does then."""
    texts = iter([said.replica_info(cluster.address["c1"], 10400), said.replica_info(cluster.address["c1"], 10501)])

    class Moving(dict):
        def get(self, words, default=None):
            return next(texts) if words == INFO else super().get(words, default)

    cluster.servers["c2"].answers = Moving(cluster.servers["c2"].answers)
    cluster.info("c3", said.replica_info(cluster.address["c1"], 10400))
    found = cluster.state()
    assert (found.member("c2").lag, found.member("c3").lag) == (0, 101)


def test_roles_are_the_servers_own(cluster):
    """So that two primaries show; down where nothing listens, unreachable where nobody answers."""
    cluster.servers["c2"].answers["ROLE",] = ["master", 7, []]
    cluster.servers["c3"].answers["ROLE",] = None
    assert cluster.manager.roles(0.5) == {"c1": "primary", "c2": "primary", "c3": "unreachable"}
    cluster.servers["c3"].close()
    cluster.servers["c2"].answers["ROLE",] = ["sentinel", []]
    assert cluster.manager.roles(30) == {"c1": "primary", "c2": "unknown", "c3": "down"}


def test_nobody_answers(cluster):
    """Said, not raised."""
    for server in (*cluster.servers.values(), *cluster.sentinels):
        server.close()
    found = cluster.state()
    assert [m.role for m in found.members] == ["unreachable"] * 3
    assert found.member("c1").problem == f"could not connect to {cluster.address['c1']}: Connection refused"
    assert found.pending.startswith("0 of 3 sentinels answer")


def test_a_wrong_password_is_told(cluster):
    """As the server words it, without the password."""
    cluster.servers["c1"].answers["AUTH",] = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    problem = cluster.state().member("c1").problem
    assert "invalid username-password pair" in problem
    assert PASSWORD not in problem


@pytest.mark.parametrize("moment", ["AUTH", "INFO"])
def test_a_server_that_hangs_is_cut_off(cluster, moment):
    """At login, or with the question; what was not logged in was not asked."""
    server = cluster.servers["c1"]
    server.answers[("AUTH",) if moment == "AUTH" else INFO] = None
    answer = ask(Place("127.0.0.1", server.port), PASSWORD, SERVER_COMMANDS, 0.3)
    assert (answer.replies, answer.unsent, answer.refused) == (None, moment == "AUTH", False)
    assert "timed out" in answer.problem or "within 0.3 s" in answer.problem


def test_an_error_among_the_replies_is_one_of_them(cluster):
    """The others still count."""
    server = cluster.servers["c1"]
    answer = ask(Place("127.0.0.1", server.port), PASSWORD, (("NONSENSE",), ("ROLE",)), 30)
    assert isinstance(answer.replies[0], Error)
    assert answer.replies[1][0] == "master"


def test_what_is_no_valkey_is_no_answer(rest_servers):
    """A web server on that port."""
    other = rest_servers()
    answer = ask(Place("127.0.0.1", other.port), PASSWORD, SERVER_COMMANDS, 1.0)
    assert answer.replies is None
    assert answer.problem


# -- switchover --------------------------------------------------------------------------------------------------------


def limited(cluster, to):
    return cluster.manager.switchover_limitation(cluster.state(), to)


def test_what_forbids_a_switchover(cluster):
    """Each reason in words; the target can be asked for where the sentinels would choose it anyway."""
    assert limited(cluster, None) is None
    assert limited(cluster, "c2") is None
    assert limited(cluster, "c9") == "'c9' is not a node of it; nodes are c1, c2, c3"
    assert limited(cluster, "c1") == "c1 is the primary already"
    assert limited(cluster, "c3") == (
        "Sentinel takes no target and would choose c2: the lowest replica-priority first, then who has most. Name no "
        "target, or give c3 a lower replica-priority than the others"
    )
    cluster.info("c3", said.replica_info(cluster.address["c1"], link="down"))
    assert limited(cluster, "c3") == "c3 is not streaming: c3 replica link down lag 0 B"
    cluster.info("c2", said.replica_info(cluster.address["c1"], link="down"))
    assert limited(cluster, None) == "no replica is streaming"


def test_among_equals_no_target_can_be_named(cluster):
    """Who has most, then the run id decide; each of them is where it may go."""
    for name in ("c2", "c3"):
        cluster.info(name, said.replica_info(cluster.address["c1"], priority=100))
    state = cluster.state()
    assert cluster.manager.candidates(state) == ("c2", "c3")
    assert cluster.manager.choose_target(state) == "c2"
    assert limited(cluster, "c2").startswith("Sentinel takes no target and would choose c2 or c3")
    assert limited(cluster, None) is None


def test_priority_nought_is_never_promoted(cluster):
    """The only other one can be asked for; where there is none, nobody can."""
    cluster.info("c2", said.replica_info(cluster.address["c1"], priority=0))
    assert limited(cluster, "c3") is None
    cluster.info("c3", said.replica_info(cluster.address["c1"], priority=0))
    assert limited(cluster, None) == "the sentinels promote none of c2, c3: replica-priority is 0"


def test_no_switchover_without_a_majority_or_a_primary(cluster):
    """Nothing is asked for."""
    cluster.info("c1", said.replica_info(cluster.address["c2"]))
    assert limited(cluster, None) == "there is no confirmed primary to switch over from"
    for sentinel in cluster.sentinels[1:]:
        sentinel.close()
    assert limited(cluster, None).startswith("1 of 3 sentinels answer, and a failover needs 2")


@pytest.mark.parametrize(("how", "request_"), [("coordinated", (*FAILOVER, "COORDINATED")), ("classic", FAILOVER)])
def test_a_failover_that_is_accepted(cluster, how, request_):
    """By the first sentinel that can be reached; the plan says the same words."""
    cluster.sentinels[0].close()
    cluster.sentinels[1].answers[request_] = b"+OK\r\n"
    manager = cluster.manager.by(how)
    assert manager.switchover(cluster.state(), "c2", 30) == f"OK by the sentinel 127.0.0.1:{cluster.sentinels[1].port}"
    assert manager.describe_switchover("c1", "c2") == f"{' '.join(request_)} (c1 → c2) to a sentinel"
    assert not any(words[:2] == FAILOVER[:2] for words in cluster.sentinels[2].commands)


@pytest.mark.parametrize(
    "reply",
    [
        "NOGOODSLAVE No suitable replica to promote",
        "INPROG Failover already in progress",
        "ERR Unknown sentinel subcommand or wrong number of arguments",
        "ERR No such master with that name",
    ],
)
def test_a_failover_that_is_refused(cluster, reply):
    """A clear no: nothing changed, and no other sentinel is asked."""
    cluster.sentinels[0].answers[*FAILOVER, "COORDINATED"] = f"-{reply}\r\n".encode()
    with pytest.raises(Refused) as caught:
        cluster.manager.switchover(cluster.state(), "c2", 30)
    assert str(caught.value) == (
        f"The sentinel 127.0.0.1:{cluster.sentinels[0].port} refused the failover from c1: {reply.removeprefix('ERR ')} "
        "(COORDINATED needs Valkey 9 or newer; how='classic' does not)"
    )
    assert not any(words[:2] == FAILOVER[:2] for words in cluster.sentinels[1].commands)


def test_a_failover_without_an_answer_is_unknown(cluster):
    """It was sent; asking another sentinel might make a second one."""
    cluster.sentinels[0].answers[*FAILOVER, "COORDINATED"] = None
    with pytest.raises(Indeterminate) as caught:
        cluster.manager.switchover(cluster.state(), "c2", 0.3)
    assert not isinstance(caught.value, Unreachable)
    assert str(caught.value).endswith("It was sent and not answered, so it may happen: unknown.")
    assert not any(words[:2] == FAILOVER[:2] for words in cluster.sentinels[1].commands)


def test_a_failover_that_was_not_sent(cluster):
    """No sentinel listens."""
    state = cluster.state()
    for sentinel in cluster.sentinels:
        sentinel.close()
    with pytest.raises(Unreachable, match=r"Connection refused\. It was not sent, so nothing was changed\.$"):
        cluster.manager.switchover(state, "c2", 30)


# -- claims ------------------------------------------------------------------------------------------------------------


def test_each_valkey_is_asked_for_itself(cluster):
    """By the probe's own reading of the URL, whatever the password holds."""
    claims = cluster.manager.claims()
    assert [claim.name for claim in claims] == ["c1", "c2", "c3"]
    for claim in claims:
        assert (claim.mode, claim.every, claim.timeout) == ("claim", 0.1, 0.5)
        assert claim.url == f"redis://:p%40ss%3A%2Fw%25rd@{cluster.address[claim.name]}/0"
        assert kinds.make(claim) is not None


def test_each_postgresql_is_asked_for_itself():
    """The same for Patroni."""
    conninfo = "host=127.30.40.11 port=5433 user=post@gres password='p@ss:/w%rd' dbname=postgres"
    manager = Patroni((PatroniNode("n1", "127.30.40.11", 8008, conninfo),), user="me", password="x")
    assert isinstance(manager, Claims)
    (claim,) = manager.claims()
    assert (claim.name, claim.mode, claim.probe, claim.responders) == ("n1", "claim", "postgresql", ("n1",))
    assert claim.url == "postgresql://post%40gres:p%40ss%3A%2Fw%25rd@127.30.40.11:5433/postgres"
    assert kinds.make(claim) is not None
    assert "w%rd" not in repr(claim)


def test_a_url_of_little():
    """What a connection string does not say is left out or is what PostgreSQL takes."""
    assert url_of("host=::1") == "postgresql://[::1]:5432/"
    assert url_of("user=me dbname=a/b") == "postgresql://me@localhost:5432/a%2Fb"


def test_patronis_one_way():
    """By its REST API; the same manager."""
    manager = Patroni((), user="me", password="x")
    assert manager.switchover_ways == ("rest",)
    assert manager.by("rest") is manager
