# SPDX-License-Identifier: MIT
"""RESP2: whatever is sent is read back, however it was chopped up; what is none is never taken for an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.probes.kinds.redis_resp import Failure, NotRedis, Replies, encode

TEXT = st.binary(max_size=40).filter(lambda text: b"\r" not in text and b"\n" not in text)
SCALAR = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=60),
    TEXT.map(lambda text: Failure(text.decode(errors="replace"))),
)
REPLY = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=4), max_leaves=12)


def depth(reply) -> int:
    return 1 + max(map(depth, reply), default=0) if isinstance(reply, list) else 0


def sent(reply) -> bytes:
    """Return a reply as a server sends it."""
    match reply:
        case None:
            return b"$-1\r\n"
        case int():
            return b":%d\r\n" % reply
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(reply), reply)
        case Failure(text):
            return b"-%b\r\n" % text.encode()
        case _:
            return b"*%d\r\n" % len(reply) + b"".join(map(sent, reply))


def read(pieces) -> list:
    replies, found = Replies(), []
    for piece in pieces:
        replies.feed(piece)
        while (whole := replies.take()) is not None:
            found.append(whole[0])
    return found


@given(st.lists(REPLY.filter(lambda reply: depth(reply) < 8), max_size=5), st.data())
def test_what_was_sent_is_read(replies, data):
    """However the network chops it up."""
    stream = b"".join(map(sent, replies))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(pieces) == replies
    assert read([stream]) == replies


@given(st.binary(max_size=300))
def test_anything_is_a_reply_or_none(stream):
    """What comes from a stranger is read, waited for or refused, and nothing else happens."""
    replies = Replies()
    replies.feed(stream)
    try:
        while replies.take() is not None:
            pass
    except NotRedis:
        pass
    else:
        assert len(stream) == 0 or stream[:1] in {b"+", b"-", b":", b"$", b"*"}


@given(st.lists(st.one_of(st.binary(max_size=20), st.integers(), st.text(max_size=20)), min_size=1, max_size=5))
def test_a_command_is_an_array_of_strings(words):
    """As every server reads it."""
    raw = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    assert read([encode(*words)]) == [raw]


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "it begins with b'HTTP/1.1 400 Bad Req'"),
        (b":1_0\r\n", "where a number is expected"),
        (b": 1\r\n", "where a number is expected"),
        (b":\r\n", "where a number is expected"),
        (b":-\r\n", "where a number is expected"),
        (b":9223372036854775808\r\n", "where a number is expected"),
        (b"$-2\r\n", "where a number is expected"),
        (b"$536870913\r\n", "where a number is expected"),
        (b"*-2\r\n", "where a number is expected"),
        (b"$3\r\nabcd\r\n", "a string of another length than announced"),
        (b"*1\r\n" * 9, "arrays within arrays"),
        (b"+" + b"x" * 70000, "a line without an end"),
    ],
)
def test_what_no_server_sends(stream, text):
    """Is said with what it was."""
    with pytest.raises(NotRedis, match=text):
        read([stream])


def test_the_two_nulls_and_the_empty_ones():
    """A missing string and a missing array are both nothing; an empty one is not."""
    assert read([b"*-1\r\n$-1\r\n$0\r\n\r\n*0\r\n+\r\n"]) == [None, None, b"", [], b""]
