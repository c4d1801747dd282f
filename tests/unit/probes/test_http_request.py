# SPDX-License-Identifier: MIT
"""HTTP requests: nothing of a URL or a user's callable breaks out of its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.probes.kinds.http_request import Requests, split


def made(url: str, *, keep: bool = False) -> Requests:
    return Requests(split(url), keep=keep)


@pytest.mark.parametrize(
    ("url", "lines"),
    [
        ("http://h/a b?c=d&e", ["GET /a%20b?c=d&e HTTP/1.1", "Host: h"]),
        ("http://h:8080", ["GET / HTTP/1.1", "Host: h:8080"]),
        ("http://h?q", ["GET /?q HTTP/1.1"]),
        ("http://[::1]:8080/", ["Host: [::1]:8080"]),
        ("http://u:p%40@h/", ["Authorization: Basic dTpwQA=="]),
        ("http://h/\r\nX: y", ["GET /X:%20y HTTP/1.1"]),
        ("http://h//a#part", ["GET //a HTTP/1.1"]),
    ],
)
def test_the_request(url, lines):
    """One GET that asks to close; nothing of the URL breaks out of its line."""
    request = made(url).get().decode()
    sent = request.split("\r\n")
    assert set(lines) <= set(sent)
    assert "Connection: close" in sent
    assert request.endswith("\r\n\r\n")


def test_a_held_session_does_not_ask_to_close():
    """Keeping the connection is the default of HTTP/1.1."""
    assert b"Connection:" not in made("http://h/", keep=True).get()


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", "/app/?k=v"),
        ("orders", "/app/orders"),
        ("orders/7?x=a b", "/app/orders/7?x=a%20b"),
        ("/root", "/root"),
        ("../up", "/up"),
    ],
)
def test_where_a_write_goes(path, target):
    """Its path is taken relative to the service's URL."""
    assert made("http://h/app/?k=v").write("POST", path, [], b"").startswith(f"POST {target} HTTP/1.1\r\n".encode())


def test_a_write():
    """Headers, login and the body with its length; a user's header goes before the probe's own."""
    request = made("http://u:p@h/").write("PUT", "n", [("Accept", "text/x"), ("X-N", "7")], b"a\r\n\r\nb")
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.decode().split("\r\n") == [
        "PUT /n HTTP/1.1",
        "Host: h",
        "User-Agent: harehearse",
        "Connection: close",
        "Accept: text/x",
        "X-N: 7",
        "Authorization: Basic dTpw",
        "Content-Length: 6",
    ]
    assert body == b"a\r\n\r\nb"


def test_a_login_of_the_users_own():
    """Takes the place of the URL's."""
    request = made("http://u:p@h/").write("POST", "", [("authorization", "Bearer t")], b"")
    assert b"authorization: Bearer t" in request
    assert b"Basic" not in request


@pytest.mark.parametrize(
    ("method", "path", "headers", "text"),
    [
        ("PO ST", "", [], "is no method that writes"),
        ("HEAD", "", [], "is no method that writes"),
        ("POST", "http://other/", [], "names a host"),
        ("POST", "//other/", [], "names a host"),
        ("POST", "", [("A b", "c")], "is no name of a header"),
        ("POST", "", [("A", "b\r\nC: d")], "line break"),
        ("POST", "", [("A", "–")], "latin-1"),
        ("POST", "", [("Content-Length", "3")], "is set by the probe"),
        ("POST", "", [("HOST", "x")], "is set by the probe"),
    ],
)
def test_what_cannot_be_sent(method, path, headers, text):
    """Says what is wrong with it."""
    with pytest.raises(ValueError, match=text):
        made("http://h/").write(method, path, headers, b"")


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_path_breaks_out_of_its_line(path, value):
    """Whatever the callable returns, the request has exactly the lines it should have."""
    try:
        request = made("http://h/").write("POST", path, [("X-A", value)], b"")
    except ValueError:
        return
    lines = request.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert len(lines) == 7
    assert lines[0].count(b" ") == 2
    assert b"\n" not in b"".join(lines)
    assert b"\r" not in b"".join(lines)
