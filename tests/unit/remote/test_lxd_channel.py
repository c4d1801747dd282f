# SPDX-License-Identifier: MIT
"""The LXD channel against an LXD of our own making: requests over a real socket, websockets with real frames."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pytest_harehearse.remote.base import Channel, Done, Script, Unknown, Unreachable
from pytest_harehearse.remote.lxd import LxdChannel

pytest.importorskip("pylxd")


class FakeLxd(ThreadingUnixStreamServer):
    """One instance, "web1"; commands run on this machine. ``how`` says what goes wrong."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: str, how: str = "") -> None:
        super().__init__(path, Handler)
        self.how = how
        self.state = "Running"
        self.operations: dict[str, Operation] = {}
        self.started = 0


class Operation:
    """An exec operation: starts when the data websockets are there, as LXD's does."""

    def __init__(self, server: FakeLxd, command: list[str]) -> None:
        self.server, self.command = server, command
        self.sockets: dict[str, socket.socket] = {}
        self.ended = threading.Event()
        self.rc: int | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def connected(self, name: str, sock: socket.socket) -> None:
        self.sockets[name] = sock
        if {"0", "1", "2"} <= set(self.sockets):
            self.server.started += 1
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, stderr=pipe)
            threads = [threading.Thread(target=self.drain, args=(name,), daemon=True) for name in ("1", "2")]
            for thread in threads:
                thread.start()
            threading.Thread(target=self.feed, daemon=True).start()
            threading.Thread(target=self.finish, args=(threads,), daemon=True).start()

    def finish(self, threads: list[threading.Thread]) -> None:
        assert self.process is not None
        for thread in threads:
            thread.join()
        self.rc = self.process.wait()
        self.ended.set()

    def power_off(self) -> None:
        """Kill all of it, as the end of the instance does."""
        assert self.process is not None
        self.server.state = "Stopped"
        for pid in reversed(below(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def feed(self) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        while (frame := receive(self.sockets["0"])) is not None:
            kind, data = frame
            if kind == 1 and not data:
                break
            try:
                self.process.stdin.write(data)
                self.process.stdin.flush()
            except OSError:
                break
        with contextlib.suppress(OSError):
            self.process.stdin.close()

    def drain(self, name: str) -> None:
        assert self.process is not None
        pipe = self.process.stdout if name == "1" else self.process.stderr
        assert pipe is not None
        sock = self.sockets[name]
        try:
            while data := pipe.read1(1 << 15):
                send(sock, 2, data)
                if self.server.how == "stops" and self.server.state == "Running":
                    self.power_off()
            send(sock, 1, b"")
        except OSError:
            pass
        pipe.close()


def below(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found = [pid]
    for process in found:
        try:
            for task in Path(f"/proc/{process}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def send(sock: socket.socket, kind: int, data: bytes) -> None:
    size = len(data)
    head = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size)
    sock.sendall(bytes([0x80 | kind]) + head + data)


def exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise OSError("closed")
        data += part
    return data


def receive(sock: socket.socket) -> tuple[int, bytes] | None:
    try:
        first, second = exactly(sock, 2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", exactly(sock, 2))[0]
        elif size == 127:
            size = struct.unpack(">Q", exactly(sock, 8))[0]
        mask = exactly(sock, 4)
        data = exactly(sock, size)
    except OSError:
        return None
    key = (mask * (size // 4 + 1))[:size]
    plain = (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return (first & 0xF, plain) if first & 0xF in {1, 2} else None


class Handler(BaseHTTPRequestHandler):
    """LXD's REST API as far as the channel uses it."""

    protocol_version = "HTTP/1.1"
    server: FakeLxd

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        return "client"

    def answer(self, metadata: Any, status: int = 200, **more: Any) -> None:
        kind = "error" if status >= 400 else "async" if status == 202 else "sync"
        body = json.dumps({"type": kind, "metadata": metadata, **more}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        parts = url.path.strip("/").split("/")[1:]
        if not parts:
            auth = "untrusted" if self.server.how == "untrusted" else "trusted"
            self.answer({"auth": auth, "api_extensions": ["projects"], "environment": {}})
        elif parts[0] == "instances":
            self.answer({"status": self.server.state})
        elif parts[-1] == "websocket":
            self.websocket(parts[1], parse_qs(url.query)["secret"][0])
        else:
            operation = self.server.operations[parts[1]]
            operation.ended.wait(float(parse_qs(url.query).get("timeout", ["0"])[0]))
            running = operation.rc is None
            self.answer({"status_code": 103 if running else 200, "status": "x", "metadata": {"return": operation.rc}})

    def websocket(self, id_: str, secret: str) -> None:
        if self.server.how == f"refuses {secret}":
            self.close_connection = True
            return
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.wfile.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
        )
        self.wfile.flush()
        operation = self.server.operations[id_]
        operation.connected(secret, self.connection)
        if secret == "control":
            while (frame := receive(self.connection)) is not None:
                if operation.process is not None:
                    operation.process.send_signal(json.loads(frame[1])["signal"])
        else:
            operation.ended.wait(60)
        self.close_connection = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = self.path.split("/")[3]
        if self.server.how == "silent":
            time.sleep(5)
            self.close_connection = True
        elif name != "web1":
            self.answer(None, 404, error="Instance not found")
        elif self.server.how == "forbidden":
            self.answer(None, 403, error="Certificate is restricted")
        elif self.server.state != "Running":
            self.answer(None, 400, error="Instance is not running")
        else:
            id_ = str(len(self.server.operations))
            self.server.operations[id_] = Operation(self.server, body["command"])
            fds = {name: name for name in ("0", "1", "2", "control")}
            self.answer({"metadata": {"fds": fds}}, 202, operation=f"/1.0/operations/{id_}?project=lab")


def gone(pid: int, within: float = 5.0) -> bool:
    """Return whether the process has ended; a zombie has, too."""
    ends = time.monotonic() + within
    while time.monotonic() < ends:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def lxd(tmp_path):
    """Start one; ``lxd(how)`` returns the server and a channel to its instance."""
    started: list[tuple[FakeLxd, threading.Thread, LxdChannel]] = []

    def start(how: str = "", instance: str = "web1"):
        path = str(tmp_path / f"{len(started)}.socket")
        server = FakeLxd(path, how)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        channel = LxdChannel("n1", instance, endpoint=path, project="lab")
        started.append((server, thread, channel))
        return server, channel

    yield start
    for server, thread, channel in started:
        channel.close()
        server.shutdown()
        server.server_close()
        thread.join(10)
        for operation in server.operations.values():
            if operation.process is not None:
                for pid in below(operation.process.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                operation.process.wait(10)


def test_output_status_and_arguments_come_through_whole(lxd):
    """Nothing is pasted; both outputs are read together."""
    _, channel = lxd()
    assert isinstance(channel, Channel)
    assert channel.url == "lxd://lab/web1"
    odd = "a b'c\"$(x)\n*"
    done = channel.run(Script('printf "%s" "$1"; printf "%s" "$2" >&2; exit 255', (odd, "e")), deadline=20)
    assert isinstance(done, Done)
    assert (done.rc, done.stdout.decode(), done.stderr) == (255, odd, b"e")


def test_much_output_and_input(lxd):
    """More than any buffer on the way holds."""
    _, channel = lxd()
    data = b"0123456789abcdef" * 20_000
    done = channel.run(["tee", "/dev/stderr"], deadline=60, stdin=data)
    assert isinstance(done, Done)
    assert done.stdout == done.stderr == data


def test_at_the_deadline_unknown_and_killed(lxd):
    """With all that it started; what was said until then is kept; the next command runs."""
    _, channel = lxd()
    begun = time.monotonic()
    unknown = channel.run(Script("sleep 60 & echo $!; wait"), deadline=1.0)
    assert isinstance(unknown, Unknown)
    assert time.monotonic() - begun < 5
    assert "1.00 s" in unknown.reason
    assert "it was killed" in unknown.reason
    assert gone(int(unknown.stdout))
    assert isinstance(channel.run(["true"], deadline=20), Done)


@pytest.mark.parametrize(
    ("how", "instance", "refused", "word"),
    [
        ("", "web9", True, "no instance 'web9' in LXD's project 'lab'"),
        ("forbidden", "web1", True, "Certificate is restricted"),
        ("untrusted", "web1", True, "group lxd"),
        ("stopped", "web1", False, "the instance is stopped"),
        ("frozen", "web1", False, "the instance is frozen"),
        ("silent", "web1", False, "did not answer"),
        ("refuses control", "web1", False, "did not take descriptor control"),
        ("refuses 1", "web1", False, "did not take descriptor 1"),
    ],
)
def test_what_was_not_sent_says_why(lxd, how, instance, refused, word):
    """Missing, stopped, no rights, silent: each is told apart, and whether waiting helps."""
    server, channel = lxd(how, instance)
    if how in {"stopped", "frozen"}:
        server.state = how.title()
    begun = time.monotonic()
    outcome = channel.run(["true"], deadline=1.5)
    assert isinstance(outcome, Unreachable), outcome
    assert outcome.refused is refused
    assert word in outcome.reason
    assert outcome.reason.startswith("lxd://lab/")
    assert time.monotonic() - begun < 4
    assert server.started == 0
    assert isinstance(channel.stream(["true"], deadline=1.0), Unreachable)


def test_broken_off_while_it_was_started_is_unknown(lxd):
    """LXD starts the command when the last websocket is there: whether it did is not known."""
    _, channel = lxd("refuses 2")
    assert isinstance(channel.run(["true"], deadline=5), Unknown)


def test_an_instance_that_stops_in_mid_command_is_unknown(lxd):
    """LXD then says 137; that is no answer of the command."""
    _, channel = lxd("stops")
    outcome = channel.run(["sleep", "60"], deadline=20)
    assert isinstance(outcome, Unknown)
    assert "the instance was stopped while the command ran" in outcome.reason


def test_no_lxd_no_rights_no_pylxd(tmp_path, monkeypatch):
    """What to do about each."""
    missing = LxdChannel("n1", "web1", endpoint=tmp_path / "none").run(["true"], deadline=5)
    assert isinstance(missing, Unreachable)
    assert "not running" in missing.reason
    (tmp_path / "dead").touch()
    dead = LxdChannel("n1", "web1", endpoint=tmp_path / "dead").run(["true"], deadline=5)
    assert isinstance(dead, Unreachable)
    assert "does not answer" in dead.reason
    monkeypatch.setitem(sys.modules, "pylxd", None)
    without = LxdChannel("n1", "web1").run(["true"], deadline=5)
    assert isinstance(without, Unreachable)
    assert without.refused
    assert "pip install 'pytest-harehearse[lxd]'" in without.reason


def test_files_whole_or_not_at_all(lxd, tmp_path):
    """By the same scripts as every channel."""
    _, channel = lxd()
    path = str(tmp_path / "a 'b'")
    assert getattr(channel.put(b"data", path, deadline=20, mode=0o640), "rc", None) == 0
    got = channel.get(path, deadline=20)
    assert isinstance(got, Done)
    assert got.stdout == b"data"
    missing = channel.get("/nope", deadline=20)
    assert isinstance(missing, Done)
    assert missing.rc == 1


def test_a_stream_gives_lines_takes_input_and_says_how_it_ended(lxd):
    """And closing one ends the command with all that it started."""
    _, channel = lxd()
    with channel.stream(Script('while read -r x; do echo "got $x"; done; exit 3'), deadline=20) as stream:
        assert stream.send(b"1\n", 5)
        assert next(stream.lines(20)) == "got 1"
        assert stream.outcome() is None
        stream._process.end_input()
        assert list(stream.lines(20)) == []
        ended = stream.outcome()
    assert isinstance(ended, Done)
    assert ended.rc == 3
    with channel.stream(Script("sleep 60 & echo $!; wait"), deadline=20) as stream:
        pid = int(next(stream.lines(20)))
    assert gone(pid)
