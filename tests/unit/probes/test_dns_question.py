# SPDX-License-Identifier: MIT
"""dns URLs, and what each answer of a name server proves."""

from __future__ import annotations

import sys

import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds import make
from pytest_harehearse.probes.kinds.dns import question

NAME = "db.example."


def service(url: str) -> Service:
    return Service("name", "dns", url)


def judged(url: str, *records: str, rcode: int = dns.rcode.NOERROR, kind=None, newest=None):
    made = kind or make(service(url))
    query = dns.message.make_query(NAME, made._question.type)
    answer = dns.message.make_response(query)
    answer.set_rcode(rcode)
    for record in records:
        name, type_, text = record.split(None, 2)
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", type_, text))
    return made._judge(answer, newest)


def test_a_url():
    """Server, port, name, type and what is expected."""
    asked = question("dns://127.0.0.1:5353/db.example?type=AAAA&expect=fd00::1&expect=FD00:0::2")
    assert (asked.place.host, asked.place.port) == ("127.0.0.1", 5353)
    assert (asked.name.to_text(), asked.type.name) == (NAME, "AAAA")
    assert {record.to_text() for record in asked.expect} == {"fd00::1", "fd00::2"}
    assert question("dns://[::1]/db.example").place.port == 53
    assert question("dns://ns/db.example.").type.name == "A"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("dns:///db.example", "lacks the name server: the system's own resolver is not asked"),
        ("dns://ns", "lacks the name to ask for"),
        ("dns://ns:99999/x", "cannot be read: Port out of range"),
        ("dns://ns/x?typ=A", "has 'typ'; valid are type and expect"),
        ("dns://ns/x?type", "cannot be read"),
        ("dns://ns/x?type=NOPE", "cannot be used"),
        ("dns://ns/x?type=ANY", "asks for type ANY, which is no type of a record"),
        ("dns://ns/x?expect=db2", "cannot be used"),
        (f"dns://ns/{'x' * 70}", "cannot be used: A DNS label is > 63 octets long"),
    ],
)
def test_a_url_that_cannot_be_used(url, text):
    """Says what is wrong and how it is written."""
    with pytest.raises(ConfigError) as caught:
        make(service(url))
    assert text in str(caught.value)
    assert "Write dns://SERVER[:PORT]/NAME?type=A&expect=VALUE." in str(caught.value)


@given(st.text(max_size=60))
def test_no_url_surprises(rest):
    """Whatever is written is a question or a fault of the configuration."""
    try:
        question(f"dns://ns/{rest}")
    except ConfigError:
        return


def test_without_the_library(monkeypatch):
    """Names the extra that brings it."""
    for name in [name for name in sys.modules if name == "dns" or name.startswith("dns.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dns", None)
    with pytest.raises(ConfigError, match=r"pip install \"pytest-harehearse\[dns\]\""):
        make(service("dns://ns/x"))


@pytest.mark.parametrize(
    ("query", "records", "outcome", "by", "text"),
    [
        ("", ["db.example. A 198.18.0.5"], Outcome.OK, "198.18.0.5", ""),
        ("", ["db.example. CNAME n1.example.", "n1.example. A 198.18.0.5"], Outcome.OK, "198.18.0.5", ""),
        ("", ["db.example. CNAME n1.example."], Outcome.WRONG, "", "no A record"),
        ("", [], Outcome.WRONG, "", "no A record"),
        ("?expect=198.18.0.5", ["db.example. A 198.18.0.5"], Outcome.OK, "198.18.0.5", ""),
        (
            "?expect=198.18.0.5",
            ["db.example. A 198.18.0.6"],
            Outcome.WRONG,
            "198.18.0.6",
            "answered 198.18.0.6, expected 198.18.0.5",
        ),
        (
            "?expect=198.18.0.5&expect=198.18.0.6",
            ["db.example. A 198.18.0.6", "db.example. A 198.18.0.7"],
            Outcome.WRONG,
            "198.18.0.6",
            "answered 198.18.0.7, expected 198.18.0.5 or 198.18.0.6",
        ),
        ("?type=CNAME&expect=N1.example", ["db.example. CNAME n1.example."], Outcome.OK, "n1.example.", ""),
    ],
)
def test_the_records(query, records, outcome, by, text):
    """Of the type that was asked for, at the end of any chain of aliases, and none but those expected."""
    answer = judged(f"dns://ns/db.example{query}", *records)
    assert (answer.outcome, answer.by, answer.error) == (outcome, by, text)


@pytest.mark.parametrize(
    ("rcode", "outcome"),
    [
        ("NXDOMAIN", Outcome.WRONG),
        ("SERVFAIL", Outcome.REFUSED),
        ("REFUSED", Outcome.REFUSED),
        ("NOTIMP", Outcome.ERROR),
    ],
)
def test_what_the_server_says_instead(rcode, outcome):
    """In its own words."""
    answer = judged("dns://ns/db.example", rcode=dns.rcode.from_text(rcode))
    assert (answer.outcome, answer.error) == (outcome, rcode)


def test_a_zone_that_went_back():
    """A serial older than one seen before the question is stale; one seen meanwhile proves nothing."""

    def soa(serial: int) -> str:
        return f"db.example. SOA ns.example. root.example. {serial} 1 1 1 1"

    url = "dns://ns/db.example?type=SOA"
    kind = make(service(url))
    assert judged(url, soa(7), kind=kind).outcome is Outcome.OK
    newest = kind._newest
    assert judged(url, soa(7), kind=kind, newest=newest).outcome is Outcome.OK
    stale = judged(url, soa(5), kind=kind, newest=newest)
    assert (stale.outcome, stale.error) == (Outcome.STALE, "serial 5, 7 was seen before")
    assert judged(url, soa(5), kind=kind, newest=None).outcome is Outcome.OK
    assert kind._newest.value == 7
    # Serials run in a circle.
    around = make(service(url))
    judged(url, soa(2**32 - 1), kind=around)
    assert judged(url, soa(3), kind=around, newest=around._newest).outcome is Outcome.OK
    assert around._newest.value == 3
