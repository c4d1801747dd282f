# SPDX-License-Identifier: MIT
"""Annotations, sent to a real HTTP server on loopback."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from samples import HOSTILE, run, struck, switchover

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.report import grafana

TOKEN = "glsa_a-very-secret-token"


class Server(ThreadingHTTPServer):
    """A Grafana that answers as it is told, and remembers what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got = []
        self.status, self.said, self.headers = 200, b'{"message":"Annotation added","id":1}', {}
        self.hold = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Takes a POST."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Authorization"], json.loads(body)))
        if self.server.hold is not None:
            self.server.hold.wait(30)
        try:
            self.send_response(self.server.status)
            for name, value in self.server.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(self.server.said)))
            self.end_headers()
            self.wfile.write(self.server.said)
        except BrokenPipeError:
            pass

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """One that is gone at the end, asked without a proxy."""
    monkeypatch.setenv("no_proxy", "*")
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    if made.hold is not None:
        made.hold.set()
    made.shutdown()
    made.server_close()
    thread.join(30)
    assert not thread.is_alive()


def one():
    return run(switchover())


def test_a_switchover_is_a_region(server):
    """Where it was, what it was, from when to when, and how it came out."""
    sent = grafana.send(one(), server.url, TOKEN)
    assert (sent.sentence, sent.problem) == ("1 annotation in Grafana", None)
    ((path, authorization, body),) = server.got
    assert (path, authorization) == ("/api/annotations", f"Bearer {TOKEN}")
    begin = 1795232400_000 + 2000
    assert body == {
        "time": begin,
        "timeEnd": begin + 1420,
        "tags": ["harehearse", "lab", "lab/pg", "passed", "switchover"],
        "text": f"switchover pg1 → pg2: done (lab/pg, planned_switchover, run {one().run})",
    }


def test_a_fault_is_a_region(server):
    """Tagged by the fault's name, from the strike to the proof that it is undone."""
    summary = run(struck())
    grafana.send(summary, server.url + "/grafana/", TOKEN)
    fault = struck().faults[0]
    path, _, body = next(each for each in server.got if "fault" in each[2]["tags"])
    assert path == "/grafana/api/annotations"
    assert fault.name in body["tags"]
    assert body["timeEnd"] - body["time"] == round((fault.end - fault.start) * 1000)


def test_an_end_that_is_not_known_is_said(server):
    """A run that was killed: the region reaches to the end of what is known."""
    rehearsal = switchover()
    open_ended = replace(rehearsal, actions=(replace(rehearsal.actions[0], end=None, outcome="unfinished"),))
    (body,) = grafana.regions(run(open_ended))
    assert body["timeEnd"] - body["time"] == round((rehearsal.end - rehearsal.actions[0].start) * 1000)
    assert "unfinished, its end is not known (" in body["text"]


def test_what_nodes_said_is_shown_as_text():
    """Grafana may take an annotation for HTML."""
    rehearsal = switchover()
    hostile = replace(rehearsal, cluster=HOSTILE, actions=(replace(rehearsal.actions[0], label=HOSTILE),))
    (body,) = grafana.regions(run(hostile))
    assert "<" not in body["text"]
    assert not {"\x1b", "\u202e"} & set(body["text"] + "".join(body["tags"]))


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [
        (
            401,
            b'{"message":"Invalid API key"}',
            'answered 401: {"message":"Invalid API key"} (the token in HAREHEARSE_GRAFANA',
        ),
        (403, b"", "answered 403 (the token in HAREHEARSE_GRAFANA_TOKEN must be of a service account that may write"),
        (500, b"\x1b[31mbroken", "answered 500: \ufffd[31mbroken"),
        (202, b"{}", "Grafana answered 202"),
    ],
)
def test_a_no_is_told(server, status, said, told):
    """What it answered, and what to do; nothing is raised."""
    server.status, server.said = status, said
    sent = grafana.send(one(), server.url, TOKEN)
    assert sent.sent == 0
    assert sent.sentence.startswith("0 of 1 annotation in Grafana; ")
    assert told in sent.sentence


def test_the_token_is_never_shown(server):
    """Also when the server says it back, at the very place where its answer is cut."""
    server.status = 500
    for before in range(285, 301):
        server.said = b"x" * before + TOKEN.encode() + b" " + TOKEN.encode()
        sent = grafana.send(one(), server.url, TOKEN)
        assert TOKEN[:5] not in sent.sentence


def test_a_redirect_is_not_followed(server):
    """The token is for the address that was named."""
    server.status, server.headers = 302, {"Location": f"{server.url}/elsewhere"}
    sent = grafana.send(one(), server.url, TOKEN)
    assert "answered 302" in sent.sentence
    assert "(name the address that it redirects to)" in sent.sentence
    assert [path for path, *_ in server.got] == ["/api/annotations"]


def test_one_that_does_not_answer_is_given_up(server):
    """A deadline, and what came of it; the next are not tried."""
    server.hold = threading.Event()
    sent = grafana.send(run(switchover(), switchover()), server.url, TOKEN, each=0.2)
    assert sent.sentence == "0 of 2 annotations in Grafana; it could not be reached: nothing answered within 0.2 s"


def test_all_together_have_a_deadline(server):
    """Many annotations do not make a report wait for long."""
    sent = grafana.send(run(switchover(), switchover()), server.url, TOKEN, together=0.0)
    assert sent.sentence == "0 of 2 annotations in Grafana; the rest was not sent within 0 s"
    assert not server.got


def test_nobody_there(server):
    """Told in a sentence."""
    gone = Server()
    gone.server_close()
    sent = grafana.send(one(), gone.url, TOKEN)
    assert "0 of 1 annotation in Grafana; it could not be reached: " in sent.sentence
    assert "refused" in sent.sentence


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_nothing_is_sent(server, token):
    """And it is said where the token is taken from."""
    sent = grafana.send(one(), server.url, token)
    assert "no token: set HAREHEARSE_GRAFANA_TOKEN to that of a service account" in sent.sentence
    assert not server.got


@pytest.mark.parametrize("token", ["a b", "a\nX-Header: b", "ä"])
def test_a_token_that_is_none_is_not_sent(server, token):
    """It would be another header, or be shown by an error."""
    sent = grafana.send(one(), server.url, token)
    assert "HAREHEARSE_GRAFANA_TOKEN is no token: it has spaces, line breaks or letters" in sent.sentence
    assert token not in sent.sentence
    assert not server.got


@pytest.mark.parametrize("url", ["", "grafana.example", "ftp://g", "https://", "http://h:x", "file:///etc/passwd"])
def test_what_is_no_url_is_refused(url):
    """Before anything is sent."""
    with pytest.raises(
        ConfigError, match=r"^--grafana: this is no URL of a Grafana; write it as https://grafana\.example$"
    ):
        grafana.address(url)


@pytest.mark.parametrize("url", ["https://me:pw@g", "https://g/?token=pw", "https://g/#pw"])
def test_a_secret_in_the_url_is_refused_and_not_shown(url):
    """It would stand in the process list and in the log of a job."""
    with pytest.raises(ConfigError) as caught:
        grafana.address(url)
    assert "the token is taken from HAREHEARSE_GRAFANA_TOKEN" in str(caught.value)
    assert "pw" not in str(caught.value)
