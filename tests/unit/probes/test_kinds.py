# SPDX-License-Identifier: MIT
"""The kinds of probe: their names, their URLs, and what each error proves."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes import kinds
from pytest_harehearse.probes.attempts import Outcome, Write
from pytest_harehearse.probes.kinds.base import Answer, Kind, ask, is_address, of_error


def service(url: str, **more) -> Service:
    return Service("s", url.partition(":")[0], url, **more)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host/", "http://host/"),
        ("http://u:secret@host:80/a?b=c", "http://u:***@host:80/a?b=c"),
        ("postgresql://u:secret@h1:5432,h2:5433/db", "postgresql://u:***@h1:5432,h2:5433/db"),
        ("postgresql://u@h1/db?password=secret&x=1", "postgresql://u@h1/db?password=***&x=1"),
        ("postgresql://u:se/cr@et@h1/db", "postgresql://u:***@h1/db"),
        ("postgresql://u:sec#ret@h1/db", "postgresql://u:***@h1/db"),
        ("redis://u:x@y/heim@h", "redis://u:***@h"),
        ("http://h:8080/a@b", "http://h:8080/a@b"),
        ("http://[::1]:8080/a@b", "http://[::1]:8080/a@b"),
        ("https://h/?access_token=secret", "https://h/?access_token=***"),
        ("no url", "no url"),
    ],
)
def test_a_url_is_shown_without_its_password(url, shown):
    """Whatever is shown or stored goes through here."""
    assert kinds.hide(url) == shown


@given(st.text(st.characters(codec="ascii", exclude_characters="*"), min_size=1).map(lambda s: "Geheim" + s))
def test_no_password_is_ever_shown(password):
    """Also a password that should have been escaped."""
    assert "Geheim" not in kinds.hide(f"postgresql://user:{password}@host/db")


def test_an_unknown_kind_names_the_valid_ones():
    """With the nearest one."""
    with pytest.raises(ConfigError) as caught:
        kinds.make(service("htpp://host/"))
    assert str(caught.value) == (
        "'htpp' is not a kind of probe; valid are command, dns, http, https, icmp, mariadb, mysql, postgres, "
        "postgresql, redis, rediss, tcp. Did you mean 'http'?"
    )


@pytest.mark.parametrize("name", kinds.names())
def test_every_kind_can_be_made(name):
    """The registry's dotted names are right."""
    url = {"command": "command:true", "icmp": "icmp://127.0.0.1"}.get(name, f"{name}://u@127.0.0.1:1/0")
    made = kinds.make(service(url))
    assert isinstance(made, Kind)
    assert kinds.layer_of(made.service) in {"network", "transport", "name", "application", "database"}


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("tcp://host", "the URL 'tcp://host' lacks a port. Write tcp://HOST:PORT."),
        ("tcp://:1", "the URL 'tcp://:1' lacks a host. Write tcp://HOST:PORT."),
        ("tcp://host:99999", "Port out of range 0-65535"),
        ("http:///x", "lacks a host"),
        ("http://u:secret@host:no/", "the URL 'http://u:***@host:no/' cannot be read"),
        ("postgresql://u:secret%zz@h/db", "the URL 'postgresql://u:***@h/db' cannot be read: invalid percent-encoded"),
    ],
)
def test_a_url_that_cannot_be_used(url, text):
    """Says what is wrong and how it is written, never with the password."""
    with pytest.raises(ConfigError) as caught:
        kinds.make(service(url))
    assert text in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), Outcome.REFUSED),
        (ConnectionResetError(errno.ECONNRESET, "x"), Outcome.RESET),
        (BrokenPipeError(errno.EPIPE, "x"), Outcome.RESET),
        (EOFError(), Outcome.RESET),
        (OSError(errno.EHOSTUNREACH, "x"), Outcome.UNREACHABLE),
        (OSError(errno.ENETUNREACH, "x"), Outcome.UNREACHABLE),
        (TimeoutError(errno.ETIMEDOUT, "x"), Outcome.TIMEOUT),
        (socket.gaierror(socket.EAI_NONAME, "x"), Outcome.UNREACHABLE),
        (ssl.SSLCertVerificationError(1, "x"), Outcome.ERROR),
        (OSError(errno.EMFILE, "x"), Outcome.UNKNOWN),
        (OSError(errno.EADDRNOTAVAIL, "x"), Outcome.UNKNOWN),
    ],
)
def test_what_an_error_proves(error, outcome):
    """The runner's own shortages prove nothing."""
    assert of_error(error) is outcome


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", True), ("::1", True), ("fe80::1%eth0", True), ("a.b", False)]
)
def test_only_names_are_resolved(host, address):
    """An address needs no resolver."""
    assert is_address(host) is address


class Scripted(Kind):
    """Does what the test says."""

    secrets = ("geheim",)
    script: object = None

    async def attempt(self, n, trace):
        trace.step, trace.by, trace.write = "half way", "n1", Write.UNKNOWN
        if isinstance(self.script, BaseException):
            raise self.script
        if self.script is None:
            await asyncio.sleep(10)
        return self.script


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        (Answer(Outcome.OK, "n2"), Answer(Outcome.OK, "n2")),
        (None, Answer(Outcome.TIMEOUT, "n1", "no answer within 10 ms (half way)", Write.UNKNOWN)),
        (
            ConnectionResetError(errno.ECONNRESET, "x"),
            Answer(Outcome.RESET, "n1", "Connection reset by peer", Write.UNKNOWN),
        ),
        (KeyError("geheim"), Answer(Outcome.UNKNOWN, "n1", "internal: KeyError: '***'", Write.UNKNOWN)),
        (TimeoutError(errno.ETIMEDOUT, "x"), Answer(Outcome.TIMEOUT, "n1", "Connection timed out", Write.UNKNOWN)),
    ],
)
def test_one_ask(script, answer):
    """Under its deadline, without secrets, and a fault of ours is unknown."""
    kind = Scripted(service("tcp://h:1"))
    kind.script = script
    assert asyncio.run(ask(kind, 1, 0.01)) == answer
