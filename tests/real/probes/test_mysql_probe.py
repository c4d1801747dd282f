# SPDX-License-Identifier: MIT
"""The kind mysql against real MariaDB servers."""

from __future__ import annotations

import asyncio
import functools
import re
import signal
from urllib.parse import quote

import pytest

pytest.importorskip("aiomysql", reason="needs the library aiomysql")

from mariadb_server import PASSWORD, MariadbServer
from server_process import free_port

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Attempt, Outcome, Write
from pytest_harehearse.probes.audit import audit
from pytest_harehearse.probes.kinds import make, mysql_table, prepare
from pytest_harehearse.probes.kinds.base import ask


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """A server that tests share and leave as it was."""
    server = MariadbServer(tmp_path_factory.mktemp("one"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Another one."""
    server = MariadbServer(tmp_path_factory.mktemp("two"))
    yield server
    server.close()


@pytest.fixture
def brittle(tmp_path):
    """A server of the test's own, to be stopped or killed."""
    server = MariadbServer(tmp_path / "brittle")
    yield server
    server.close()


@pytest.fixture
def read_only(one):
    """Make the shared server read-only meanwhile."""
    one.do("SET GLOBAL read_only = 1")
    yield one
    one.do("SET GLOBAL read_only = 0")


LOGIN = f"app:{quote(PASSWORD)}@"


def service(*servers: MariadbServer | str, login: str = LOGIN, database: str = "/app", **more) -> Service:
    hosts = ",".join(s if isinstance(s, str) else s.address for s in servers)
    names = tuple(f"n{index}" for index in range(1, len(servers) + 1))
    return Service("s", "mysql", f"mysql://{login}{hosts}{database}", responders=names, **{"timeout": 5.0, **more})


def asked(asking_for: Service, times: int = 1, after=(), timeout: float | None = None, writer: str = "w"):
    """Ask some times, one after the other; what ``after`` holds is called after the first one, the second one …"""

    async def work():
        kind = make(asking_for, writer)
        answers = []
        for n in range(times):
            answers.append(await ask(kind, n, timeout or asking_for.timeout))
            if n < len(after):
                await asyncio.to_thread(after[n])
        kind.close()
        # What is closed is only gone when the loop has come round.
        await asyncio.sleep(0)
        return answers

    return asyncio.run(work())


def attempts_of(answers) -> list[Attempt]:
    return [Attempt(n, n / 10, n / 10, n / 10 + 0.01, a.outcome, a.by, a.error, a.write) for n, a in enumerate(answers)]


@pytest.mark.parametrize("session", ["new", "held"])
@pytest.mark.parametrize("mode", ["read", "write", "claim"])
def test_a_server_serves(one, session, mode):
    """Each write is there afterwards, once, and its rows are then removed."""
    asking_for = service(one, session=session, mode=mode)
    prepare(asking_for)
    answers = asked(asking_for, 3)
    assert [(a.outcome, a.by, a.error) for a in answers] == [(Outcome.OK, "n1", "")] * 3
    assert [a.write for a in answers] == [Write.ACKED if mode == "write" else None] * 3
    if mode == "write":
        found = audit(asking_for, "w", attempts_of(answers), deadline=10)
        assert (found.problem, found.acked, found.lost, found.duplicates) == (None, 3, (), 0)
        assert one.do("SELECT COUNT(*) FROM app.harehearse_writes WHERE writer = 'w'") == ((0,),)


def test_lost_and_doubled_writes_are_found(one):
    """Behind the probe's back one write is removed, one doubled, and one made that was never acknowledged."""
    asking_for = service(one, mode="write")
    prepare(asking_for)
    answers = asked(asking_for, 4, writer="v")
    one.do("DELETE FROM app.harehearse_writes WHERE n = 2 AND writer = 'v'")
    one.do("INSERT INTO app.harehearse_writes (writer, n) VALUES ('v', 3), ('v', 99), ('another', 7)")
    found = audit(asking_for, "v", attempts_of(answers), deadline=10)
    assert (found.lost, found.duplicates, found.unknown_present) == ((2,), 1, 1)
    assert one.do("SELECT n FROM app.harehearse_writes WHERE writer = 'another'") == ((7,),)


@pytest.mark.parametrize("session", ["new", "held"])
def test_a_server_that_switches_autocommit_off(one, session):
    """What is acknowledged is committed all the same."""
    asking_for = service(one, mode="write", session=session)
    prepare(asking_for)
    one.do("SET GLOBAL init_connect = 'SET autocommit = 0'")
    try:
        answers = asked(asking_for, 3, writer="auto")
    finally:
        one.do("SET GLOBAL init_connect = ''")
    assert [a.write for a in answers] == [Write.ACKED] * 3
    found = audit(asking_for, "auto", attempts_of(answers), deadline=10)
    assert (found.problem, found.acked, found.lost) == (None, 3, ())


def test_a_new_session_takes_its_leave(brittle):
    """A server warns in its log about each connection that just breaks off."""
    asked(service(brittle), 5)
    assert not re.search("Aborted connection", brittle.error_log.read_text())


def test_a_read_only_server_alone(read_only):
    """Reads, takes no write, and claims nothing."""
    (read,) = asked(service(read_only))
    (write,) = asked(service(read_only, mode="write"))
    (claim,) = asked(service(read_only, mode="claim"))
    assert read.outcome is Outcome.OK
    assert (write.outcome, write.write) == (Outcome.READ_ONLY, Write.FAILED)
    assert "--read-only" in write.error
    assert (claim.outcome, claim.error) == (Outcome.READ_ONLY, "n1: has read_only set")


@pytest.mark.parametrize("session", ["new", "held"])
def test_a_read_only_server_sends_the_write_on_to_the_next_host(read_only, two, session):
    """It is made once, on the one that takes it; a held session stays there."""
    asking_for = service(read_only, two, mode="write", session=session)
    prepare(asking_for)
    answers = asked(asking_for, 3, writer="next")
    assert [(a.outcome, a.by, a.write) for a in answers] == [(Outcome.OK, "n2", Write.ACKED)] * 3
    found = audit(asking_for, "next", attempts_of(answers), deadline=10)
    assert (found.problem, found.lost, found.duplicates) == (None, (), 0)


def test_a_held_session_leaves_a_host_that_became_read_only(one, two):
    """With another host to go to, the next attempt finds the one that takes writes."""
    for server in (one, two):
        prepare(service(server, mode="write"))
    asking_for = service(one, two, mode="write", session="held")
    try:
        answers = asked(asking_for, 3, [functools.partial(one.do, "SET GLOBAL read_only = 1")], writer="leave")
    finally:
        one.do("SET GLOBAL read_only = 0")
    assert [(a.outcome, a.by) for a in answers] == [
        (Outcome.OK, "n1"),
        (Outcome.READ_ONLY, "n1"),
        (Outcome.OK, "n2"),
    ]


def test_hosts_that_all_take_writes_must_agree(one, two):
    """As in a cluster in which every node is a primary; otherwise nobody can tell who is right."""
    both = service(one, two, mode="write")
    for server in (one, two):
        prepare(service(server, mode="write"))
        server.do("INSERT INTO app.harehearse_writes (writer, n) VALUES ('both', 1), ('both', 2)")
    found = audit(both, "both", [], deadline=1)
    assert (found.problem, found.unknown_present) == (None, 2)
    two.do("INSERT INTO app.harehearse_writes (writer, n) VALUES ('both', 3)")
    found = audit(both, "both", [], deadline=1)
    assert "2 hosts of mysql://app:***@" in found.problem
    assert re.search(
        r"do not hold the same ones, waited at most 1.00 s \(numbers held: n1 [02], n2 [13]\)", found.problem
    )


def test_nobody_takes_writes(read_only):
    """The text says what each host said, and what to do."""
    with pytest.raises(HarehearseError, match=r"no host of mysql://\S+ takes writes") as caught:
        mysql_table.prepare(service(read_only, f"127.0.0.1:{free_port()}", mode="write"), within=0.3)
    assert "n1: read-only; n2: Can't connect" in str(caught.value)
    assert 'or ask it with mode = "read"' in str(caught.value)


@pytest.mark.parametrize(
    ("login", "database", "text"),
    [
        ("app:falsch@", "/app", "Access denied"),
        ("nobody:falsch@", "/app", "Access denied"),
        (LOGIN, "/nowhere", "Access denied for user 'app'@'%' to database 'nowhere'"),
        ("root@", "/nowhere", "Unknown database 'nowhere'"),
    ],
)
@pytest.mark.parametrize("mode", ["read", "write", "claim"])
def test_a_wrong_login_is_no_outage(one, login, database, text, mode):
    """It says nothing about the service; the password is not shown."""
    (answer,) = asked(service(one, login=login, database=database, mode=mode))
    assert answer.outcome is Outcome.MISCONFIGURED
    assert text in answer.error
    assert "falsch" not in answer.error
    assert answer.write is (Write.FAILED if mode == "write" else None)


def test_a_missing_table_is_no_outage(one):
    """Nobody has prepared it."""
    one.do("CREATE DATABASE IF NOT EXISTS bare")
    (answer,) = asked(service(one, login="root@", database="/bare", mode="write"))
    assert (answer.outcome, answer.write) == (Outcome.MISCONFIGURED, Write.FAILED)


def test_a_wrong_login_is_said_at_once(one):
    """Before anything begins."""
    with pytest.raises(HarehearseError, match="Access denied") as caught:
        prepare(service(one, login="app:falsch@", mode="write"))
    assert "falsch" not in str(caught.value)


def test_a_user_who_writes_in_spite_of_read_only(one, two):
    """Such a write would be acknowledged by a replica, and lost; with one host there is nothing to mix up."""
    one.do("CREATE DATABASE IF NOT EXISTS might")
    two.do("CREATE DATABASE IF NOT EXISTS might")
    prepare(service(one, login="root@", database="/might", mode="write"))
    with pytest.raises(HarehearseError, match="The user 'root' of 's' has the privilege"):
        prepare(service(one, two, login="root@", database="/might", mode="write"))


def test_a_full_server_refuses(brittle):
    """It says so when one connects."""
    brittle.do("SET GLOBAL max_connections = 10")
    import pymysql

    login = {
        "host": "127.0.0.1",
        "port": brittle.port,
        "user": "app",
        "password": PASSWORD.encode(),
        "ssl_disabled": True,
    }
    others = []
    try:
        with pytest.raises(pymysql.err.OperationalError, match="Too many connections"):
            others.extend(pymysql.connect(**login) for _ in range(20))
        (answer,) = asked(service(brittle, mode="write"))
    finally:
        for other in others:
            other.close()
    assert (answer.outcome, answer.write, answer.error) == (
        Outcome.REFUSED,
        Write.FAILED,
        "n1: Too many connections",
    )


@pytest.mark.parametrize("session", ["new", "held"])
@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_stopped_server_is_silent(brittle, session, mode):
    """The attempt ends at its deadline; a write's fate is open from when it was sent, which takes a session."""
    asking_for = service(brittle, mode=mode, session=session)
    prepare(asking_for)
    stop = functools.partial(brittle.signal, signal.SIGSTOP)
    answers = asked(asking_for, 2, [stop], timeout=1.5)
    brittle.signal(signal.SIGCONT)
    assert [a.outcome for a in answers] == [Outcome.OK, Outcome.TIMEOUT]
    fate = Write.UNKNOWN if session == "held" else Write.FAILED
    assert [a.write for a in answers] == ([Write.ACKED, fate] if mode == "write" else [None, None])


def test_a_stopped_host_does_not_get_the_write(brittle, two):
    """Whoever is silent is not entrusted with it, as there is another host to go to."""
    prepare(service(two, mode="write"))
    brittle.signal(signal.SIGSTOP)
    (answer,) = asked(service(brittle, two, mode="write", timeout=2.0))
    assert (answer.outcome, answer.by, answer.write) == (Outcome.OK, "n2", Write.ACKED)


@pytest.mark.parametrize(("session", "outcome"), [("new", Outcome.REFUSED), ("held", Outcome.RESET)])
def test_a_killed_server(brittle, session, outcome):
    """A new session is refused; a held one is lost, and then refused as well."""
    answers = asked(service(brittle, session=session), 3, [brittle.close])
    assert [a.outcome for a in answers] == [Outcome.OK, outcome, Outcome.REFUSED]


def test_a_held_session_that_the_server_ends(one):
    """Killed on the server: lost; the next attempt opens another one."""
    pick = "SELECT id FROM information_schema.processlist WHERE user = 'app' ORDER BY id DESC LIMIT 1"

    def kill() -> None:
        one.do(f"KILL {one.do(pick)[0][0]}")

    answers = asked(service(one, session="held"), 3, [kill])
    assert [a.outcome for a in answers] == [Outcome.OK, Outcome.RESET, Outcome.OK]


def test_tls_that_the_server_does_not_offer(one):
    """Nothing is asked in the clear instead."""
    (answer,) = asked(service(one, database="/app?tls=true"))
    assert answer.outcome is Outcome.MISCONFIGURED
    assert "the server offers no TLS" in answer.error
    with pytest.raises(HarehearseError, match=r"TLS|SSL"):
        prepare(service(one, database="/app?tls=true", mode="write"))


def test_a_held_session_gives_up_when_it_was_told_to(one, monkeypatch):
    """The system's own limit is set on the socket."""
    import socket

    seen = []
    real = socket.socket.setsockopt
    monkeypatch.setattr(socket.socket, "setsockopt", lambda sock, *what: (seen.append(what), real(sock, *what))[1])
    asked(service(one, session="held", user_timeout=1.5))
    assert (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1500) in seen
