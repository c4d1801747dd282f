# SPDX-License-Identifier: MIT
"""The kind redis against real Valkey servers."""

from __future__ import annotations

import asyncio
import functools
import signal
import time

import pytest
from server_process import free_port
from valkey_server import ValkeyServer

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Attempt, Outcome, Write
from pytest_harehearse.probes.audit import audit
from pytest_harehearse.probes.kinds import make, prepare, redis_list
from pytest_harehearse.probes.kinds.base import ask


@pytest.fixture
def start(tmp_path):
    """Start Valkey servers; ended with the test."""
    servers = []

    def one(*options: str, **more) -> ValkeyServer:
        servers.append(ValkeyServer(tmp_path / f"v{len(servers)}", *options, **more))
        return servers[-1]

    yield one
    for server in servers:
        server.close()


def service(*servers: ValkeyServer | str, login: str = "", database: str = "", **more) -> Service:
    hosts = ",".join(s if isinstance(s, str) else s.address for s in servers)
    names = tuple(f"n{index}" for index in range(1, len(servers) + 1))
    return Service("s", "redis", f"redis://{login}{hosts}{database}", responders=names, **{"timeout": 2.0, **more})


def asked(asking_for: Service, times: int = 1, after=(), timeout: float | None = None):
    """Ask some times, one after the other; what ``after`` holds is called after the first one, the second one …"""

    async def work():
        kind = make(asking_for, "w")
        answers = []
        for n in range(times):
            answers.append(await ask(kind, n, timeout or asking_for.timeout))
            if n < len(after):
                await asyncio.to_thread(after[n])
        kind.close()
        return answers

    return asyncio.run(work())


@pytest.mark.parametrize("session", ["new", "held"])
@pytest.mark.parametrize("mode", ["read", "write"])
@pytest.mark.parametrize(("login", "database"), [("", ""), (":geh%40im@", "/3")])
def test_a_server_serves(start, session, mode, login, database):
    """With and without login and database; each write is there afterwards, once, and its list is then removed."""
    server = start(password="geh@im" if login else "")
    asking_for = service(server, login=login, database=database, session=session, mode=mode)
    answers = asked(asking_for, 3)
    assert [(a.outcome, a.by, a.error) for a in answers] == [(Outcome.OK, "n1", "")] * 3
    if mode == "write":
        assert [a.write for a in answers] == [Write.ACKED] * 3
        found = audit(asking_for, "w", attempts_of(answers), deadline=10)
        assert (found.problem, found.acked, found.lost, found.duplicates) == (None, 3, (), 0)
        assert server.do("DBSIZE") == 0


def attempts_of(answers) -> list[Attempt]:
    return [Attempt(n, n / 10, n / 10, n / 10 + 0.01, a.outcome, a.by, a.error, a.write) for n, a in enumerate(answers)]


def test_lost_and_doubled_writes_are_found(start):
    """Behind the probe's back one write is removed, one doubled, and one made that was never acknowledged."""
    server = start()
    asking_for = service(server, mode="write")
    answers = asked(asking_for, 4)
    key = "harehearse:writes:w"
    server.do("LREM", key, 1, 2)
    server.do("RPUSH", key, 3, 99)
    found = audit(asking_for, "w", attempts_of(answers), deadline=10)
    assert (found.lost, found.duplicates, found.unknown_present) == ((2,), 1, 1)


def test_more_numbers_than_are_read_at_a_time(start, monkeypatch):
    """A long list is read in pieces, none left out and none read twice."""
    monkeypatch.setattr("pytest_harehearse.probes.kinds.redis_list.PIECE", 3)
    server = start()
    asking_for = service(server, mode="write")
    answers = asked(asking_for, 9)
    found = audit(asking_for, "w", attempts_of(answers), deadline=10)
    assert (found.problem, found.acked, found.lost, found.duplicates) == (None, 9, (), 0)


def test_a_list_that_somebody_else_writes_to(start):
    """Proves nothing."""
    server = start()
    server.do("RPUSH", "harehearse:writes:w", "hello")
    found = audit(service(server, mode="write"), "w", [], deadline=1)
    assert "holds b'hello', which no attempt wrote" in found.problem


def test_all_are_deleted(start):
    """Whatever was acknowledged is lost."""
    server = start()
    asking_for = service(server, mode="write")
    answers = asked(asking_for, 3)
    server.do("FLUSHALL")
    assert audit(asking_for, "w", attempts_of(answers), deadline=10).lost == (0, 1, 2)


