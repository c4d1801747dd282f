# SPDX-License-Identifier: MIT
"""What an HTTP answer proves: about the service, about a claim, about a numbered write."""

from __future__ import annotations

import pytest

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome, Write
from pytest_harehearse.probes.kinds.base import Trace
from pytest_harehearse.probes.kinds.http import Http
from pytest_harehearse.probes.kinds.http_message import Body, Head

SHOP = """
def write(writer, n): ...
def lookup(url, writer): ...
"""


def service(url: str = "http://h/", **more) -> Service:
    return Service("s", "http", url, **more)


def judged(kind: Http, status: int, body: bytes = b"", **headers: str):
    trace = Trace(write=Write.UNKNOWN if kind.writes else None)
    head = Head(status, {name.replace("_", "-"): value for name, value in headers.items()})
    trace.by = kind.responder(head)
    return kind.judge(head, Body(body, bounded=True), trace)


@pytest.mark.parametrize(
    ("wanted", "status", "served"),
    [((), 200, True), ((), 399, True), ((), 404, False), ((401,), 401, True), ((404,), 200, False)],
)
def test_which_status_counts(wanted, status, served):
    """200 to 399 unless the inventory says which."""
    answer = judged(Http(service(status=wanted)), status)
    assert answer.outcome is (Outcome.OK if served else Outcome.WRONG)
    assert answer.error == ("" if served else f"status {status}")


@pytest.mark.parametrize(
    ("wanted", "status", "outcome"),
    [
        ((), 200, Outcome.OK),
        ((), 299, Outcome.OK),
        ((), 302, Outcome.READ_ONLY),
        ((), 503, Outcome.READ_ONLY),
        ((503,), 503, Outcome.OK),
        ((503,), 200, Outcome.READ_ONLY),
        ((), 401, Outcome.MISCONFIGURED),
    ],
)
def test_a_claim(wanted, status, outcome):
    """2xx is a yes and any other whole answer a no, but for one that asks who is there."""
    assert judged(Http(service(mode="claim", status=wanted)), status).outcome is outcome


@pytest.mark.parametrize(
    ("url", "status", "text"),
    [
        ("http://u:p@h/", 401, "did not accept the user and password of the URL (status 401)"),
        ("http://u:p@h/", 403, "did not accept the user and password of the URL (status 403)"),
        ("http://h/", 401, "asks for a login, the URL has none (status 401)"),
        ("http://h/", 407, "a proxy asks for a login (status 407)"),
    ],
)
def test_a_login_that_is_not_accepted(url, status, text):
    """Is a fault of the inventory and no outage."""
    answer = judged(Http(service(url)), status)
    assert answer.outcome is Outcome.MISCONFIGURED
    assert text in answer.error


def test_forbidden_without_a_login():
    """The service's own answer: nobody said who they are."""
    assert judged(Http(service()), 403).outcome is Outcome.WRONG


def test_who_answered():
    """By the usual headers, or by the one the inventory names and no other."""
    assert judged(Http(service()), 200, x_backend_server="b").by == "b"
    named = Http(service(responder="X-Pod"))
    assert judged(named, 200, x_pod="p1", x_served_by="b").by == "p1"
    assert judged(named, 200, x_served_by="b").by == ""


def test_the_text_that_must_be_there():
    """A maintenance page with status 200 is no service."""
    kind = Http(service(contains="ready"))
    assert judged(kind, 200, b"all ready").outcome is Outcome.OK
    answer = judged(kind, 200, b"sorry")
    assert (answer.outcome, answer.error) == (Outcome.WRONG, "status 200 without 'ready'")


@pytest.fixture
def writing(tmp_path):
    (tmp_path / "shop.py").write_text(SHOP)

    def make(**more) -> Http:
        names = {key: f"{tmp_path}/shop.py:{key}" for key in ("write", "lookup")}
        return Http(service(mode="write", **names, **more), "w")

    return make


@pytest.mark.parametrize(
    ("status", "wanted", "outcome", "fate"),
    [
        (200, (), Outcome.OK, Write.ACKED),
        (201, (201,), Outcome.OK, Write.ACKED),
        (202, (201,), Outcome.WRONG, Write.UNKNOWN),
        (302, (), Outcome.OK, Write.UNKNOWN),
        (400, (), Outcome.WRONG, Write.FAILED),
        (401, (), Outcome.MISCONFIGURED, Write.FAILED),
        (408, (), Outcome.WRONG, Write.UNKNOWN),
        (409, (409,), Outcome.OK, Write.FAILED),
        (500, (), Outcome.WRONG, Write.UNKNOWN),
        (503, (), Outcome.WRONG, Write.UNKNOWN),
    ],
)
def test_the_fate_of_a_write(writing, status, wanted, outcome, fate):
    """Acknowledged only by what counts as served, refused only by who says so, open in every other case."""
    answer = judged(writing(status=wanted), status)
    assert (answer.outcome, answer.write) == (outcome, fate)


@pytest.mark.parametrize(("status", "fate"), [(200, Write.UNKNOWN), (409, Write.FAILED)])
def test_a_write_without_the_text(writing, status, fate):
    """A success that does not say what it must is no acknowledgement; a refusal stays one."""
    assert judged(writing(contains="stored", status=(200, 409)), status, b"queued").write is fate
