# SPDX-License-Identifier: MIT
"""One REST request: answered, certainly not sent, or sent and not answered."""

from __future__ import annotations

import base64
import json

import pytest

from pytest_harehearse.managers import patroni_rest as rest


@pytest.fixture
def server(rest_servers):
    return rest_servers()


def test_an_answer(server):
    """Status, JSON and text."""
    server.answers["GET /patroni"] = (200, {"state": "running"})
    answer = rest.get("127.0.0.1", server.port, "/patroni", 30)
    assert (answer.status, answer.body, answer.text) == (200, {"state": "running"}, '{"state": "running"}')
    assert (answer.problem, answer.refused) == ("", False)


@pytest.mark.parametrize("status", [400, 412, 503])
def test_a_bad_status_is_an_answer_too(server, status):
    """Patroni answers 503 with a body that counts."""
    server.answers["GET /patroni"] = (status, {"state": "stopped"})
    answer = rest.get("127.0.0.1", server.port, "/patroni", 30)
    assert (answer.status, answer.body) == (status, {"state": "stopped"})


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", "7", "null"])
def test_what_is_no_object_has_no_body(server, text):
    """The text is kept for people."""
    server.answers["GET /patroni"] = (200, text)
    answer = rest.get("127.0.0.1", server.port, "/patroni", 30)
    assert (answer.status, answer.body, answer.text) == (200, {}, text)


def test_a_long_text_is_cut(server):
    """It goes into messages."""
    server.answers["GET /patroni"] = (500, " " + "x" * 1000)
    assert rest.get("127.0.0.1", server.port, "/patroni", 30).text == "x" * 300


def test_a_post_carries_json_and_the_password(server):
    """With basic authentication."""
    server.answers["POST /switchover"] = (200, "done")
    answer = rest.post("127.0.0.1", server.port, "/switchover", {"leader": "n1"}, ("me", "s3:cret"), 30)
    assert (answer.status, answer.text) == (200, "done")
    ((_, headers, body),) = server.requests
    assert json.loads(body) == {"leader": "n1"}
    assert headers["authorization"] == ("Basic " + base64.b64encode(b"me:s3:cret").decode()).lower()
    assert headers["content-type"] == "application/json"


def test_no_answer_is_not_refused(server):
    """It was sent; nobody can tell what becomes of it."""
    server.answers["GET /patroni"] = None
    answer = rest.get("127.0.0.1", server.port, "/patroni", 0.3)
    assert (answer.status, answer.refused) == (None, False)
    assert answer.problem.startswith(f"no answer from 127.0.0.1:{server.port} within ")
    assert answer.problem.endswith(" s: timed out")


@pytest.mark.parametrize("raw", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 X\r\nContent-Length: 50\r\n\r\nhalf"])
def test_a_broken_answer_is_no_answer(server, raw):
    """Hung up on, another protocol, or cut."""
    server.answers["GET /patroni"] = raw
    answer = rest.get("127.0.0.1", server.port, "/patroni", 30)
    assert (answer.status, answer.refused) == (None, False)
    assert answer.problem.startswith("no answer from ")


def test_a_closed_port_was_certainly_not_sent_to(server):
    """The difference between Unreachable and unknown."""
    server.close()
    answer = rest.get("127.0.0.1", server.port, "/patroni", 30)
    assert (answer.status, answer.refused) == (None, True)
    assert answer.problem == f"could not connect to 127.0.0.1:{server.port}: Connection refused"