@pytest.fixture
def pair(start):
    """A replica and its master, in this order."""
    master = start("--repl-diskless-sync-delay", "0")
    replica = start("--replicaof", "127.0.0.1", str(master.port))
    ends = time.monotonic() + 20
    while replica.do("ROLE")[3] != b"connected":
        assert time.monotonic() < ends, replica.do("ROLE")
        time.sleep(0.05)
    return replica, master


@pytest.mark.parametrize("session", ["new", "held"])
def test_a_replica_sends_the_write_on_to_the_next_host(pair, session):
    """It is made once, on the master; a held session stays there."""
    replica, master = pair
    asking_for = service(replica, master, mode="write", session=session)
    answers = asked(asking_for, 3)
    assert [(a.outcome, a.by, a.write) for a in answers] == [(Outcome.OK, "n2", Write.ACKED)] * 3
    found = audit(asking_for, "w", attempts_of(answers), deadline=10)
    assert (found.problem, found.lost, found.duplicates) == (None, (), 0)


def test_a_replica_alone(pair):
    """Reads, takes no write, and claims nothing; it says whose replica it is."""
    replica, master = pair
    (read,) = asked(service(replica))
    (write,) = asked(service(replica, mode="write"))
    (claim,) = asked(service(replica, mode="claim"))
    (claimed,) = asked(service(master, mode="claim"))
    assert (read.outcome, claimed.outcome) == (Outcome.OK, Outcome.OK)
    assert (write.outcome, write.write) == (Outcome.READ_ONLY, Write.FAILED)
    assert write.error == "n1: READONLY You can't write against a read only replica."
    assert (claim.outcome, claim.error) == (
        Outcome.READ_ONLY,
        f"n1: is a replica of 127.0.0.1:{master.port} (connected)",
    )


def test_a_held_session_leaves_a_master_that_became_a_replica(pair):
    """With another host to go to, the next attempt finds the new master."""
    replica, master = pair

    def swap() -> None:
        replica.do("REPLICAOF", "NO", "ONE")
        master.do("REPLICAOF", "127.0.0.1", replica.port)

    answers = asked(service(master, replica, mode="write", session="held"), 3, [swap])
    assert [a.outcome for a in answers] == [Outcome.OK, Outcome.READ_ONLY, Outcome.OK]
    assert [a.by for a in answers] == ["n1", "n1", "n2"]
    assert [a.write for a in answers] == [Write.ACKED, Write.FAILED, Write.ACKED]


def test_two_masters(start):
    """Nobody can tell which of them holds the truth."""
    found = audit(service(start(), start(), mode="write"), "w", [], deadline=0.5)
    assert "2 hosts of redis://" in found.problem
    assert "say at once that they are master" in found.problem
    assert "(n1: master; n2: master)" in found.problem


def test_no_master(pair):
    """The text says what each host said."""
    replica, _ = pair
    with pytest.raises(HarehearseError, match=r"no host of redis://\S+ says it is master") as caught:
        redis_list.prepare(service(replica, mode="write"), within=0.3)
    assert "n1: replica of 127.0.0.1:" in str(caught.value)
    assert 'or ask it with mode = "read"' in str(caught.value)


def test_a_dead_replica_holds_nothing_up(start):
    """Where nobody listens, nobody is about to be master."""
    server = start()
    asking_for = service(f"127.0.0.1:{free_port()}", server, mode="write")
    began = time.monotonic()
    prepare(asking_for)
    assert time.monotonic() - began < 10
    assert server.do("DBSIZE") == 0


@pytest.mark.parametrize("login", [":falsch@", "nobody:falsch@", ""])
@pytest.mark.parametrize("mode", ["read", "write", "claim"])
def test_a_wrong_login_is_no_outage(start, login, mode):
    """It says nothing about the service; the password is not shown."""
    server = start(password="geheim")
    (answer,) = asked(service(server, login=login, mode=mode))
    assert answer.outcome is Outcome.MISCONFIGURED
    assert ("WRONGPASS" if login else "NOAUTH") in answer.error
    assert "falsch" not in answer.error
    assert answer.write is (Write.FAILED if mode == "write" else None)


