# SPDX-License-Identifier: MIT
"""A user's own two callables: found, checked, called, and never trusted."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from pytest_harehearse.errors import ConfigError, Indeterminate
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome, Write
from pytest_harehearse.probes.kinds import http_writes, make, prepare, take_writes
from pytest_harehearse.probes.kinds.base import Answer, Trace
from pytest_harehearse.probes.kinds.http_writes import HttpWrite

GOOD = """
from __future__ import annotations
from dataclasses import dataclass
from pytest_harehearse.probes.kinds.http_writes import HttpWrite

@dataclass
class Order:
    n: int

def write(writer, n):
    return HttpWrite("orders", body=f"{writer} {Order(n).n}".encode())

def lookup(url, writer):
    yield from (1, 2, 2)
"""


@pytest.fixture
def shop(tmp_path):
    """Return a service whose callables are in a file of this text."""

    def of(text: str = GOOD, url: str = "http://u:geheim@h/", **more) -> Service:
        file = tmp_path / "shop.py"
        file.write_text(text)
        keys = {"write": f"{file}:write", "lookup": f"{file}:lookup"}
        return Service("shop", "http", url, mode="write", **{**keys, **more})

    return of


def test_both_are_called(shop):
    """One makes the request of a number, the other counts the numbers that are there."""
    service = shop()
    prepare(service)
    kind = make(service, "w1")
    request = kind.request(7, Trace())
    assert request.startswith(b"POST /orders HTTP/1.1\r\n")
    assert request.endswith(b"\r\n\r\nw1 7")
    assert take_writes(service, "w1", 5) == Counter({1: 1, 2: 2})


def test_one_file_is_loaded_once(shop):
    """What one callable remembers, the other finds; a changed file is another one."""
    service = shop("seen = []\ndef write(w, n): seen.append(n)\ndef lookup(u, w): return seen\n")
    http_writes.write_of(service)("w", 3)
    assert take_writes(service, "w", 5) == Counter([3])
    assert take_writes(shop(), "w", 5) == Counter([1, 2, 2])


@pytest.mark.parametrize(
    ("text", "more", "wanted"),
    [
        (GOOD, {"write": None}, "has mode = 'write' but no write"),
        (GOOD, {"lookup": None}, "has mode = 'write' but no lookup"),
        (GOOD, {"write": "shop.txt:write"}, "names no function"),
        (GOOD, {"write": "/nowhere/shop.py:write"}, "/nowhere/shop.py cannot be loaded for its write: No such file"),
        ("def lookup(url, writer): ...", {}, "shop.py has no function 'write' for its write"),
        ("write = 3\ndef lookup(u, w): ...", {}, "has no function 'write'"),
        ("import", {}, "SyntaxError"),
        ("import nowhere_at_all", {}, "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("raise SystemExit(3)", {}, "SystemExit: 3"),
        ("async def write(w, n): ...\ndef lookup(u, w): ...", {}, "is async; write plain def write(writer, n)"),
        ("def write(n): ...\ndef lookup(u, w): ...", {}, "does not fit"),
    ],
)
def test_what_is_wrong_with_them(shop, text, more, wanted):
    """Said before anything is measured, with file, function and reason."""
    with pytest.raises(ConfigError) as caught:
        make(shop(text, **more))
    assert "the service 'shop'" in str(caught.value)
    assert wanted in str(caught.value)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("raise KeyError('x')", "made no request for number 4: KeyError: 'x'"),
        ("return 'POST'", "TypeError: it returned str, not HttpWrite"),
        ("return HttpWrite(method='A B')", "ValueError: 'A B' is no method that writes"),
        ("return HttpWrite(body='text')", "TypeError: HttpWrite's body is str, not bytes"),
        ("return HttpWrite(headers=5)", "TypeError"),
        ("return HttpWrite(path=None)", "TypeError: HttpWrite's path is NoneType, not str"),
    ],
)
def test_a_request_that_is_none(shop, body, text):
    """Is no outage, and nothing was written."""
    head = "from pytest_harehearse.probes.kinds.http_writes import HttpWrite\n"
    kind = make(shop(f"{head}def write(w, n):\n    {body}\ndef lookup(u, w): ...\n"))
    answer = kind.request(4, Trace())
    assert isinstance(answer, Answer)
    assert (answer.outcome, answer.write) == (Outcome.MISCONFIGURED, Write.FAILED)
    assert text in answer.error


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("raise OSError(f'no way to {url}')", "shop.py:lookup failed with OSError: no way to http://u:***@h/"),
        ("raise SystemExit", "failed with SystemExit"),
        ("return None", "failed with TypeError"),
        ("return [1, 'two']", "returned 'two' among its numbers"),
        ("return [True]", "returned True among its numbers"),
    ],
)
def test_numbers_that_are_not_known(shop, body, text):
    """Unknown, with the reason and without the password; never an empty look-up."""
    service = shop(f"def write(w, n): ...\ndef lookup(url, writer):\n    {body}\n")
    with pytest.raises(Indeterminate) as caught:
        take_writes(service, "w", 5)
    assert text in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_a_lookup_that_does_not_end(shop, monkeypatch):
    """Unknown after its deadline."""
    service = shop("def write(w, n): ...\ndef lookup(url, writer): go.wait(); return []\n")
    go = threading.Event()
    http_writes.lookup_of(service).__globals__["go"] = go
    with pytest.raises(Indeterminate, match="did not return within 50 ms"):
        take_writes(service, "w", 0.05)
    go.set()
    for thread in threading.enumerate():
        if thread.name == "harehearse-lookup":
            thread.join(5)


def test_headers_of_either_form():
    """A mapping, or pairs where a name comes twice."""
    assert HttpWrite(headers={"A": "b"}).pairs() == (("A", "b"),)
    assert HttpWrite(headers=[("A", "b"), ("A", "c")]).pairs() == (("A", "b"), ("A", "c"))
