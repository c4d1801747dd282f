# SPDX-License-Identifier: MIT
"""``harehearse playbook``: the runbook of a test, in a process as a user starts it; nothing touched."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pytest_harehearse.cli import exits

PATCH = '''
def test_patch(cluster, probes, patching):
    """Patch the standby."""
    with probes.watch():
        patching.standby_first(patching.reboot())


def test_no_patch(cluster):
    """Switch over."""
    cluster.switchover()
'''


@pytest.fixture
def playbook(project):
    (project / "test_failover_patch.py").write_text(PATCH)

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "pytest_harehearse.cli", "playbook", *arguments],
            env={**os.environ}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_the_help_is_golden(harehearse, snapshot):
    """Read it as a user does."""
    assert harehearse("playbook", "--help").out == snapshot


def test_markdown_to_standard_output(project, playbook):
    """Every step in its order with what to type; no run is made."""
    before = sorted(project.iterdir())
    said = playbook("test_failover_patch.py::test_patch")
    assert (said.returncode, said.stderr) == (exits.OK, "")
    assert said.stdout.startswith("# Playbook: Patch the standby\n")
    assert "any node: patronictl switchover --leader n1 --candidate n2 --force" in said.stdout
    assert "This playbook was never rehearsed as it stands here" in said.stdout
    assert sorted(project.iterdir()) == before


def test_for_another_node_that_serves(playbook):
    """The commands are those for the night on which n2 serves."""
    said = playbook("test_failover_patch.py::test_patch", "--active", "n2")
    assert "* [ ] n2 serves." in said.stdout
    assert "patronictl switchover --leader n2 --candidate n1 --force" in said.stdout


def test_a_page_in_a_file(project, playbook):
    """Written where it was wanted, and said."""
    said = playbook("test_failover_patch.py::test_patch", "--format", "html", "-o", "book.html")
    assert (said.returncode, said.stdout) == (exits.OK, "written: book.html\n")
    assert (project / "book.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["test_failover_patch.py::test_no_patch"],
         "test_failover_patch.py::test_no_patch carries out no patch day (patching.standby_first and the like), so it has no "  # noqa: ISC004
         "playbook. What it would do: harehearse plan test_failover_patch.py::test_no_patch"),
        (["no_such.py"], "no_such.py could not be planned, so there is no playbook; what pytest said stands above."),
        (["test_failover_patch.py::test_patch", "--active", "n9"],
         "--active n9: demo/orders has no such node; its nodes are n1, n2, n3."),
    ],
)  # fmt: skip
def test_what_has_no_playbook(playbook, arguments, text):
    """A sentence on standard error, and exit status 64."""
    said = playbook(*arguments)
    assert said.returncode == exits.USAGE
    assert f"harehearse: {text}" in said.stderr