def test_a_login_that_may_not_write(start):
    """It is said before anything begins, and at once."""
    server = start()
    server.do("ACL", "SETUSER", "reader", "on", ">geheim", "~*", "+@read", "+role")
    began = time.monotonic()
    with pytest.raises(HarehearseError, match="NOPERM") as caught:
        prepare(service(server, login="reader:geheim@", mode="write"))
    assert time.monotonic() - began < 10
    assert "may RPUSH, LRANGE and UNLINK the keys harehearse:writes:*" in str(caught.value)


def test_a_database_that_is_not_there(start):
    """Neither is it asked, nor is written to another one instead."""
    server = start()
    (read,) = asked(service(server, database="/99"))
    (write,) = asked(service(server, database="/99", mode="write"))
    assert (read.outcome, write.outcome) == (Outcome.MISCONFIGURED, Outcome.MISCONFIGURED)
    assert "DB index is out of range" in read.error
    assert write.write is Write.FAILED
    assert server.do("DBSIZE") == 0


def test_a_full_server_refuses(start):
    """It says so and closes; that is no wrong answer."""
    server = start("--maxclients", "1")

    async def work():
        _, other = await asyncio.open_connection("127.0.0.1", server.port)
        other.write(b"PING\r\n")
        kind = make(service(server, mode="write"), "w")
        answer = await ask(kind, 0, 2.0)
        other.close()
        await other.wait_closed()
        return answer

    answer = asyncio.run(work())
    assert (answer.outcome, answer.write) == (Outcome.REFUSED, Write.FAILED)
    assert "max number of clients" in answer.error


def test_a_server_that_still_loads_its_data(start, tmp_path):
    """It is up, and serves nobody yet."""
    first = start()
    for piece in range(4):
        first.do("MSET", *[word for n in range(2000) for word in (f"k{piece}-{n}", "x" * 20)])
    first.do("SAVE")
    first.close()
    slow = ("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024", "--dbfilename", "dump.rdb")
    second = start(*slow, "--dir", str(tmp_path / "v0"), wait=False)
    ends = time.monotonic() + 20
    while True:
        (answer,) = asked(service(second, mode="write"))
        if "Connection refused" not in answer.error or time.monotonic() > ends:
            break
        time.sleep(0.02)
    assert (answer.outcome, answer.write) == (Outcome.REFUSED, Write.FAILED)
    assert "LOADING" in answer.error


@pytest.mark.parametrize("session", ["new", "held"])
@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_stopped_server_is_silent(start, session, mode):
    """The attempt ends at its deadline; a write's fate is open from when it was sent."""
    server = start()
    stop = functools.partial(server.signal, signal.SIGSTOP)
    answers = asked(service(server, mode=mode, session=session), 2, [stop], timeout=1.0)
    server.signal(signal.SIGCONT)
    assert [a.outcome for a in answers] == [Outcome.OK, Outcome.TIMEOUT]
    assert [a.write for a in answers] == ([Write.ACKED, Write.UNKNOWN] if mode == "write" else [None, None])


def test_a_stopped_host_does_not_get_the_write(start):
    """With another host to go to, whoever is silent is not entrusted with it."""
    silent, other = start(), start()
    silent.signal(signal.SIGSTOP)
    (answer,) = asked(service(silent, other, mode="write", timeout=1.0))
    assert (answer.outcome, answer.by, answer.write) == (Outcome.OK, "n2", Write.ACKED)


@pytest.mark.parametrize(("session", "outcome"), [("new", Outcome.REFUSED), ("held", Outcome.RESET)])
def test_a_killed_server(start, session, outcome):
    """A new session is refused; a held one is lost, and then refused as well."""
    server = start()
    answers = asked(service(server, session=session), 3, [server.close])
    assert [a.outcome for a in answers] == [Outcome.OK, outcome, Outcome.REFUSED]


def test_a_replica_without_its_master_says_that_it_is_stale(pair):
    """Where the server is set up to say so."""
    replica, master = pair
    replica.do("CONFIG", "SET", "replica-serve-stale-data", "no")
    master.close()
    ends = time.monotonic() + 20
    while True:
        (answer,) = asked(service(replica))
        if answer.outcome is not Outcome.OK or time.monotonic() > ends:
            break
        time.sleep(0.05)
    assert (answer.outcome, answer.error.partition(" ")[2].partition(" ")[0]) == (Outcome.STALE, "MASTERDOWN")
