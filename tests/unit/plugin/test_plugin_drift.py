# SPDX-License-Identifier: MIT
"""The fixture ``drift``: read once, told on the timeline, kept with the run; a plan only tells."""

from __future__ import annotations

import pytest

from pytest_harehearse.drift import kept, of_cluster
from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.rehearsal import drifting

TESTS = """
def test_alike(cluster, drift):
    assert not drift.between_nodes().forbidden
    assert not drift.between_nodes().unknown

def test_against(cluster, drift):
    assert [one.path for one in drift.against("lab/other").findings] == ["sysctl/vm.swappiness"]

def test_never_read(cluster, drift):
    drift.against("lab/never")
"""


def nodes(cluster, value="60"):
    return [
        Snapshot(cluster, name, "2026-11-23T12:00:00+00:00", {"sysctl/vm.swappiness": value}) for name in ("n1", "n2")
    ]


@pytest.fixture
def read(monkeypatch):
    """The nodes are alike; how often they were read."""
    asked = []

    def snapshots(cluster, manager, channels):
        asked.append(cluster.id)
        return nodes(cluster.id)

    monkeypatch.setattr(drifting, "snapshots", snapshots)
    return asked


def test_what_is_not_alike(static, read, summary):
    """Each rehearsal reads once; what was found is a note, and the snapshot belongs to the run."""
    store = static.path / ".harehearse"
    kept.write(store, "lab/other", nodes("lab/other", "10"))
    static.makepyfile(TESTS)
    result = static.runpytest()
    result.stdout.fnmatch_lines(["*1 unknown*"])
    assert read == ["lab/web", "lab/web"]
    found = {one["name"].partition("[")[0]: one for one in summary()["rehearsals"]}
    assert "drift between the nodes: 0 differ, 1 alike" in str(found["test_alike"]["notes"])
    (note,) = found["test_against"]["notes"]
    assert note.startswith("drift against lab/other (as of ")
    assert note.endswith("): 1 differ (1 forbidden: sysctl/vm.swappiness), 0 alike")
    assert found["test_never_read"]["verdict"] == "unknown"
    assert "No snapshot of lab/never was ever kept" in found["test_never_read"]["reason"]
    assert kept.latest(store, "lab/web", summary()["run"]).nodes == tuple(nodes("lab/web"))


def test_a_plan_reads_nothing(static, read):
    """It says what would be read."""
    static.makepyfile(TESTS)
    result = static.runpytest("--harehearse-plan", "-k", "alike")
    result.stdout.fnmatch_lines(["*the nodes would be read and held against each other*"])
    assert read == []


def test_a_manager_without_settings_is_not_known():
    """Nodes that are no hosts, of a manager that tells nothing."""
    from pytest_harehearse.inventory.model import Cluster, Node

    (found,) = of_cluster.snapshots(Cluster("lab", "x", "lab", "keepalived", (Node("n1"),)), object(), {})
    assert set(found.problems.values()) == {"its nodes are no hosts, and its manager tells no settings"}
