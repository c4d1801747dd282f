# SPDX-License-Identifier: MIT
"""Runs the command in this process, in a project of its own."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from pytest_harehearse.cli import init, main


class Said(NamedTuple):
    status: int
    out: str
    err: str


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
