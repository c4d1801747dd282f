# SPDX-License-Identifier: MIT
"""Reading HTTP answers, also those that are none."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.probes.kinds.http_message import (
    BODY_LIMIT,
    HEAD_LIMIT,
    Body,
    Head,
    NotHttp,
    Source,
    parse_head,
    read_body,
    read_head,
)


def source(*parts: bytes) -> Source:
    left = list(parts)

    async def more() -> bytes:
        return left.pop(0) if left else b""

    return Source(more)


def whole(*parts: bytes) -> tuple[Head, Body, int]:
    async def both() -> tuple[Head, Body, int]:
        come = source(*parts)
        head = await read_head(come)
        return head, await read_body(come, head), len(come)

    return asyncio.run(both())


def read(*parts: bytes) -> tuple[int, bytes]:
    head, body, _ = whole(*parts)
    return head.status, body.data


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nhello", 200, b"hello"),
        (b"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nhello", 200, b"hel"),
        (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", 503, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 204, b""),
        (b"HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n", 204, b""),
        (b"HTTP/1.1 101 Switching\r\n\r\nabc", 101, b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 200, b"hello"),
    ],
)
def test_answers(raw, status, body):
    """Status and body by length, by chunks, or up to the end."""
    assert read(raw) == (status, body)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (BODY_LIMIT + 10),
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT + 1) + b"x" * (BODY_LIMIT + 1),
        b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n" % (b"9" * 5000) + b"x" * (BODY_LIMIT + 1),
        CHUNKED + b"100000\r\n" + b"x" * BODY_LIMIT + b"\r\n1\r\nx\r\n0\r\n\r\n",
    ],
)
def test_a_large_body_is_read_up_to_a_mebibyte(raw):
    """No answer fills the meter's memory, and what is left of it is never taken for the next one."""
    _, body, _ = whole(raw)
    assert len(body.data) == BODY_LIMIT
    assert not body.bounded


@pytest.mark.parametrize(
    ("raw", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: X, Close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n", True),
    ],
)
def test_whether_the_server_keeps_the_connection(raw, keeps):
    """By default from HTTP/1.1 on, and as it says."""
    assert parse_head(raw).keeps is keeps


@pytest.mark.parametrize(
    ("raw", "bounded", "left"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP", True, 4),
        (CHUNKED + b"2\r\nab\r\n0\r\nTrailer: x\r\n\r\nHTTP", True, 4),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nHTTP", True, 4),
        (b"HTTP/1.1 200 OK\r\n\r\nab", False, 0),
    ],
)
def test_where_an_answer_ends(raw, bounded, left):
    """Another answer can follow only where this one's end is known; nothing of the next one is taken."""
    _, body, remaining = whole(raw)
    assert (body.bounded, remaining) == (bounded, left)


@given(st.data())
def test_an_answer_is_the_same_however_it_comes(data):
    """Packets may cut it anywhere."""
    body = data.draw(st.binary(max_size=300))
    sizes = data.draw(st.lists(st.integers(1, 50), max_size=8))
    chunks = b""
    rest = body
    for size in [*sizes, 1000]:
        part, rest = rest[:size], rest[size:]
        chunks += b"%x\r\n%s\r\n" % (len(part), part) if part else b""
    head = data.draw(st.sampled_from([b"HTTP/1.1 100 Continue\r\n\r\n", b""]))
    raw, left = head + CHUNKED + chunks + b"0\r\n\r\n", []
    while raw:
        size = data.draw(st.integers(1, len(raw)))
        left.append(raw[:size])
        raw = raw[size:]
    assert read(*left) == (200, body)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc", "its length is '3, 3'"),
        (CHUNKED + b"zz\r\n", "a chunk without its size"),
        (CHUNKED + b"-1\r\n", "a chunk of negative size"),
        (CHUNKED + b"1\r\nab\r\n", "a chunk longer than its size"),
        (CHUNKED + b"0\r\n" + b"A: b\r\n" * 200, "more than 100 trailers"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * (HEAD_LIMIT + 1), "more than 64 KiB of headers"),
        (CHUNKED + b"0" * 10000, "more than 8 KiB of a chunk's first line"),
    ],
)
def test_what_breaks_the_rules(raw, text):
    """A wrong answer, with what is wrong."""
    with pytest.raises(NotHttp, match=text):
        read(raw)


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


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", CHUNKED, CHUNKED + b"3\r\nab", CHUNKED + b"0\r\n"]
)
def test_a_body_that_breaks_off(raw):
    """What is cut short is not taken for the whole."""
    with pytest.raises(EOFError, match="the server closed the connection within its answer"):
        read(raw)


def test_who_speaks_something_else_and_then_waits():
    """Is known from its first bytes; nobody waits for the end of a line that never comes."""

    async def first() -> None:
        async def more() -> bytes:
            return said.pop()

        said = [b"\x00\x01"]
        await read_head(Source(more))

    with pytest.raises(NotHttp, match="the answer is not HTTP: "):
        asyncio.run(first())


@given(st.binary(max_size=200), st.sampled_from([b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", CHUNKED, b""]))
def test_no_answer_surprises(raw, before):
    """Any bytes are an answer, no HTTP, or broken off; nothing else is raised."""
    with contextlib.suppress(NotHttp, EOFError):
        read(before + raw)


def test_names_who_answered_whatever_the_case():
    """Headers are compared without case."""
    assert parse_head(b"HTTP/1.1 200 OK\r\nX-Served-By:  web1 \r\n\r\n").headers["x-served-by"] == "web1"
