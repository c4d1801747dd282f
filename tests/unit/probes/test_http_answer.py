# SPDX-License-Identifier: MIT
"""Reading HTTP answers, also those that are none."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.kinds.http import BODY_LIMIT, Http, NotHttp, parse_head, read_body, read_head


def read(raw: bytes) -> tuple[int, bytes]:
    async def both() -> tuple[int, bytes]:
        reader = asyncio.StreamReader()
        reader.feed_data(raw)
        reader.feed_eof()
        head = await read_head(reader)
        return head.status, await read_body(reader, head)

    return asyncio.run(both())


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nhello", 200, b"hello"),
        (b"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nhello", 200, b"hel"),
        (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", 503, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 204, b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 200, b"hello"),
    ],
)
def test_answers(raw, status, body):
    """Status and body by length, by chunks, or up to the end."""
    assert read(raw) == (status, body)


def test_a_large_body_is_read_up_to_a_mebibyte():
    """No answer fills the meter's memory."""
    assert len(read(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (BODY_LIMIT + 10))[1]) == BODY_LIMIT


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 2 OK\r\n\r\n",
        b"HTTP/1.1 2000\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"220 ok\r\n\r\n",
    ],
)
def test_what_is_not_http(raw):
    """Something else listens there: a wrong answer, with what it said."""
    with pytest.raises(NotHttp, match="the answer is not HTTP: "):
        read(raw)


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nA: b"])
def test_an_answer_that_breaks_off(raw):
    """Closed without or within an answer: no success."""
    with pytest.raises(EOFError, match="the server closed the connection with"):
        read(raw)


@given(st.binary(max_size=200))
def test_no_answer_surprises(raw):
    """Any bytes are an answer, no HTTP, or broken off; nothing else is raised."""
    with contextlib.suppress(NotHttp, EOFError):
        read(b"HTTP/1.1 " + raw)


def test_names_who_answered_whatever_the_case():
    """Headers are compared without case."""
    assert parse_head(b"HTTP/1.1 200 OK\r\nX-Served-By:  web1 \r\n\r\n").headers["x-served-by"] == "web1"


@pytest.mark.parametrize(
    ("url", "lines"),
    [
        ("http://h/a b?c=d&e", ["GET /a%20b?c=d&e HTTP/1.1", "Host: h"]),
        ("http://h:8080", ["GET / HTTP/1.1", "Host: h:8080"]),
        ("http://[::1]:8080/", ["Host: [::1]:8080"]),
        ("http://u:p%40@h/", ["Authorization: Basic dTpwQA=="]),
        ("http://h/\r\nX: y", ["GET /X:%20y HTTP/1.1"]),
    ],
)
def test_the_request(url, lines):
    """One GET that asks to close; nothing of the URL breaks out of its line."""
    request = Http(Service("s", "http", url))._request.decode()
    sent = request.split("\r\n")
    assert set(lines) <= set(sent)
    assert "Connection: close" in sent
    assert request.endswith("\r\n\r\n")


@pytest.mark.parametrize(
    ("wanted", "status", "served"),
    [((), 200, True), ((), 399, True), ((), 404, False), ((401,), 401, True), ((401,), 200, False)],
)
def test_which_status_counts(wanted, status, served):
    """200 to 399 unless the inventory says which."""
    assert Http(Service("s", "http", "http://h/", status=wanted))._served(status) is served
