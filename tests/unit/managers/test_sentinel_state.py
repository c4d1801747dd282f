# SPDX-License-Identifier: MIT
"""The state of a Valkey cluster, out of recorded replies of its sentinels and its servers."""

from __future__ import annotations

import pytest
import recorded_valkey as said

from pytest_harehearse.managers.sentinel_judge import judge, majority
from pytest_harehearse.managers.sentinel_view import SentinelView, read_sentinel, read_server
from pytest_harehearse.managers.valkey_ask import Answer, Error, Place

C1, C2, C3 = said.C1, said.C2, said.C3
NAMES = {C1: "c1", C2: "c2", C3: "c3"}
PLACES = {name: Place(address.split(":")[0], 6379) for address, name in NAMES.items()}
SILENT = Answer(None, "could not connect to 127.77.88.13:26379: Connection refused", unsent=True, refused=True)


def word(primary=C1, *, flags="master", others="2", replicas=None):
    """A sentinel's three replies."""
    listed = replicas if replicas is not None else [said.replica(a, of=primary) for a in NAMES if a != primary]
    return Answer((primary.split(":"), said.master(primary, flags, others), listed))


def state(words=None, **servers):
    """The state, when all is well but what is told."""
    words = words or [word()] * 3
    own = {"c1": said.primary_info(), "c2": said.replica_info(), "c3": said.replica_info(priority=120), **servers}
    views = [read_sentinel(Place(f"127.77.88.{11 + n}", 26379), answer) for n, answer in enumerate(words)]
    answers = {name: text if isinstance(text, Answer) else Answer((text,)) for name, text in own.items()}
    return judge(PLACES, views, {name: read_server(name, answer) for name, answer in answers.items()})


def test_all_is_well():
    """One primary, named by all and by itself; everything that a member says comes from the replies."""
    found = state()
    assert found.active == "c1"
    assert found.standbys == ("c2", "c3")
    assert [(m.role, m.state, m.lag, m.streaming, m.witness_primary, m.priority) for m in found.members] == [
        ("primary", "running", None, None, True, None),
        ("replica", "running", 0, True, False, 110),
        ("replica", "running", 0, True, False, 120),
    ]
    assert (found.pending, found.incomplete, found.redundancy_limitation()) == (None, None, None)


def test_the_standby_with_the_lowest_priority_comes_first():
    """As the sentinels choose; priority 0 is never promoted and comes last."""
    assert state(c2=said.replica_info(priority=130)).standbys == ("c3", "c2")
    assert state(c2=said.replica_info(priority=0)).standbys == ("c3", "c2")


def test_a_lag_is_bytes():
    """Behind the primary's offset; never less than none."""
    found = state(c2=said.replica_info(offset=10400), c3=said.replica_info(offset=10600))
    assert (found.member("c2").lag, found.member("c3").lag) == (101, 0)
    assert found.redundancy_limitation() == "c2 lags: c2 replica running lag 101 B"


def test_two_primaries_are_both_seen():
    """After a classic failover: the sentinels name the new one, the old one still takes writes. Then none is active."""
    found = state([word(C2)] * 3, c2=said.primary_info(), c3=said.replica_info(C2))
    assert [m.name for m in found.members if m.confirmed_primary] == ["c1", "c2"]
    assert found.active is None
    assert found.redundancy_limitation() == "no confirmed primary (claimed by: c1, c2)"
    assert found.member("c1").problem == "the sentinels do not name it"


def test_who_only_names_itself_is_not_active():
    """Promoted already, but not named yet; the named one has stepped down."""
    found = state(c1=said.replica_info(C2), c2=said.primary_info())
    assert found.active is None
    assert [(m.role, m.state, m.confirmed_primary) for m in found.members][:2] == [
        ("primary", "running", False),
        ("primary", "not appointed", False),
    ]


def test_a_server_that_does_not_answer_confirms_nothing():
    """The sentinels' word alone is not enough."""
    found = state(c1=Answer(None, "no answer from 127.77.88.11:6379 within 3.0 s"))
    assert found.active is None
    assert found.member("c1").describe() == "c1 unreachable (no answer from 127.77.88.11:6379 within 3.0 s)"
    assert found.member("c2").lag is None


def test_sentinels_that_disagree():
    """The majority counts, and the disagreement is told."""
    found = state([word(C2), word(C1), word(C1)])
    assert found.active == "c1"
    assert (
        found.redundancy_limitation()
        == found.pending
        == (
            "the sentinels do not agree on the primary (c1 by 127.77.88.12:26379, 127.77.88.13:26379; c2 by "
            "127.77.88.11:26379)"
        )
    )


def test_three_opinions_are_none():
    """No majority names anybody, so nobody is active, whatever the servers say."""
    found = state([word(C1), word(C2), word(C3)])
    assert found.active is None
    assert found.member("c1").state == "not appointed"
    assert "do not agree" in found.pending


def test_one_sentinel_of_three_is_no_majority():
    """It might be cut off from the others: nobody is active, and why is told."""
    found = state([word(), SILENT, SILENT])
    assert found.active is None
    assert found.pending.startswith("1 of 3 sentinels answer, and a failover needs 2 (could not connect to ")


