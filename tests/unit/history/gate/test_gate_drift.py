# SPDX-License-Identifier: MIT
"""The gate of drift against the twin: what it was read from, and how old that is."""

from datetime import timedelta

import pytest
from gate_samples import NOW, PRODUCTION

from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.history.gate import drifted

FORBIDDEN = {"sysctl/net.ipv4.tcp_retries2": "6"}
ALIKE = {"sysctl/net.ipv4.tcp_retries2": "15"}


def nodes(cluster, facts=ALIKE, *, ago=0.0, problems=None):
    at = (NOW - timedelta(seconds=ago)).isoformat(timespec="seconds")
    return [Snapshot(cluster, name, at, facts, problems or {}) for name in ("web1", "web2")]


def against(twin, **changes):
    gates = drifted.gates(PRODUCTION, nodes("production/web", **changes), twin, NOW)
    return next(gate for gate in gates if gate.name == "no drift against the twin")


def test_a_twin_that_was_read_after_the_decision_began_is_read_now():
    gate = against(nodes("lab/web", ago=-3))
    assert (gate.answer, gate.provenance, gate.age) == ("GO", "read now", None)


def test_a_kept_snapshot_is_as_old_as_it_is():
    gate = against(nodes("lab/web", ago=7200))
    assert (gate.answer, gate.provenance, gate.age) == ("GO", "read now, against the twin's snapshot", 7200.0)


def test_a_snapshot_from_the_future_proves_nothing():
    gate = against(nodes("lab/web", ago=-7200))
    assert gate.answer == "UNKNOWN"
    assert gate.evidence == "the snapshot of lab/web is dated 2.0 h in the future: a clock is wrong"
    assert gate.remedy == "set the clock, and read lab/web anew"
    assert gate.command == "harehearse drift lab/web"


def test_what_forbids_is_named_with_how_to_mend_it():
    gate = against(nodes("lab/web", ago=60), facts=FORBIDDEN)
    assert gate.answer == "NO-GO"
    assert gate.remedy == "make them alike: sysctl/net.ipv4.tcp_retries2"
    assert gate.command == "harehearse drift production/web --against lab/web"


@pytest.mark.parametrize("where", ["here", "there"])
def test_what_was_not_read_is_unknown(where):
    torn = {"sysctl": "Permission denied"}
    twin = nodes("lab/web", ago=60, problems=torn if where == "there" else None)
    gate = against(twin, problems=torn if where == "here" else None)
    assert (gate.answer, gate.remedy) == ("UNKNOWN", "let every node be read")
    assert "Permission denied" in gate.evidence


def test_a_twin_of_which_nothing_was_kept_is_unknown():
    gate = against("no snapshot of lab/web was ever kept")
    assert (gate.answer, gate.evidence) == ("UNKNOWN", "no snapshot of lab/web was ever kept")
