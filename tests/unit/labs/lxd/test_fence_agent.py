# SPDX-License-Identifier: MIT
"""The fence agent against a server that speaks LXD's API: off is only off when the server says so."""

from __future__ import annotations

import http.server
import json
import ssl
import subprocess
import sys
import threading
import time
from importlib.resources import files

import pytest
from defusedxml import ElementTree

from pytest_harehearse.labs.lxd import keys

AGENT = files("pytest_harehearse.labs.lxd").joinpath("files/fence_harehearse")


class Lxd(http.server.ThreadingHTTPServer):
    """An LXD with some instances; ``ignores``: it takes orders and does nothing."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.states = {"web1": "Running", "web2": "Running"}
        self.ignores = False
        self.busy = 0
        self.asked = []
        for name in ("server", "client"):
            certificate, key = keys.certificate(name)
            (folder / f"{name}.crt").write_bytes(certificate)
            (folder / f"{name}.key").write_bytes(key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "client.crt")
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request, address):
        """A client that goes away is what some tests are about."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        self.server.asked.append(f"GET {self.path}")
        if "project=lab" not in query:
            return self.answer({"type": "error", "error": "not authorized"}, 403)
        if path == "/1.0/instances":
            return self.answer({"type": "sync", "metadata": [f"/1.0/instances/{n}" for n in self.server.states]})
        if path.startswith("/1.0/operations/"):
            return self.answer({"type": "sync", "metadata": {"class": "task", "status_code": 200}})
        state = self.server.states.get(path.split("/")[3])
        if state is None:
            return self.answer({"type": "error", "error": "Instance not found"}, 404)
        return self.answer({"type": "sync", "metadata": {"status": state}})

    def do_PUT(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(f"PUT {self.path} {body['action']}")
        if self.server.busy:
            self.server.busy -= 1
            return self.answer({"type": "error", "error": "Instance is busy running a stop operation"}, 400)
        if not self.server.ignores:
            name = self.path.split("/")[3]
            self.server.states[name] = "Running" if body["action"] == "start" else "Stopped"
        return self.answer({"type": "async", "operation": "/1.0/operations/abc?project=lab"}, 202)

    def answer(self, data, status=200):
        text = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words):
        """Quiet."""


@pytest.fixture
def lxd(tmp_path):
    server = Lxd(tmp_path)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def agent(lxd, tmp_path, **options):
    given = {
        "ip": "127.0.0.1", "ipport": lxd.server_address[1], "project": "lab", "cert": tmp_path / "client.crt",
        "key": tmp_path / "client.key", "server_cert": tmp_path / "server.crt", "power_timeout": 3, "off_time": 0, **options,
    }  # fmt: skip
    text = "".join(f"{name}={value}\n" for name, value in given.items())
    return subprocess.run(
        [sys.executable, str(AGENT)], input=text, capture_output=True, text=True, check=False, timeout=30
    )


def test_off_and_on_do_what_they_say(lxd, tmp_path):
    """Exit 0 once the server says that it is so."""
    assert agent(lxd, tmp_path, action="off", plug="web1").returncode == 0
    assert lxd.states == {"web1": "Stopped", "web2": "Running"}
    assert agent(lxd, tmp_path, action="status", plug="web1").returncode == 2
    assert agent(lxd, tmp_path, action="on", port="web1").returncode == 0
    assert agent(lxd, tmp_path, action="status", plug="web1").returncode == 0


def test_a_reboot_is_done_when_it_is_off_and_the_node_comes_back(lxd, tmp_path):
    """The fencer need not wait for the boot; the power is given back afterwards."""
    assert agent(lxd, tmp_path, action="reboot", plug="web2").returncode == 0
    deadline = time.monotonic() + 10
    while lxd.states["web2"] != "Running" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert lxd.states["web2"] == "Running"
    assert [line.rpartition(" ")[2] for line in lxd.asked if line.startswith("PUT")] == ["stop", "start"]


def test_an_order_that_is_not_carried_out_is_no_success(lxd, tmp_path):
    """A server that takes the order and leaves the node on: the agent fails, it does not believe."""
    lxd.ignores = True
    done = agent(lxd, tmp_path, action="off", plug="web1", power_timeout=1)
    assert done.returncode == 1
    assert "web1 is not Stopped in time" in done.stderr


def test_a_server_that_is_busy_is_asked_again(lxd, tmp_path):
    """Right after a stop LXD refuses a start for a moment."""
    lxd.states["web1"] = "Stopped"
    lxd.busy = 2
    assert agent(lxd, tmp_path, action="on", plug="web1").returncode == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"action": "off", "plug": "web9"}, "Instance not found"),
        ({"action": "off"}, "no plug"),
        ({"action": "off", "plug": "web1", "project": "other"}, "not authorized"),
        ({"action": "melt", "plug": "web1"}, "unknown action 'melt'"),
        ({"action": "status", "plug": "web1", "ipport": 1}, "refused"),
    ],
)  # fmt: skip
def test_an_error_is_never_a_success(lxd, tmp_path, options, said):
    """Unknown node, no node, no right, unknown action, nobody there: exit 1, and why."""
    done = agent(lxd, tmp_path, **{"power_timeout": 1, **options})
    assert done.returncode == 1
    assert said in done.stderr


def test_another_server_is_not_believed(lxd, tmp_path):
    """The server's certificate is pinned: whoever else answers cannot say that a node is off."""
    certificate, _ = keys.certificate("somebody else")
    (tmp_path / "other.crt").write_bytes(certificate)
    done = agent(lxd, tmp_path, action="off", plug="web1", server_cert=tmp_path / "other.crt", power_timeout=1)
    assert done.returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr
    assert lxd.states["web1"] == "Running"


def test_list_monitor_and_metadata(lxd, tmp_path):
    """What the fencer asks besides."""
    assert agent(lxd, tmp_path, action="list").stdout == "web1,\nweb2,\n"
    assert agent(lxd, tmp_path, action="monitor").returncode == 0
    described = ElementTree.fromstring(agent(lxd, tmp_path, action="metadata").stdout)
    actions = {action.get("name") for action in described.iter("action")}
    assert {"on", "off", "reboot", "status", "list", "monitor", "metadata"} == actions
    assert {"plug", "ip", "project", "off_time"} <= {p.get("name") for p in described.iter("parameter")}