def test_no_sentinel_at_all():
    """The servers' own word makes no state."""
    found = state([SILENT] * 3)
    assert found.active is None
    assert found.pending.startswith("0 of 3 sentinels answer")
    assert found.member("c2").role == "unlisted"


def test_two_sentinels_of_three_are_enough_but_not_all():
    """The cluster can be switched over, but it is not whole."""
    found = state([word(), word(), SILENT])
    assert (found.active, found.pending) == ("c1", None)
    assert found.redundancy_limitation() == f"a sentinel does not answer: {SILENT.problem}"


def test_a_failover_in_progress_is_pending():
    """By a sentinel's flags, or by a server that hands over."""
    busy = word(flags="master,failover_in_progress,coordinated_failover")
    assert state([word(), busy, word()]).pending == (
        "a failover is in progress (127.77.88.12:26379: coordinated_failover,failover_in_progress,master)"
    )
    assert state(c1=said.primary_info(failover="waiting-for-sync")).pending == "c1 is in a failover (waiting-for-sync)"


def test_a_primary_held_to_be_down_is_pending():
    """A failover is near; one sentinel's opinion alone is not enough to say so."""
    assert state([word(flags="master,s_down,o_down")] * 3).pending == "the sentinels hold c1 to be down"
    assert state([word(flags="master,s_down"), word(), word()]).pending is None


@pytest.mark.parametrize(
    ("words", "lacking"),
    [
        (word(others="1"), "the sentinel 127.77.88.11:26379 knows 1 of 2 others"),
        (word(replicas=[said.replica(C2)]), "the sentinel 127.77.88.11:26379 does not list c3 as a replica"),
        (
            word(replicas=[said.replica(C2), said.replica(C3, "s_down,slave,disconnected")]),
            "the sentinel 127.77.88.11:26379 cannot use c3: disconnected,s_down,slave",
        ),
    ],
)
def test_a_sentinel_that_does_not_know_all_is_not_redundant(words, lacking):
    """It could not fail over to what it does not know."""
    found = state([words, word(), word()])
    assert found.active == "c1"
    assert found.redundancy_limitation() == lacking
    assert lacking in found.describe()


def test_a_replica_of_another_is_not_in_sync():
    """Its link is up, but to somebody else."""
    found = state(c3=said.replica_info(C2))
    assert found.standbys == ("c2",)
    assert found.redundancy_limitation() == (
        "c3 does not replicate: c3 replica running lag 0 B (it replicates from c2)"
    )


def test_a_broken_link_is_not_in_sync():
    """Whatever its offset says."""
    found = state(c2=said.replica_info(link="down"))
    assert found.redundancy_limitation() == "c2 does not replicate: c2 replica link down lag 0 B"


def test_a_replica_nobody_lists_is_none():
    """The sentinels would never promote it, nor notice that it is gone."""
    found = state([word(replicas=[said.replica(C2)])] * 3)
    assert found.member("c3").role == "unlisted"
    assert found.redundancy_limitation() == "c3 does not replicate: c3 unlisted running (no sentinel lists it)"


def test_a_primary_outside_the_cluster():
    """As after a wrong SENTINEL MONITOR."""
    assert state([word("127.9.9.9:6379")] * 3).pending == (
        "the sentinels name 127.9.9.9:6379 as the primary, which is no node of the cluster"
    )


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Answer((Error("ERR No such master with that name"),) * 3), "P says: ERR No such master with that name"),
        (Answer((None, [], [])), "P knows no such cluster"),
        (Answer(("x", "y", 7)), "P knows no such cluster"),
    ],
)
def test_a_sentinel_without_a_word(answer, problem):
    """It is told, and never taken for a vote."""
    place = Place("127.77.88.11", 26379)
    found = read_sentinel(place, answer)
    assert (found.problem, found.primary) == (problem.replace("P", str(place)), None)


@pytest.mark.parametrize("about", [None, 7, [], ["flags"], ["flags", None, "num-other-sentinels", "many"]])
def test_garbage_about_a_cluster_is_no_error(about):
    """What is not there is not known."""
    found = read_sentinel(Place("h", 1), Answer((["h", "2"], about, about)))
    assert isinstance(found, SentinelView)
    assert (found.primary, found.others, found.busy) == ("h:2", None, False)


@pytest.mark.parametrize("text", ["", "role:boss\r\n", "<html>", None, 7, ["role", "master"]])
def test_garbage_of_a_server_makes_no_primary(text):
    """Another server on that port."""
    found = read_server("c1", Answer((text,)))
    assert (found.primary, found.problem) == (None, "its INFO has no role")


def test_an_error_of_a_server_is_told():
    """As where the password is another."""
    assert read_server("c1", Answer((Error("NOPERM no"),))).problem == "it says: NOPERM no"


def test_a_majority():
    """More than half."""
    assert [majority(n) for n in (1, 2, 3, 4, 5)] == [1, 2, 2, 3, 3]
