# SPDX-License-Identifier: MIT
"""Runs the command in this process, in a project of its own."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from pytest_harehearse.cli import init, main
from pytest_harehearse.remote import open as opener
from pytest_harehearse.remote.base import Unreachable


class Said(NamedTuple):
    status: int
    out: str
    err: str


class Way:
    """A channel to a host that answers as it is told; without more, nobody is there."""

    def __init__(self, node, answers) -> None:
        self.node, self.url = node.name, str(node.url)
        self._answers = answers
        self.closed = False

    def _answer(self, kind, command):
        answer = self._answers.get((self.node, kind), Unreachable("nobody is there"))
        return answer(command) if callable(answer) else answer

    def run(self, command, *, deadline, stdin=b"", root=True):
        return self._answer("run", command)

    def stream(self, command, *, deadline, root=True):
        return self._answer("stream", command)

    def close(self) -> None:
        self.closed = True


class Hosts:
    """The hosts of the inventory: ``answers[node, "run"]`` is what a command gets."""

    def __init__(self) -> None:
        self.answers = {}
        self.ways = []

    def open(self, node, defaults=None) -> Way:
        self.ways.append(Way(node, self.answers))
        return self.ways[-1]


@pytest.fixture(autouse=True)
def hosts(monkeypatch) -> Hosts:
    """No test of the command reaches a real host."""
    made = Hosts()
    monkeypatch.setattr(opener, "open_channel", made.open)
    return made


@pytest.fixture
def harehearse(capsys):
    """``harehearse("lab", "up")`` returns its exit status and what it said."""

    def run(*arguments) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main.main([str(argument) for argument in arguments])
        said = Said(caught.value.code, *capsys.readouterr())
        assert "Traceback" not in said.out + said.err
        return said

    return run


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder as ``harehearse init`` leaves it, and the working directory."""
    folder = tmp_path / "project"
    init.write(folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def everything(project):
    """The project with every example of the inventory in use."""
    file = project / "harehearse.toml"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(line.removeprefix("# ") if is_example(line) else line for line in lines))
    return project


def is_example(line: str) -> bool:
    """Whether a comment is commented-out TOML."""
    return line.startswith(("# [", "#   {", "# ]")) or (line.startswith("# ") and " = " in line)
