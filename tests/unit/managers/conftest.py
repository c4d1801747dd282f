# SPDX-License-Identifier: MIT
"""A REST server and a Valkey server on loopback that answer as they are told."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


class ScriptedRest:
    """Answers ``METHOD /path`` with (status, body); ``None``: accepts and hangs; bytes: sent as they stand."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.answers = {}
        self.requests = []
        self._open = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.append(client)
                thread = threading.Thread(target=self._serve, args=(client,))
                self._threads.append(thread)
            thread.start()

    def _serve(self, client):
        try:
            data = b""
            while b"\r\n\r\n" not in data:
                if not (more := client.recv(65536)):
                    return
                data += more
            head, _, body = data.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:])
            while len(body) < int(headers.get("content-length", 0)):
                body += client.recv(65536)
            what = " ".join(lines[0].split()[:2])
            self.requests.append((what, headers, body.decode()))
            answer = self.answers.get(what, (404, ""))
            if answer is None:
                client.recv(65536)  # until the client gives up
            elif isinstance(answer, bytes):
                client.sendall(answer)
            else:
                status, said = answer
                text = (said if isinstance(said, str) else json.dumps(said)).encode()
                client.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(text)) + text)
        except OSError:
            pass
        finally:
            client.close()

    def close(self):
        """Nothing listens there any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for client in self._open:
                with contextlib.suppress(OSError):  # closed by its thread already
                    client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)


@pytest.fixture
def rest_servers():
    """Make scripted REST servers; they end with the test."""
    made = []

    def make():
        made.append(ScriptedRest())
        return made[-1]

    yield make
    for server in made:
        if server._listener.fileno() != -1:
            server.close()


class ScriptedValkey:
    """Answers commands by their words; ``None``: accepts and hangs; what is not told: an error."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.answers = {}
        self.commands = []
        self._open = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.append(client)
                thread = threading.Thread(target=self._serve, args=(client,))
                self._threads.append(thread)
            thread.start()

    def _serve(self, client):
        try:
            with client, client.makefile("rb") as lines:
                while words := self._command(lines):
                    self.commands.append(words)
                    if words[0] in {"AUTH", "CLIENT"}:
                        answer = self.answers.get(words[:1], b"+OK\r\n")
                    else:
                        answer = self.answers.get(words, b"-ERR not told\r\n")
                    if answer is None:
                        client.recv(65536)  # until the client gives up
                        return
                    client.sendall(answer if isinstance(answer, bytes) else resp(answer))
        except (OSError, ValueError):
            pass

    @staticmethod
    def _command(lines):
        head = lines.readline()
        if not head.startswith(b"*"):
            return ()
        words = []
        for _ in range(int(head[1:])):
            size = int(lines.readline()[1:])
            words.append(lines.read(size + 2)[:-2].decode())
        return tuple(words)

    def close(self):
        """Nothing listens there any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for client in self._open:
                with contextlib.suppress(OSError):  # closed by its thread already
                    client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)


def resp(value):
    """Write a reply as RESP 2 has it."""
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, str):
        data = value.encode()
        return b"$%d\r\n%s\r\n" % (len(data), data)
    return b"*%d\r\n" % len(value) + b"".join(resp(one) for one in value)


@pytest.fixture
def valkey_servers():
    """Make scripted Valkey servers; they end with the test."""
    made = []

    def make():
        made.append(ScriptedValkey())
        return made[-1]

    yield make
    for server in made:
        if server._listener.fileno() != -1:
            server.close()
