# SPDX-License-Identifier: MIT
"""The kind mysql without a server: its URLs, its library, and what answers like no MySQL."""

from __future__ import annotations

import asyncio
import sys

import pytest

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds import make
from pytest_harehearse.probes.kinds.base import ask
from pytest_harehearse.probes.kinds.mysql_login import login_of


def service(url: str, **more) -> Service:
    return Service("s", url.partition("://")[0], url, **more)


def test_what_a_url_says():
    """Hosts, user, password, database; the password as its bytes in UTF-8."""
    login = login_of(service("mariadb://app:geh%40im%20%C3%BC@h1,h2:3307/my%20db"))
    assert [(host.place.host, host.place.port) for host in login.aim.hosts] == [("h1", 3306), ("h2", 3307)]
    assert (login.user, login.password.encode("latin-1").decode(), login.database) == ("app", "geh@im ü", "my db")
    assert login.tls is None
    assert login_of(service("mysql://app@h/?tls=true")).tls is not None
    assert login_of(service("mysql://app@h")).database is None


@pytest.mark.parametrize(
    ("url", "mode", "text"),
    [
        ("mysql://h/app", "read", "names no user"),
        ("mysql://app:geheim@h", "write", 'names no database; mode = "write" keeps its table harehearse_writes in one'),
        ("mysql://app:geheim@h/app?ssl=1", "read", "has options that are not known; known is tls=true"),
        ("mysql://app:geheim@h/app?tls=maybe", "read", "has options that are not known; known is tls=true"),
        ("mysql://app:geheim@/app", "read", "lacks a host"),
        ("mysql://app:ge/heim@h/app", "read", "has a '/'"),
    ],
)
def test_a_url_that_cannot_be_used(url, mode, text):
    """The text says what is wrong and what to write, and never the password."""
    with pytest.raises(ConfigError, match=text) as caught:
        login_of(service(url, mode=mode))
    assert "heim" not in str(caught.value)
    assert str(caught.value).endswith(
        "Write mysql://USER:PASSWORD@HOST1:PORT,HOST2:PORT/DATABASE, with ?tls=true for TLS."
    )


def test_a_missing_library_is_named(monkeypatch):
    """With what to install; the other kinds do without it."""
    for name in ("mysql", "mysql_client"):
        monkeypatch.delitem(sys.modules, f"pytest_harehearse.probes.kinds.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "aiomysql", None)
    with pytest.raises(ConfigError, match=r'pip install "pytest-harehearse\[mysql\]"'):
        make(service("mysql://app@h/app"))
    assert make(service("redis://h"))


@pytest.mark.parametrize(
    ("greeting", "outcome", "text"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1\r\n" + b"x" * 40, Outcome.WRONG, "no answer of a MySQL server"),
        (b"\x05\x00\x00\x00hello", Outcome.WRONG, "no answer of a MySQL server"),
        (b"\x01\x00\x00\x00\x0a", Outcome.WRONG, "no answer of a MySQL server"),
        (b"", Outcome.RESET, "the server closed the connection"),
        (b"\x11\x00\x00\x00\xff\x10\x04Too many conne", Outcome.REFUSED, "Too many conne"),
        (b"\x0f\x00\x00\x00\xff\x69\x04Host blocked", Outcome.REFUSED, "Host blocked"),
    ],
)
def test_what_greets_like_no_server(greeting, outcome, text):
    """A stranger is a wrong answer, a server that is full refuses, one that hangs up resets."""
    pytest.importorskip("aiomysql", reason="needs the library aiomysql")

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    async def work():
        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        url = f"mysql://app:geheim@127.0.0.1:{server.sockets[0].getsockname()[1]}/app"
        answer = await ask(make(service(url, timeout=5.0)), 0, 5.0)
        server.close()
        await asyncio.sleep(0.02)
        return answer

    answer = asyncio.run(work())
    assert answer.outcome is outcome, answer
    assert text in answer.error
