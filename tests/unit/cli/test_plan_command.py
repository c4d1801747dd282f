# SPDX-License-Identifier: MIT
"""``harehearse plan``: the plan and nothing else, nothing touched."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pytest_harehearse.cli import exits


@pytest.fixture
def plan():
    """``plan(path)`` runs the command in a process of its own: pytest in it writes to the real standard output."""

    def run(*arguments, **environ):
        return subprocess.run(
            [sys.executable, "-m", "pytest_harehearse.cli", "plan", *arguments],
            env={**os.environ, **environ}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_the_help_is_golden(harehearse, snapshot):
    """Read it as a user does."""
    assert harehearse("plan", "--help").out == snapshot


def test_the_plan_of_the_first_test(project, plan):
    """Every action with its undo, no noise of pytest, no file."""
    before = sorted(project.iterdir())
    said = plan("test_failover_first.py")
    assert (said.returncode, said.stderr) == (exits.OK, "")
    assert "test_failover_first.py::test_failover_planned_switchover[demo/orders]" in said.stdout
    assert "  action     switchover n1 → n2" in said.stdout
    assert not [word for word in ("skipped", "SKIPPED", "passed", "collected") if word in said.stdout]
    assert sorted(project.iterdir()) == before


def test_other_tests_are_not_run(project, plan):
    """They would really do what they do."""
    (project / "test_other.py").write_text("from pathlib import Path\ndef test_it(): Path('touched').touch()\n")
    assert plan(".").returncode == exits.OK
    assert not (project / "touched").exists()


def test_a_rehearsal_that_is_skipped_says_why(project, plan):
    """Its needs are not met."""
    (project / "test_failover_first.py").write_text(
        "import pytest\n@pytest.mark.needs(nodes=9)\ndef test_failover_many(cluster): cluster.switchover()\n"
    )
    said = plan(".")
    assert said.returncode == exits.OK
    assert "SKIPPED" in said.stdout
    assert "9" in said.stdout


def test_no_rehearsal_found(project, plan):
    """Says what makes a test a rehearsal."""
    (project / "test_failover_first.py").write_text("def test_it(): pass\n")
    said = plan(".")
    assert said.returncode == exits.USAGE
    assert said.stderr == (
        "harehearse: No rehearsal found in .: no test there uses the fixture 'cluster'. "
        "Write a first one: harehearse init\n"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nowhere"], "file or directory not found: nowhere"),
        (["--cluster", "demo/order", "."], "Did you mean 'demo/orders'?"),
        (["--env", "dmo", "."], "Did you mean 'demo'?"),
        (["--config", "nowhere.toml", "."], "nowhere.toml: there is no such file."),
        ([], "Missing argument 'PATH…'"),
    ],
)
def test_wrong_usage(project, plan, arguments, text):
    """Exits 64 with a sentence."""
    said = plan(*arguments)
    assert said.returncode == exits.USAGE
    assert text in said.stderr
    assert "Traceback" not in said.stdout + said.stderr


def test_a_file_that_is_no_python(project, plan):
    """pytest says where."""
    (project / "test_failover_first.py").write_text("def test_failover(:\n")
    said = plan(".")
    assert said.returncode == exits.NO
    assert "SyntaxError" in said.stdout


def test_another_inventory(project, plan, tmp_path):
    """And another cluster of it."""
    other = tmp_path / "other.toml"
    other.write_text((project / "harehearse.toml").read_text().replace("orders", "stock"))
    said = plan("--config", str(other), "--cluster", "demo/stock", ".")
    assert "[demo/stock]" in said.stdout


@pytest.mark.parametrize("addopts", ["-ra -v", "-n 2", "--tb=long -x"])
def test_the_projects_own_options_do_not_hide_the_plan(project, plan, addopts):
    """Nor do they bring back the noise."""
    said = plan(".", PYTEST_ADDOPTS=addopts)
    assert said.returncode == exits.OK
    assert "  action     switchover n1 → n2" in said.stdout
    assert "SKIPPED" not in said.stdout


def test_every_rehearsal_has_its_own_plan(project, plan):
    """What the second test does stands under the second test, and begins anew."""
    (project / "test_failover_first.py").write_text(
        "def test_failover_one(cluster): cluster.switchover()\ndef test_failover_two(cluster): cluster.switchover()\n"
    )
    said = plan(".").stdout
    one, two = said.partition("test_failover_first.py::test_failover_two")[::2]
    assert one.count("  action     switchover n1 → n2") == 1
    assert two.count("  action     switchover n1 → n2") == 1
