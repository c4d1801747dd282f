# SPDX-License-Identifier: MIT
"""Valkey Sentinel: a failover that shows no error and loses writes, and one that loses none; the reports say which."""

import json
import subprocess
import sys

import pytest

from pytest_harehearse.inventory.load import load
from pytest_harehearse.labs.base import lab_of

INVENTORY = """
[environments.demo]
kind = "lab"
provider = "embedded"
[environments.demo.clusters.carts]
manager = "sentinel"
nodes = ["c1", "c2", "c3"]
"""

REHEARSALS = '''
import pytest


@pytest.mark.rehearsal(lost_writes=0, dual_active="0s")
def test_failover_coordinated(cluster, probes):
    """The primary is told to hand over."""
    with probes.watch() as seen:
        cluster.switchover(within="60s")
    assert seen["write"].interruption <= "20s"
    assert seen.lost_writes == []
    cluster.until_redundant(within="60s")


@pytest.mark.rehearsal(lost_writes=0, dual_active="0s")
def test_failover_classic(cluster, probes):
    """The sentinels promote a replica; the primary is told later."""
    with probes.watch() as seen:
        cluster.switchover(how="classic", within="60s")
    cluster.until_redundant(within="60s")
    assert len(seen.lost_writes) > 100
    assert seen.dual_active.total_seconds() > 3
'''


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Both rehearsals on one lab: the summary, and what the terminal showed."""
    project = tmp_path_factory.mktemp("carts")
    (project / "harehearse.toml").write_text(INVENTORY)
    (project / "test_failover.py").write_text(REHEARSALS)
    (project / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=project, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    inventory = load(project / "harehearse.toml")
    lab = lab_of(inventory, inventory.environments["demo"])
    left = lab.home.exists()
    lab.down(print)
    assert not left, "the run left its lab behind"
    [directory] = (project / ".harehearse" / "runs").iterdir()
    return json.loads((directory / "run.json").read_text()), done.stdout, directory


def rehearsal(run, name):
    """One of the two, with its writing service."""
    [found] = [one for one in run[0]["rehearsals"] if name in one["name"]]
    [write] = [service for service in found["services"] if service["name"] == "write"]
    return found, write


def test_a_coordinated_failover_loses_nothing(run):
    """It is interrupted for a moment, and every acknowledged write is there."""
    found, write = rehearsal(run, "coordinated")
    assert found["verdict"] == "passed", run[1]
    assert write["writes"]["problem"] is None
    assert write["writes"]["acked"] > 100
    assert write["writes"]["lost"] == []
    assert found["dual"]["spans"] == []


def test_a_classic_failover_loses_writes_without_an_error(run):
    """The client stays on the old primary, which still answers: hardly an error, and hundreds of writes are gone."""
    found, write = rehearsal(run, "classic")
    assert found["verdict"] == "failed"
    assert write["writes"]["problem"] is None
    assert len(write["writes"]["lost"]) > 100
    # What an error count would have shown of it.
    assert write["total_upper"] is None or write["total_upper"] < 3
    [lost, dual] = [limit for limit in found["limits"] if limit["unit"] == "writes" or "active" in limit["name"]]
    assert (lost["verdict"], dual["verdict"]) == ("failed", "failed")
    assert dual["upper"] > 3


def test_the_reports_say_so_for_both(run):
    """The terminal, the ticket and the page: lost writes and two primaries of the one, none of the other."""
    _, write = rehearsal(run, "classic")
    lost = len(write["writes"]["lost"])
    page, ticket = (run[2] / "report.html").read_text(), (run[2] / "report.md").read_text()
    for text in (run[1], page, ticket):
        assert str(lost) in text
        assert "Two nodes were active at once" in " ".join(text.split())
    assert "Never were two nodes active at once." in page
    assert f"of them {lost} lost" in ticket
    assert "of them 0 lost" in ticket
