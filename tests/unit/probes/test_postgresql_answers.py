# SPDX-License-Identifier: MIT
"""What PostgreSQL's errors prove, and how its URL becomes hosts."""

from __future__ import annotations

import pytest

from pytest_harehearse.errors import ConfigError, HarehearseError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes import kinds
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds.postgresql_errors import certain, of_sqlstate, of_text, short
from pytest_harehearse.probes.kinds.postgresql_hosts import target

AT = 'connection to server at "127.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (AT + "Connection refused\n\tIs the server running on that host?", Outcome.REFUSED),
        (AT + "FATAL:  the database system is starting up", Outcome.REFUSED),
        (AT + "FATAL:  the database system is shutting down", Outcome.REFUSED),
        (AT + "FATAL:  sorry, too many clients already", Outcome.REFUSED),
        (AT + "server closed the connection unexpectedly", Outcome.RESET),
        ("could not receive data from server: Connection reset by peer", Outcome.RESET),
        (AT + "FATAL:  terminating connection due to administrator command", Outcome.RESET),
        (AT + "No route to host", Outcome.UNREACHABLE),
        (AT + "Connection timed out", Outcome.TIMEOUT),
        (AT + 'FATAL:  password authentication failed for user "u"', Outcome.MISCONFIGURED),
        (AT + 'FATAL:  database "x" does not exist', Outcome.MISCONFIGURED),
        (AT + 'FATAL:  role "x" does not exist', Outcome.MISCONFIGURED),
        (AT + 'FATAL:  permission denied for database "x"', Outcome.MISCONFIGURED),
        (AT + 'FATAL:  no pg_hba.conf entry for host "h", user "u"', Outcome.MISCONFIGURED),
        (AT + "Cannot assign requested address", Outcome.UNKNOWN),
        (AT + "FATAL:  Passwort-Authentifizierung für Benutzer »u« fehlgeschlagen", Outcome.ERROR),
    ],
)
def test_what_a_failed_connection_proves(text, outcome):
    """A text nobody knows is an error, never an answer."""
    assert of_text(text) is outcome


@pytest.mark.parametrize(
    ("code", "outcome", "sure"),
    [
        ("25006", Outcome.READ_ONLY, True),
        ("57P03", Outcome.REFUSED, False),
        ("57P01", Outcome.RESET, False),
        ("08006", Outcome.RESET, False),
        ("28P01", Outcome.MISCONFIGURED, True),
        ("3D000", Outcome.MISCONFIGURED, True),
        ("42P01", Outcome.MISCONFIGURED, True),
        ("42501", Outcome.MISCONFIGURED, True),
        ("53100", Outcome.ERROR, True),
        ("", Outcome.ERROR, False),
    ],
)
def test_what_a_sqlstate_proves(code, outcome, sure):
    """And whether the write certainly failed."""
    assert (of_sqlstate(code), certain(code)) == (outcome, sure)


def test_the_address_is_not_repeated():
    """The telling part of libpq's text."""
    assert short(AT + "Connection refused\n\tIs the server running?") == "Connection refused"
    assert short("connection failed: " + AT + "x") == "x"
    assert short('connection to server on socket "/tmp/.s.PGSQL.5432" failed: No such file or directory') == (
        "No such file or directory"
    )
    assert short("") == ""


def hosts(url: str, responders: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    found = target(Service("w", "postgresql", url, responders=responders))
    return [(h.host, h.port, h.label) for h in found.hosts]


def test_hosts_of_a_url():
    """Several hosts, one or several ports, named as the inventory names them."""
    assert hosts("postgresql://u@h1:1,h2:2/db", ("n1", "n2")) == [("h1", "1", "n1"), ("h2", "2", "n2")]
    assert hosts("postgresql://u@h1:1,h2:2/db") == [("h1", "1", "h1"), ("h2", "2", "h2")]
    assert hosts("postgresql://u@h:1,h:2/db") == [("h", "1", "h:1"), ("h", "2", "h:2")]
    assert hosts("postgresql://[::1]:5/db") == [("::1", "5", "::1")]
    assert hosts("postgresql:///db?host=h1,h2&port=7") == [("h1", "7", "h1"), ("h2", "7", "h2")]


def test_what_spans_hosts_is_the_probes_business():
    """target_session_attrs and connect_timeout of the URL do not reach libpq; the rest does."""
    url = "postgresql://u:p@h1,h2/db?target_session_attrs=read-write&connect_timeout=9&sslmode=require"
    found = target(Service("w", "postgresql", url))
    text = found.conninfo(found.hosts[1], "192.0.2.1")
    assert "host=h2" in text
    assert "hostaddr=192.0.2.1" in text
    assert "sslmode=require" in text
    assert "target_session_attrs" not in text
    assert "connect_timeout" not in text


def test_hosts_and_ports_must_go_together():
    """Two ports for three hosts is a mistake that names the URL."""
    with pytest.raises(
        ConfigError, match=r"'postgresql:///db\?host=a,b,c&port=1,2' has 3 hosts, but 2 ports and 1 addresses"
    ):
        target(Service("w", "postgresql", "postgresql:///db?host=a,b,c&port=1,2"))


def test_preparing_without_a_server_says_why(monkeypatch):
    """The table cannot be made: the URL without its password, the reason, and what to do."""
    from pytest_harehearse.probes.kinds import postgresql_table

    monkeypatch.setattr(postgresql_table.prepare, "__defaults__", (0.1,))
    with pytest.raises(HarehearseError) as caught:
        kinds.prepare(Service("write", "postgresql", "postgresql://u:secret@127.0.0.1:1/db", "write"))
    assert str(caught.value) == (
        "The table harehearse.writes for the numbered writes of 'write' could not be made ready: no host of "
        "postgresql://u:***@127.0.0.1:1/db takes writes, waited at most 100 ms (127.0.0.1: Connection refused). "
        'The user of its URL must be let in and may CREATE in that database; or ask it with mode = "read".'
    )


def test_reading_needs_no_preparation():
    """Only numbered writes need their table."""
    kinds.prepare(Service("read", "postgresql", "postgresql://u:secret@127.0.0.1:1/db"))
